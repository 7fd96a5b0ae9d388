"""Charts of the network: what is drawn where."""

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import network as charts

# A U-Net of two resolutions: in, a, half, mid, up (takes half), double, last (takes a).
BLOCKS = ["time", "conv_in", "a", "half", "mid", "up", "double", "last"]
TABLE = pd.DataFrame(
    {
        "order": range(8),
        "block": BLOCKS,
        "words": [f"the {name}" for name in BLOCKS],
        "kind": ["time embedding", "input", *["ResBlock"] * 6],
        "resolution": ["", "8x8", "8x8", "4x4", "4x4", "4x4", "8x8", "8x8"],
        "height": [0, 8, 8, 4, 4, 4, 8, 8],
        "channels_in": 4,
        "channels_out": 4,
        "attention": "",
        "skip_from": ["", "", "", "", "", "half", "", "a"],
        "parameters": range(1, 9),
        "macs": range(1, 9),
        "ms": 1.0,
    }
)


def test_blocks_stand_lower_where_the_resolution_is_halved():
    depth = charts.laid_out(TABLE).set_index("block")["depth"]
    assert depth["time"] < depth["conv_in"] == depth["a"] == 0
    assert depth["half"] == depth["mid"] == depth["up"] == 1
    assert depth["double"] == depth["last"] == 0


def test_both_ends_of_a_skip_stand_at_one_depth_each_pair_at_its_own():
    table = TABLE.assign(skip_from=["", "", "", "", "", "half", "a", "conv_in"])
    depth = charts.laid_out(table).set_index("block")["depth"]
    for target, source in (("up", "half"), ("double", "a"), ("last", "conv_in")):
        assert depth[target] == depth[source]
    assert depth["a"] != depth["conv_in"]


@pytest.mark.parametrize("colour", charts.COLOURS)
def test_the_map_is_drawn_in_each_colour(colour):
    chart = charts.unet_map(TABLE, colour, "mid")
    assert chart["title"]["text"] == "The network, from left to right"
    assert chart.to_dict()["params"][0]["name"] == charts.PICK


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="colour must be one of kind"):
        charts.unet_map(TABLE, "size")
    with pytest.raises(ValueError, match="needs the column.s. ms"):
        charts.unet_map(TABLE.drop(columns="ms"))


def test_a_large_matrix_is_thinned_with_both_ends():
    values = np.arange(200.0 * 300).reshape(200, 300)
    data = charts.heat(values, range(200), range(300), "x", ("row", "column"), "v").data
    assert len(data) == charts.MOST_ROWS**2 and {0, 199} <= set(data["row"])
    assert data[(data["row"] == 199) & (data["column"] == 299)]["value"].item() == values[-1, -1]


def test_effects_are_sorted_with_their_interval():
    names = ["a", "b", "c"]
    table = pd.DataFrame(
        {"what": names, "words": names, "part": "skip", "moved": [0.1, np.nan, 0.3]}
    )
    chart = charts.effects(table, "moved", "moved")
    assert list(chart.data["words"]) == ["c", "a"] and len(chart["layer"]) == 1
    spans = table.assign(moved_low=0.0, moved_high=1.0)
    assert len(charts.effects(spans, "moved", "moved")["layer"]) == 2
