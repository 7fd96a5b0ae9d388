"""The chart of how far apart two runs' predictions are."""

import pandas as pd
import pytest

from dashboard.charts.base import title_of
from dashboard.charts.parting import TITLE, parting

ALONG = pd.DataFrame({"evaluation": [0, 1], "sigma": [14.6, 1.0], "distance": [0.05, 0.4]})


def test_it_has_the_line_the_threshold_and_where_they_part():
    chart = parting(ALONG, 0.1, 1, "#123456")
    drawn = chart.to_dict()
    assert title_of(chart) == TITLE and len(drawn["layer"]) == 3
    line, level, where = drawn["layer"]
    assert line["encoding"]["y"]["title"] == "distance (std of latents)"
    assert [tip["title"] for tip in line["encoding"]["tooltip"]] == [
        "evaluation",
        "sigma",
        "distance",
    ]
    assert list(drawn["datasets"].values())[1:] == [[{"distance": 0.1}], [{"evaluation": 1}]]
    assert level["mark"]["strokeDash"] and where["encoding"]["x"]["field"] == "evaluation"
    assert len(parting(ALONG, 0.1, None, "#123456").to_dict()["layer"]) == 2


def test_a_missing_column_raises():
    with pytest.raises(ValueError, match="needs the column"):
        parting(ALONG.drop(columns="sigma"), 0.1, None, "#123456")
