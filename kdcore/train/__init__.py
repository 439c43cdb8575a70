"""The training loop, as a generator over plain reports, and the teacher's cached answers."""
