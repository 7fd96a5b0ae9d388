"""The charts of causes: their fields, their columns, and what is refused."""

import pandas as pd
import pytest

from dashboard.charts import causes

COURSE = pd.DataFrame(
    {
        "change": ["as it is"] * 2 + ["guidance 1"] * 2,
        "evaluation": [0, 1] * 2,
        "sigma": [14.6, 0.5] * 2,
        "rms": [0.0, 0.0, 0.4, 0.3],
        "spread": [2.0, 1.0, 0.5, 0.8],
        "least": [-4.0, -2.0, -1.0, -1.5],
        "greatest": [4.0, 2.0, 1.0, 1.5],
    }
)
PATHS = pd.DataFrame(
    {
        "change": ["as it is"] * 2 + ["guidance 1"] * 2,
        "evaluation": [0, 1] * 2,
        "pc1": [0.0, 1.0, 0.0, -1.0],
        "pc2": [0.0, 0.5, 0.0, 0.2],
        "share1": 0.8,
        "share2": 0.15,
    }
)
TABLE = pd.DataFrame(
    {
        "one": ["map", "map"],
        "other": ["prediction", "object"],
        "rank_correlation": [0.5, 0.4],
        "iou": [0.4, 0.5],
        "chance": [0.11, 0.04],
    }
)


@pytest.mark.parametrize("measure", causes.MEASURES)
def test_a_line_for_each_change_over_the_evaluations(measure):
    spec = causes.course(COURSE, measure).to_dict()
    assert spec["title"]["text"] == causes.MEASURES[measure][0]
    for layer in spec["layer"]:
        encoding = layer["encoding"]
        assert encoding["x"]["field"] == "evaluation" and encoding["y"]["field"] == measure
        assert encoding["color"]["sort"] == ["as it is", "guidance 1"]
        assert "latent units" in encoding["y"]["title"]


def test_least_and_greatest_are_a_band_for_each_change():
    band, low, high = causes.reach(COURSE).to_dict()["layer"]
    assert band["encoding"]["y"]["field"] == low["encoding"]["y"]["field"] == "least"
    assert band["encoding"]["y2"]["field"] == high["encoding"]["y"]["field"] == "greatest"
    with pytest.raises(ValueError, match="reach of x0_pred.*greatest"):
        causes.reach(COURSE.drop(columns="greatest"))


def test_paths_end_in_a_diamond_and_say_what_their_axes_hold():
    line, _, ends = causes.paths(PATHS).to_dict()["layer"]
    assert line["encoding"]["order"]["field"] == "evaluation"
    assert line["encoding"]["x"]["title"] == "first component, 80% of the variance"
    assert ends["transform"] == [{"filter": "datum.evaluation == 1"}]
    with pytest.raises(ValueError, match="paths of causes.*pc2"):
        causes.paths(PATHS.drop(columns="pc2"))


def test_a_bar_for_each_two_maps_and_a_tick_of_chance():
    spec = causes.agreement(TABLE).to_dict()
    bar, tick = spec["layer"]
    assert bar["encoding"]["x"]["field"] == "iou" and tick["encoding"]["x"]["field"] == "chance"
    (rows,) = spec["datasets"].values()
    assert [row["pair"] for row in rows] == ["map and prediction", "map and object"]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="measure must be one of rms, spread, got 'psnr'"):
        causes.course(COURSE, "psnr")
    with pytest.raises(ValueError, match="course of causes.*needs the column"):
        causes.course(COURSE.drop(columns="rms"))
    with pytest.raises(ValueError, match="agreement of maps.*chance"):
        causes.agreement(TABLE.drop(columns="chance"))
