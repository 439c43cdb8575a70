"""What a model costs: its size, its arithmetic and its latency on this machine."""
