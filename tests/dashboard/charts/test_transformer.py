"""The map of a transformer: which block has a box in which lane, and how long its bars are."""

import pandas as pd
import pytest

from dashboard.charts import transformer as charts
from dashboard.charts.network import PICK

TABLE = pd.DataFrame(
    {
        "order": range(5),
        "block": ["time", "text", "transformer_blocks.0", "single.0", "out"],
        "words": ["time", "text", "joint block 1 of 1", "single-stream block 1 of 1", "out"],
        "kind": ["time embedding", "text embedding", *["transformer layer"] * 2, "output"],
        "streams": ["", "", "joint", "single", ""],
        "resolution": ["", "", "8x8", "8x8", "8x8"],
        "height": [0, 0, 8, 8, 8],
        "channels_in": 4,
        "channels_out": 4,
        "attention": "",
        "parameters": [1, 2, 8, 4, 0],
        "macs": [0, 0, 0, 0, 0],
        "ms": 1.0,
    }
)


def layer(chart, mark):
    return [one for one in chart["layer"] if one["mark"]["type"] == mark]


def test_a_joint_block_has_a_box_in_each_lane_and_a_single_one_over_both():
    boxes, bars = layer(charts.transformer_map(TABLE), "rect")[-2:]
    ends = {
        block: sorted(zip(rows["left"], rows["right"], strict=True))
        for block, rows in boxes.data.groupby("block")
    }
    lanes = charts.LANES
    assert ends["transformer_blocks.0"] == [lanes["picture"], lanes["text"]]
    assert ends["single.0"] == [lanes["both"]]
    assert ends["text"] == [lanes["text"]] and ends["out"] == [lanes["picture"]]
    assert ends["time"] == [lanes["vector"]]
    assert len(bars.data) == 3 * len(TABLE)


def test_a_bar_is_as_long_as_its_share_of_the_largest():
    bars = layer(charts.transformer_map(TABLE), "rect")[-1].data
    parameters = bars[bars["left"] == charts.FIRST_BAR].set_index("block")
    length = parameters["right"] - parameters["left"]
    assert length["transformer_blocks.0"] == pytest.approx(charts.LONGEST)
    assert length["single.0"] == pytest.approx(charts.LONGEST / 2) and length["out"] == 0


def test_a_block_can_be_picked_and_the_chosen_one_is_marked():
    chart = charts.transformer_map(TABLE, "ms", "single.0")
    assert chart.to_dict()["params"][0]["name"] == PICK
    around = layer(chart, "rect")[0].data
    assert list(around["block"]) == ["single.0"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="colour must be one of kind"):
        charts.transformer_map(TABLE, "size")
    with pytest.raises(ValueError, match="needs the column.s. streams"):
        charts.transformer_map(TABLE.drop(columns="streams"))
