"""Runs: where they are kept, where they are worked on, and how one asks for them."""
