"""What stands below a chart: one line, and the theory in a fold."""

import ast

from streamlit.testing.v1 import AppTest

from tests.imports import ROOT


def page() -> None:
    from dashboard.charts import path
    from dashboard.widgets.figure import figure, why
    from tests.dashboard.tables import steps_table

    figure(path.angle(steps_table(5), "step"), "It turns.", more="A dot is a step.")
    why("A turn is a change.", r"\theta = 0")


def untitled() -> None:
    import altair as alt
    import pandas as pd

    from dashboard.widgets.figure import figure

    chart = alt.Chart(pd.DataFrame({"x": [1.0]})).mark_point().encode(x="x:Q")
    figure(chart, "It falls with sigma.", alt="A chart without a title")


def test_a_chart_without_a_title_is_told_by_its_alternative():
    at = AppTest.from_function(untitled, default_timeout=60).run()
    assert not at.exception
    assert at.get("vega_lite_chart")[0].proto.alt == "A chart without a title"
    assert at.caption[0].help.startswith("[**sigma**](/glossary?term=sigma): The noise level")


def test_a_line_is_seen_and_the_theory_is_folded():
    at = AppTest.from_function(page, default_timeout=60).run()
    assert not at.exception
    (caption,), (fold,) = at.caption, at.expander
    assert (caption.value, caption.help) == ("It turns.", "A dot is a step.")
    assert fold.label == "Why?" and not fold.proto.expanded
    assert fold.latex[0].value == "$$\n\\theta = 0\n$$"
    assert fold.markdown[0].value == "A turn is a change."
    assert "Angle of each turn" in at.get("vega_lite_chart")[0].proto.alt


def test_every_chart_has_a_line_that_says_what_is_seen():
    silent = []
    for path in ROOT.glob("dashboard/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                called = {ast.unparse(n.func).rpartition(".")[2] for n in ast.walk(node)
                          if isinstance(n, ast.Call)}  # fmt: skip
                if "altair_chart" in called and "caption" not in called:
                    silent.append(f"{path.name}: {node.name}")
    assert silent == []
