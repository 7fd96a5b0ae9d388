"""The source of a function with all that it needs, to stand in a script without the laboratory.

What a function refers to is looked up in its module: definitions of sdlab are copied, one after
the other in the order in which they need each other; whatever else is imported stays an import.
"""

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any

OURS = "sdlab"


class Inlined:
    """Definitions gathered from modules, and the imports that they need."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.definitions: dict[str, str] = {}

    def add(self, thing: Callable[..., Any] | type) -> None:
        """Add a function or a class with all that it refers to.

        Raises:
            ValueError: If its source is not at hand, or two things have one name.
        """
        self._add(_Module.of(thing), thing.__name__)

    def _add(self, module: "_Module", name: str) -> None:
        if name in module.imported:
            self._import(module, name)
        elif name in module.defined:
            self._define(module, name)

    def _import(self, module: "_Module", name: str) -> None:
        line, home, original = module.imported[name]
        if home.split(".")[0] == OURS:
            self._add(_Module(importlib.import_module(home)), original)
        else:
            self.imports.add(line)

    def _define(self, module: "_Module", name: str) -> None:
        text = module.text(name)
        if self.definitions.get(name, text) != text:
            raise ValueError(f"two different definitions of {name!r} would meet in one script.")
        if name in self.definitions:
            return
        self.definitions[name] = text  # now, so that what refers to itself ends
        for other in module.names(name):
            self._add(module, other)
        self.definitions[name] = self.definitions.pop(name)  # behind what it needs


class _Module:
    """A module's source: what stands at its top, and where its names come from."""

    def __init__(self, module: Any) -> None:
        try:
            self._source = inspect.getsource(module)
        except (OSError, TypeError) as error:
            raise ValueError(f"the source of {module!r} is not at hand: {error}.") from error
        self._lines = self._source.splitlines()
        self.defined: dict[str, ast.stmt] = {}
        self.imported: dict[str, tuple[str, str, str]] = {}
        for node in ast.parse(self._source).body:
            self._note(node)

    @classmethod
    def of(cls, thing: Any) -> "_Module":
        return cls(sys.modules.get(thing.__module__))

    def _note(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name
                self.imported[name] = (ast.unparse(ast.Import([alias])), alias.name, alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                line = f"from {node.module} import {ast.unparse(alias)}"
                home = (line, node.module or "", alias.name)
                self.imported[alias.asname or alias.name] = home
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            self.defined[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            self.defined |= {t.id: node for t in targets if isinstance(t, ast.Name)}

    def text(self, name: str) -> str:
        """Return a definition's text, without the decorators that are ours."""
        node = self.defined[name]
        text = "\n".join(self._lines[node.lineno - 1 : node.end_lineno])
        kept = [ast.unparse(made) for made in self._decorators(node)]
        return "\n".join([*(f"@{made}" for made in kept), textwrap.dedent(text)])

    def names(self, name: str) -> list[str]:
        """Return the names that a definition refers to, each once, in their order."""
        node = self.defined[name]
        parts = [*ast.iter_child_nodes(node)]
        dropped = {*getattr(node, "decorator_list", [])} - {*self._decorators(node)}
        found = [n for part in parts if part not in dropped for n in ast.walk(part)]
        return list(dict.fromkeys(n.id for n in found if isinstance(n, ast.Name) and n.id != name))

    def _decorators(self, node: ast.stmt) -> list[ast.expr]:
        return [made for made in getattr(node, "decorator_list", []) if not self._is_ours(made)]

    def _is_ours(self, made: ast.expr) -> bool:
        names = [n.id for n in ast.walk(made) if isinstance(n, ast.Name)]
        homes = [self.imported[name][1] for name in names[:1] if name in self.imported]
        return any(home.split(".")[0] == OURS for home in homes)
