"""What a run leaves: the trace, and the tables made of it."""
