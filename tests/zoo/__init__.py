"""Tiny models of every kind, and what they are made of."""
