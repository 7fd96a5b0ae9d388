"""How the house stands: arrows and circles between rooms, sizes of files and functions, lines.

A room is what stands at the top of a package, a folder or a module, and each folder of
``dashboard/views``. An arrow from one room to another is there if any module of the one imports any
of the other, lazily or for types too. Arrows up are those that run against the order of rooms in
which the fewest do: none if the imports go one way. A circle is a pair of rooms that import each
other. Code is what is left of a file without blank lines, comments and docstrings.

    python benchmarks/house.py --before ../the-version-before
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median

from report import Report

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.imports import imports, modules, room_of  # noqa: E402

LONG_FILE, LONG_FUNCTION, MANY_PARAMETERS = 400, 60, 8
PROGRAM = ("sdlab", "dashboard", "pages")
SPACE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
GOALS = {
    "sdlab: arrows up": "<= 0",
    "sdlab: circles": "<= 0",
    "dashboard: arrows up": "<= 0",
    "dashboard: circles": "<= 0",
    "dashboard: entries at the top": "<= 8",
    "program: median lines of a file": "<= 130",
    f"program: files over {LONG_FILE} lines": "<= 0",
    f"program: functions over {LONG_FUNCTION} lines": "<= 0",
    f"program: functions with more than {MANY_PARAMETERS} parameters": "<= 2",
    f"tests: files over {LONG_FILE} lines": "<= 0",
}

Arrows = set[tuple[str, str]]


def arrows_of(top: str, root: Path) -> Arrows:
    """Return the pairs of rooms of which the first imports the second."""
    known = modules(top, root)
    found = {
        (room_of(name), room_of(target))
        for name, path in known.items()
        for target, _ in imports(path, known)
        if target.split(".")[0] == top
    }
    rooms = {room_of(name) for name in known} - {""}
    return {(a, b) for a, b in found if a != b and {a, b} <= rooms}


def knots_of(arrows: Arrows) -> list[set[str]]:
    """Return the sets of rooms each of which reaches all others of its set."""
    reach = {room: {b for a, b in arrows if a == room} for pair in arrows for room in pair}
    for middle in reach:
        for room in reach:
            if middle in reach[room]:
                reach[room] |= reach[middle]
    knots: list[set[str]] = []
    for room in reach:
        if room in reach[room] and not any(room in knot for knot in knots):
            knots.append({other for other in reach[room] if room in reach[other]})
    return knots


def up(arrows: Arrows) -> int:
    """Return how many arrows run against the best order of rooms.

    Within a knot every set of rooms is built up by the room that comes last in it: exact, 2^n sets.
    """
    return sum(_least(sorted(knot), arrows) for knot in knots_of(arrows))


def _least(rooms: list[str], arrows: Arrows) -> int:
    place = {room: number for number, room in enumerate(rooms)}
    imported = [0] * len(rooms)
    for a, b in arrows:
        if a in place and b in place:
            imported[place[a]] |= 1 << place[b]
    least = [0] + [len(arrows)] * (2 ** len(rooms) - 1)
    for done in range(len(least)):  # rooms in place; what the next imports of the others runs up
        for number, wanted in enumerate(imported):
            if not done >> number & 1:
                cost = least[done] + (wanted & ~done).bit_count()
                least[done | 1 << number] = min(least[done | 1 << number], cost)
    return least[-1]


def files_of(root: Path, *tops: str) -> list[Path]:
    """Return the Python files of some folders."""
    return [path for top in tops for path in sorted((root / top).rglob("*.py"))]


def functions_of(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the lines, but for the docstring, and the parameters of every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = node.args
            named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            count = sum(1 for one in named if one is not None and one.arg not in ("self", "cls"))
            told = node.body[0] if ast.get_docstring(node, clean=False) else None
            yield _lines(node) - (_lines(told) if told else 0), count


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def code_lines(text: str) -> int:
    """Return how many lines of Python hold code: no blank lines, comments or docstrings."""
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SPACE and token.string:
            held |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):  # a text that stands by itself documents something
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                held -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def measured(root: Path) -> dict[str, float]:
    """Return every figure of a checkout by name."""
    found: dict[str, float] = {}
    for top in ("sdlab", "dashboard"):
        arrows = arrows_of(top, root)
        rooms = {room for pair in arrows for room in pair}
        found[f"{top}: arrows"] = len(arrows)
        found[f"{top}: arrows up"] = up(arrows)
        found[f"{top}: circles"] = sum(
            {(a, b), (b, a)} <= arrows for a, b in combinations(sorted(rooms), 2)
        )
        found[f"{top}: rooms in the largest knot"] = max(map(len, knots_of(arrows)), default=0)
    entries = {name.split(".")[1] for name in modules("dashboard", root) if "." in name}
    found["dashboard: entries at the top"] = len(entries)
    for what, tops in (("program", PROGRAM), ("tests", ("tests",))):
        paths = files_of(root, *tops)
        lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]
        found[f"{what}: median lines of a file"] = median(lines)
        found[f"{what}: files over {LONG_FILE} lines"] = sum(n > LONG_FILE for n in lines)
        sizes = [size for path in paths for size in functions_of(path)]
        over, many = LONG_FUNCTION, MANY_PARAMETERS
        found[f"{what}: functions over {over} lines"] = sum(n > over for n, _ in sizes)
        name = f"{what}: functions with more than {many} parameters"
        found[name] = sum(count > many for _, count in sizes)
    return found | _code(root)


def _code(root: Path) -> dict[str, float]:
    """Return the lines of code of each part, and of the program in all."""
    found: dict[str, float] = {}
    for top in (*PROGRAM, "tests"):
        texts = (path.read_text(encoding="utf-8") for path in files_of(root, top))
        found[f"{top}: lines of code"] = sum(map(code_lines, texts))
    beside = [path for kind in ("*.js", "*.css") for path in (root / "dashboard").rglob(kind)]
    texts = (path.read_text(encoding="utf-8") for path in beside)
    found["dashboard: lines of scripts and styles in files of their own"] = sum(
        bool(line.strip()) for text in texts for line in text.splitlines()
    )
    found["program: lines of code in all"] = sum(
        value for name, value in found.items() if not name.startswith("tests")
    )
    return found


def main() -> None:
    """Print the figures, those of the version before beside them."""
    report = Report(
        "How the house stands: arrows, circles, sizes.",
        {
            "--of": {"default": ROOT, "type": Path, "help": "a checkout; this one if not given"},
            "--before": {"type": Path, "help": "another checkout, to print beside"},
        },
    )
    arguments = report.arguments
    before = measured(arguments.before) if arguments.before else {}
    for name, value in measured(arguments.of).items():
        note = f"before {before[name]:,g}" if before else ""
        report.add(name, value, goal=GOALS.get(name, ""), note=note)
    report.close()


if __name__ == "__main__":
    main()
