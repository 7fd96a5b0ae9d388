"""Which room may import which: every import counts, also a lazy one and one for types alone."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUND = {
    "bounds",
    "columns",
    "discovery",
    "errors",
    "moved",
    "plain",
    "shipped",
    "submodules",
    "work",
}
"""Modules beside the rooms that every room of the library may import."""

SDLAB = {
    "experiment": "",
    "noise": "",
    "embedded": "",
    "models": "experiment noise",
    "denoisers": "models noise",
    "text": "embedded experiment models",
    "solvers": "denoisers models noise",
    "attention": "denoisers experiment models text",
    "runs": "attention experiment models noise",
    "tracing": "attention denoisers experiment models noise runs solvers text",
    "sampling": "attention denoisers embedded experiment models noise runs solvers text tracing",
    "latents": "models noise runs solvers",
    "ddim": "denoisers latents models noise solvers text",
    "bench": "denoisers embedded noise solvers",
    "linting": "models noise solvers",
    "comparing": ("bench denoisers embedded experiment latents models noise runs sampling solvers"),
    "training": "embedded models",
    "cli": (
        "bench comparing denoisers experiment linting models runs sampling solvers text training"
    ),
}
"""What each room of the library may import, beside the ground and itself."""


def modules(top: str) -> dict[str, Path]:
    """Every module of a package with its file."""
    found = {}
    for path in sorted((ROOT / top).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, anywhere in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in known else node.module or ""), node.lineno


def breaches(top: str, table: dict[str, str], ground: set[str]) -> list[str]:
    """Every import that the table does not allow, with its place."""
    known = modules(top)
    found = []
    for name, path in known.items():
        room = name.split(".")[1] if "." in name else ""
        if not room:
            continue  # the package's own address book
        allowed = {room, *ground} | set(table.get(room, "").split())
        for target, line in imports(path, known):
            head, _, rest = target.partition(".")
            other = rest.split(".")[0]
            lazy = not other or other not in table.keys() | ground  # ``import sdlab``, a name of it
            if head == top and (other not in allowed or lazy) and not (lazy and room == "cli"):
                found.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    return found


def test_the_librarys_rooms_import_one_way():
    assert not breaches("sdlab", SDLAB, GROUND)


@pytest.mark.parametrize("table", [SDLAB], ids=["sdlab"])
def test_there_is_no_circle_between_rooms(table):
    order = TopologicalSorter({room: names.split() for room, names in table.items()})
    assert set(order.static_order()) == set(table)


def test_every_room_stands_in_the_table():
    rooms = {name.split(".")[1] for name in modules("sdlab") if "." in name}
    assert rooms == set(SDLAB) | GROUND
