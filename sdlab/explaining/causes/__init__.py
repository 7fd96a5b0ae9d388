"""Causes of a difference, a theme a file; each is one function under ``@cause``."""
