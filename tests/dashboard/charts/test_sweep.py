"""The charts of a sweep's cells."""

import pandas as pd
import pytest

from dashboard.charts.sweep import Column, cell_heat, cell_lines

STEPS, SOLVER = Column("num_steps", "Steps"), Column("solver", "Solver")
SECONDS = Column("seconds", "seconds")


@pytest.fixture
def cells():
    rows = [(s, n, n / 10, n / 20, n / 5, 3) for s in ("heun", "ddim") for n in (5.0, 10.0)]
    columns = ["solver", "num_steps", "seconds", "low", "high", "runs"]
    return pd.DataFrame(rows, columns=columns)


def rows(chart):
    return next(iter(chart["datasets"].values()))


def test_two_axes_are_a_map_in_the_order_of_the_sweep(cells):
    named = cells.assign(num_steps=cells["num_steps"].map("{:g}".format))
    chart = cell_heat(named, STEPS, SOLVER, SECONDS).to_dict()
    squares, words = (layer["encoding"] for layer in chart["layer"])
    assert squares["x"]["sort"] == ["5", "10"] and squares["y"]["sort"] == ["heun", "ddim"]
    assert words["text"]["field"] == squares["color"]["field"] == "seconds"
    assert {"low", "high", "runs"} <= set(rows(chart)[0])


def test_numbers_make_lines_with_intervals_and_names_points(cells):
    chart = cell_lines(cells, STEPS, SECONDS, SOLVER, {"heun": "#111111", "ddim": "#222222"})
    told = chart.to_dict()
    kinds = [layer["mark"]["type"] for layer in told["layer"]]
    assert kinds == ["rule", "circle", "line"]
    assert told["layer"][0]["encoding"]["y2"]["field"] == "high"
    color = told["layer"][1]["encoding"]["color"]["scale"]
    assert color == {"domain": ["heun", "ddim"], "range": ["#111111", "#222222"]}
    named = cell_lines(cells, SOLVER, SECONDS).to_dict()
    assert [layer["mark"]["type"] for layer in named["layer"]] == ["rule", "circle"]
    assert named["title"]["text"] == "seconds along Solver"


def test_a_missing_column_is_named(cells):
    with pytest.raises(ValueError, match="low"):
        cell_lines(cells.drop(columns="low"), STEPS, SECONDS)
    with pytest.raises(ValueError, match="solver"):
        cell_heat(cells.drop(columns="solver"), STEPS, SOLVER, SECONDS)
