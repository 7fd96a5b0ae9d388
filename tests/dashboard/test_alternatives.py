"""Whoever cannot see a picture, a chart or a table is told what it is."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEN = {"altair_chart", "image", "dataframe"}


def test_what_is_drawn_has_a_text_alternative():
    silent = []
    for path in [*ROOT.glob("pages/*.py"), *ROOT.glob("dashboard/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            named = {keyword.arg for keyword in node.keywords}
            if node.func.attr in SEEN and ast.unparse(node.func.value) not in {"charts"}:
                if not named & {"alt", None} and node.args:
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert silent == []
