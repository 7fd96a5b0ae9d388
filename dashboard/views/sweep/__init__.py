"""The Sweep page: one experiment along any fields, made, watched, measured."""
