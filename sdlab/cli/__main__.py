"""``python -m sdlab.cli``: the command line where the command ``sdlab`` is not installed."""

from sdlab.cli import app

app()
