"""What a station is made of, and the code that it shows: taken from where it runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from dashboard.views.learn.lesson import Lesson


class Way(NamedTuple):
    """A thing to try.

    Attributes:
        words: What to do and to look for.
        page: The page's name.
        label: Of the link.
        fields: What the page's address is to hold.
    """

    words: str
    page: str
    label: str
    fields: dict[str, Any]


Equations = tuple[list[str], str]


class Station(NamedTuple):
    """One stop on the way from words to picture.

    Attributes:
        title: Its name, also in the address.
        question: What it answers.
        answer: The answer, in a few sentences.
        draw: Draws a picture or chart of the run, with a line that says what is seen.
        equations: What happens there in symbols, then with the run's numbers, in LaTeX; and
            further numbers of the run as a sentence.
        code: What of ``sdlab.reference`` computes it, as "module:name".
        way: What to try next.
    """

    title: str
    question: str
    answer: str
    draw: Callable[[Lesson], None]
    equations: Callable[[Lesson], Equations]
    code: tuple[str, ...]
    way: Callable[[Lesson], Way]


class Code(NamedTuple):
    """A piece of source.

    Attributes:
        where: Its file and line, such as "sdlab/reference/unet.py, line 73".
        text: The source, its docstring cut to the first line.
    """

    where: str
    text: str


@cache
def code_of(name: str) -> Code:
    """Return the source of a part of ``sdlab.reference``.

    Args:
        name: Module and name, such as "unet:ResBlock.forward".
    """
    module, _, path = name.partition(":")
    found: Any = import_module(f"sdlab.reference.{module}")
    for part in path.split("."):
        found = getattr(found, part)
    found = inspect.unwrap(found)
    lines, first = inspect.getsourcelines(found)
    file = Path(inspect.getfile(found)).name
    return Code(f"sdlab/reference/{file}, line {first}", brief(textwrap.dedent("".join(lines))))


def brief(source: str) -> str:
    """Return a function's source with its docstring cut to the first line."""
    node = ast.parse(source).body[0]
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    told, lines = node.body[0], source.rstrip().splitlines()
    if ast.get_docstring(node) is None or told.lineno == told.end_lineno:
        return "\n".join(lines)
    start, end = told.lineno - 1, told.end_lineno
    kept = lines[start].rstrip() + '"""'
    rest = lines[end:]
    while rest and not rest[0].strip():
        rest = rest[1:]
    return "\n".join([*lines[:start], kept, *rest])
