"""The charts that only the Learn page has."""

import numpy as np
import pytest

from dashboard.charts.learn import own_loss, shares
from tests.dashboard.tables import steps_table


def test_the_loss_is_drawn_on_a_log_scale():
    chart = own_loss(steps_table(5).assign(loss=0.1)).to_dict()
    y = chart["layer"][1]["encoding"]["y"]
    assert (y["field"], y["scale"]["type"]) == ("loss", "log")
    assert chart["title"]["text"] == "Loss of each evaluation"


def test_both_mixtures_are_drawn_with_a_legend():
    table = steps_table(5)
    sigma = table["sigma"].to_numpy(float)
    vp, flow = sigma / np.sqrt(1 + sigma**2), sigma / (1 + sigma)
    chart = shares(table.assign(vp_noise=vp, flow_noise=flow)).to_dict()
    rows = next(iter(chart["datasets"].values()))
    assert {row["mixture"] for row in rows} == {"noise in VP", "noise in flow matching"}
    assert chart["layer"][1]["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="loss"):
        own_loss(steps_table(3))
