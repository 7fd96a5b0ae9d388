"""The command line, one file a command. ``sdlab --help`` loads neither torch nor pandas.

A wrong argument ends with exit code 2 and one line that names it; trouble with the environment
with exit code 1 and one line that says what to do; anything else is a bug and shows its traceback.
"""

from sdlab.cli.registry import app
from sdlab.discovery import import_registering

__all__ = ["app"]

import_registering("sdlab.cli", "command")
