"""No picture is shown through JPEG: Streamlit's default would draw its artefacts as data."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("dashboard", "pages") for path in (ROOT / folder).rglob("*.py"))


def shown(tree):
    """The calls that draw a picture: of st itself, or of a column, which alone take ``alt``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            own = isinstance(node.func.value, ast.Name) and node.func.value.id == "st"
            words = {word.arg: word.value for word in node.keywords}
            if node.func.attr == "image" and (own or "alt" in words):
                yield node, words


def test_there_are_such_calls():
    assert sum(len(list(shown(ast.parse(path.read_text())))) for path in FILES) > 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pictures_go_to_the_browser_as_png(path):
    for node, words in shown(ast.parse(path.read_text())):
        form = words.get("output_format")
        told = isinstance(form, ast.Constant) and form.value == "PNG"
        assert told, f"{path.name}:{node.lineno} shows a picture without output_format='PNG'"
        assert "alt" in words, f"{path.name}:{node.lineno} shows a picture without alt="
