"""Finds the modules of a package that register something, by looking instead of by a list.

Whether a module registers something is read from its source, so that the other modules, which may
be slow to import, are not imported. Every folder in the package's ``__path__`` is searched.
(pluggy and stevedore import whatever there is, and find what is installed, not what is here.)
"""

import pkgutil
import re
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import Any


def import_registering(package: str, decorator: str) -> None:
    """Import each module of a package that uses a decorator, in the order of their names.

    Args:
        package: The package's dotted name.
        decorator: The decorator's name, as in ``@solver(...)`` or ``@registry.solver(...)``.

    Raises:
        ImportError: If such a module cannot be imported; its own error if it raises another.
    """
    places = tuple(import_module(package).__path__)
    for name in _registering(package, places, decorator):
        import_module(name)


@cache
def _registering(package: str, places: tuple[str, ...], decorator: str) -> list[str]:
    used = re.compile(rf"^@(?:\w+\.)*{decorator}\(", re.MULTILINE)
    found = pkgutil.iter_modules(places, f"{package}.")
    return sorted(module.name for module in found if used.search(_source(module)))


def _source(module: pkgutil.ModuleInfo) -> str:
    finder: Any = module.module_finder
    spec: ModuleSpec | None = finder.find_spec(module.name)
    loader: Any = spec and spec.loader
    return (loader.get_source(module.name) or "") if hasattr(loader, "get_source") else ""
