"""The charts of many runs."""

import pandas as pd
import pytest

from dashboard.charts.runs import overlaid, scatter
from tests.dashboard.tables import steps_table

TITLES = {"num_steps": "num steps", "seconds": "seconds (s)", "solver": "solver", "created": "made"}


@pytest.fixture
def runs():
    return pd.DataFrame(
        {
            "run": ["a", "b", "c"],
            "num_steps": [5.0, 9.0, 7.0],
            "seconds": [1.0, None, 2.0],
            "solver": ["heun", "ddim", "heun"],
            "created": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True),
        }
    )


@pytest.mark.parametrize(
    ("x", "y", "kinds"),
    [
        ("num_steps", "seconds", ("quantitative", "quantitative")),
        ("solver", "created", ("nominal", "temporal")),
        ("seconds", "seconds", ("quantitative", "quantitative")),
    ],
)
def test_any_column_is_drawn_against_any_other(runs, x, y, kinds):
    chart = scatter(runs, x, y, "solver", TITLES).to_dict()
    encoding = chart["encoding"]
    assert (encoding["x"]["type"], encoding["y"]["type"]) == kinds
    assert encoding["x"]["title"] == TITLES[x] and encoding["color"]["field"] == "solver"
    assert chart["title"]["text"] == f"{TITLES[y]} against {TITLES[x]}"
    drawn = next(iter(chart["datasets"].values()))
    assert len(drawn) == (2 if "seconds" in (x, y) else 3)


def test_without_a_colour(runs):
    assert "color" not in scatter(runs, "num_steps", "seconds", "", TITLES).to_dict()["encoding"]


def test_runs_of_different_lengths_are_laid_over_each_other():
    steps = pd.concat([steps_table(n).assign(series=f"of {n}") for n in (3, 5)])
    chart = overlaid(steps, "step", "x_t_std", "spread", {"of 3": "#112233", "of 5": "#445566"})
    told = chart.to_dict()
    drawn = next(iter(told["datasets"].values()))
    assert [row["at"] for row in drawn if row["series"] == "of 3"] == [0, 1, 2]
    assert told["layer"][0]["encoding"]["color"]["scale"]["domain"] == ["of 3", "of 5"]


def test_a_missing_column_is_named(runs):
    with pytest.raises(ValueError, match="seconds"):
        scatter(runs.drop(columns="seconds"), "num_steps", "seconds", "", TITLES)
    with pytest.raises(ValueError, match="series"):
        overlaid(steps_table(3), "step", "x_t_std", "spread", {})
