"""The command line: the laboratory's words, typed."""

from sdlab.cli.commands import app

__all__ = ["app"]
