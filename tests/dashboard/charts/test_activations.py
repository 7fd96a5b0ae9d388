"""Charts of activations: what is drawn where."""

import pandas as pd

from dashboard.charts import activations as charts


def test_inputs_of_a_silu_are_split_at_the_turn():
    table = pd.DataFrame({"low": [-2.0, -1.5, -1.25], "high": [-1.5, -1.25, -1.0], "share": 0.1})
    data = charts.silu_inputs(table, -1.278)["layer"][0].data
    assert list(data["where"]) == ["falling", "falling", "rising"]


def test_shares_of_one_evaluation_are_points_of_many_a_heat_map():
    table = pd.DataFrame(
        {"layer": ["a", "b"], "evaluation": 0, "falling": 0.1, "mean": 0.0, "std": 1.0}
    )
    assert charts.falling(table)["mark"]["type"] == "circle"
    twice = pd.concat([table, table.assign(evaluation=1)])
    assert (
        charts.falling(twice)["mark"] == "rect" or charts.falling(twice)["mark"]["type"] == "rect"
    )
