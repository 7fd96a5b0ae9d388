"""Imports a package's submodules when they are first used.

Python makes ``package.module`` available only after somebody has imported it. With this, every
module works right after ``import sdlab``, and none is loaded before. The library for this,
lazy-loader, wants a list of them.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def on_first_use(package: str) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``: it imports the submodule of that name.

    Args:
        package: Its ``__name__``.
    """

    def find(name: str) -> Any:
        full = f"{package}.{name}"
        if name.startswith("_") or not name.isidentifier() or find_spec(full) is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(full)

    return find
