"""A finished run, handed over: a bundle to deploy, a report to read."""
