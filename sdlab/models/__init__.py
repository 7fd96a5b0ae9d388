"""Models: loading them, and what the laboratory needs to know of one."""
