"""Runs made again."""
