"""How one module imports another: every import counts, also a lazy one and one for types alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules(top: str, root: Path = ROOT) -> dict[str, Path]:
    """Every module of a package with its file."""
    found = {}
    for path in sorted((root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, anywhere in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in known else node.module or ""), node.lineno


def room_of(module: str) -> str:
    """The room that a module is of; each folder of ``views`` is one, "" is the package itself."""
    parts = module.split(".")[1:]
    return ".".join(parts[: 2 if parts[:1] == ["views"] else 1])
