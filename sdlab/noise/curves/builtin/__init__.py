"""The curves that come with sdlab: one curve or family a file, found by looking."""
