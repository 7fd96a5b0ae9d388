"""What is written for the browser lies in files of its own, and every one is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.components import browser_files
from dashboard.components.browser_files import FOLDER, whole

DASHBOARD = FOLDER.parent
KINDS = ("html", "css", "js")
FOREIGN = re.compile(r"<style\b|<script\b|\{\s*[\w-]+\s*:[^{}]*;|=>\s*\{|\bdocument\.")
"""What only a style sheet or a script says."""


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in DASHBOARD.rglob("*.py"):
        if path != Path(browser_files.__file__):
            yield path, ast.parse(path.read_text("utf-8"))


def asked_for() -> Iterator[Path]:
    """The files that a call of ``component``, ``style``, ``script`` or ``_text`` names."""
    for path, tree in trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name("component"), args=[ast.Constant(str(name))]):
                    yield from (FOLDER / f"{name}.{kind}" for kind in KINDS)
                case ast.Call(func=ast.Name("_text"), args=[ast.Constant(str(name))]):
                    yield path.with_name(name)  # of the report
                case ast.Call(func=ast.Name("style"), args=[ast.Name("__file__")]):
                    yield path.with_suffix(".css")
                case ast.Call(func=ast.Name("script"), args=[ast.Name("__file__")]):
                    yield path.with_suffix(".js")


def test_every_file_for_the_browser_is_used():
    used = set(asked_for())
    for path in list(used):
        names = re.findall(r'"\./([\w.]+)";$', path.read_text("utf-8"), re.MULTILINE)
        used |= {path.with_name(name) for name in names}
    assert used == {path for kind in KINDS for path in DASHBOARD.rglob(f"*.{kind}")}


def test_python_holds_no_script_and_no_style():
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if FOREIGN.search(node.value)
    ]
    assert not found


@pytest.mark.parametrize("name", ["heat_viewer.js", "heat_viewer.css"])
def test_what_a_file_imports_stands_in_its_place(name):
    text, common = whole(FOLDER / name), whole(FOLDER / f"common{Path(name).suffix}")
    assert text.startswith(common.replace("export ", ""))
    assert text.endswith((FOLDER / name).read_text("utf-8").split('";\n', 1)[1])
    assert text.count("export ") == name.endswith(".js")
