"""The comparison's charts: fields, titles, what is left out, and a missing column raises."""

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import (
    compare,
    compare_cost,
    compare_pairs,
    compare_paths,
    compare_quality,
    compare_seeds,
)
from tests.dashboard.compare_tables import ENTRANTS, comparison_tables

COLORS = dict(zip(ENTRANTS, ("#111111", "#222222", "#333333", "#444444"), strict=True))
DASHES = {name: [1, 0] for name in ENTRANTS}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return comparison_tables()


@pytest.fixture
def steps(tables) -> pd.DataFrame:
    rows = tables["steps"]
    return rows[(rows["prompt"] == "a sun") & (rows["seed"] == 0)]


def titles(spec: dict) -> list[str]:
    return [spec["title"]["text"]]


def drawn(chart) -> list[dict]:
    """Return the rows of all data sets of a chart."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


@pytest.mark.parametrize("measure", compare.MEASURES)
@pytest.mark.parametrize("x", compare.X_AXES)
def test_every_measure_on_every_axis(steps, measure, x):
    spec = compare.per_step(steps, measure, x, COLORS, DASHES).to_dict()
    assert spec["title"]["text"] == compare.MEASURES[measure][0]
    line = spec["layer"][0]["encoding"]
    assert line["y"]["field"] == measure
    assert line["x"].get("scale", {}).get("reverse", False) == (x == "sigma")
    assert line["color"]["scale"]["range"] == list(COLORS.values())


def test_rounding_is_left_out_of_log_axes(steps):
    rows = drawn(compare.per_step(steps, "x_t_distance", "step", COLORS, DASHES))
    assert len(steps) == 99 and len(rows) == 95
    assert min(row["x_t_distance"] for row in rows) > compare.SMALLEST


def test_two_evaluations_of_a_step_stand_side_by_side(steps):
    at = compare.placed(steps[steps["entrant"] == "heun"])["at"]
    assert list(at[:4]) == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("name", ["measure", "x"])
def test_a_name_that_is_none_is_refused(steps, name):
    chosen = {"measure": "sigma", "x": "step", name: "warmth"}
    with pytest.raises(ValueError, match=f"{name} must be one of .* got 'warmth'"):
        compare.per_step(steps, chosen["measure"], chosen["x"], COLORS, DASHES)


def test_slopes_go_through_the_middle_of_their_points(tables):
    fits = compare_cost.fit_lines(tables["cost"], tables["slopes"])
    assert list(fits["entrant"].unique()) == ["euler", "heun", "dpmpp_2m"]
    euler = fits[fits["entrant"] == "euler"]
    np.testing.assert_allclose(euler["error"], 0.5 / euler["nfe"], rtol=1e-9)


def test_error_against_evaluations_has_fits_and_intervals(tables):
    chart = compare_cost.error_against(tables["cost"], tables["slopes"], "nfe", COLORS, DASHES)
    spec = chart.to_dict()
    assert titles(spec) == ["Error against evaluations"]
    rows = drawn(chart)
    assert sum("slope" in row for row in rows) >= 4
    assert any("reference's own error" == row.get("name") for row in rows)


def test_error_against_seconds_marks_the_front(tables):
    chart = compare_cost.error_against(tables["cost"], tables["slopes"], "seconds", COLORS, DASHES)
    rings = [d for d in chart.to_dict()["datasets"].values() if all(r.get("pareto") for r in d)]
    assert [len(rows) for rows in rings] == [9]


def test_the_order_of_finish_is_by_error(tables):
    spec = compare_cost.ranking(tables["cost"], 20, COLORS).to_dict()
    y = spec["layer"][-1]["encoding"]["y"]
    assert y["sort"] == ["heun", "dpmpp_2m", "euler", "euler_ancestral"]


def test_who_draws_noise_comes_last_and_hollow(tables):
    spec = compare_cost.ranking(tables["cost"], 20, COLORS, ["heun"]).to_dict()
    rings = spec["layer"][-2]
    assert rings["encoding"]["y"]["sort"][-1] == "heun"
    assert rings["transform"] == [{"filter": "datum.kind == 2"}]


def test_who_has_an_objection_stands_below_those_that_are_ranked(tables):
    chart = compare_cost.ranking(tables["cost"], 20, COLORS, ["euler_ancestral"], ["heun"])
    assert chart.to_dict()["layer"][-1]["encoding"]["y"]["sort"] == [
        *("dpmpp_2m", "euler", "heun", "euler_ancestral")
    ]
    kinds = {row["entrant"]: row["kind"] for row in drawn(chart) if "kind" in row}
    assert kinds == {"dpmpp_2m": 0, "euler": 0, "heun": 1, "euler_ancestral": 2}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_names_do_not_overprint_however_few_there_are(tables, count):
    few = list(ENTRANTS)[:count]
    cost, runs, spread = (
        tables[n][tables[n]["entrant"].isin(few)] for n in ("cost", "runs", "spread")
    )
    for chart in (
        compare_cost.ranking(cost, 20, COLORS),
        compare_seeds.over_pictures(runs, spread, "distance", COLORS),
    ):
        # measured in the browser: title, axis and labels take 120 px; a name is 12 px high
        assert chart.to_dict()["height"] - 120 >= 20 * count


def test_one_picture_has_no_intervals_and_still_draws(tables):
    cost = tables["cost"].assign(low=np.nan, high=np.nan, pictures=1)
    for chart, rows in (
        (compare_cost.ranking(cost, 20, COLORS), cost[cost["budget"] == 20]),
        (compare_cost.error_against(cost, tables["slopes"], "nfe", COLORS, DASHES), cost),
    ):
        spec = chart.to_dict()
        (bars,) = [layer for layer in spec["layer"] if {"x2", "y2"} & set(layer["encoding"])]
        assert bars["transform"] == [{"filter": "isValid(datum.low)"}]
        points = spec["datasets"][bars["data"]["name"]]
        assert {point["low"] for point in points} == {None}
        assert sorted(point["value"] for point in points) == sorted(rows["error"])


def test_alike_samplers_stand_side_by_side(tables):
    order = compare_pairs.seriated(tables["pairs"])
    assert abs(order.index("heun") - order.index("dpmpp_2m")) == 1
    assert sorted(order) == sorted(ENTRANTS)


def test_the_matrix_leaves_its_diagonal_blank(tables):
    rows = drawn(compare_pairs.distances(tables["pairs"]))
    assert rows and all(row["a"] != row["b"] for row in rows)


def test_the_scale_of_a_single_distance_has_round_ends(tables):
    pair = tables["pairs"].head(2).assign(a=["p", "q"], b=["q", "p"], distance=0.206307712568)
    color = compare_pairs.distances(pair).to_dict()["layer"][0]["encoding"]["color"]
    assert color["scale"]["domain"] == pytest.approx([0.2, 0.5])
    assert color["legend"]["format"] == ".2~r"


def test_ratios_are_written_with_their_sign(tables):
    unknown = tables["ties"].assign(open=tables["ties"]["a"] == "euler")
    rows = drawn(compare_pairs.ties(unknown, ENTRANTS))
    assert all(float(row["written"].rstrip(" =?")) > 0 for row in rows)
    assert {row["written"][-1] for row in rows if row["sign"] == "?"} == {"?"}


def test_ties_are_told_both_ways(tables):
    rows = compare_pairs.both_ways(tables["ties"])
    ratio = rows.set_index(["a", "b"])["ratio"]
    assert ratio["euler", "heun"] == pytest.approx(1 / ratio["heun", "euler"])
    spec = compare_pairs.ties(tables["ties"], ENTRANTS).to_dict()
    assert spec["layer"][1]["encoding"]["text"]["field"] == "written"
    unknown = tables["ties"].assign(open=tables["ties"]["a"] == "euler")
    signs = {(r["a"], r["b"]): r["sign"] for r in drawn(compare_pairs.ties(unknown, ENTRANTS))}
    assert signs["heun", "dpmpp_2m"] == signs["dpmpp_2m", "heun"] == "="
    assert signs["euler", "heun"] == signs["heun", "euler"] == "?"
    assert signs["heun", "euler_ancestral"] == ""


def test_trajectories_tell_the_share_of_variance_and_draw_the_reference_grey(tables):
    rows = tables["paths"]
    rows = rows[(rows["prompt"] == "a sun") & (rows["seed"] == 0)]
    spec = compare_paths.trajectories(rows, COLORS, DASHES).to_dict()
    assert "70% of the variance" in spec["layer"][1]["encoding"]["x"]["title"]
    assert spec["layer"][0]["mark"]["color"] == "#8a90a3"
    assert spec["layer"][1]["encoding"]["color"]["scale"]["domain"] == list(ENTRANTS)


def test_quality_and_references_draw_what_they_name(tables):
    spec = compare_quality.quality(tables["quality"], "all", COLORS, DASHES).to_dict()
    assert spec["layer"][1]["encoding"]["y"]["field"] == "share"
    rows = drawn(compare_quality.references(tables["references"]))
    assert {row["kind"] for row in rows if "kind" in row} == {
        "from half the steps",
        "its own error, estimated",
    }


@pytest.mark.parametrize(
    "name, column, draw",
    [
        ("steps", "share", lambda t: compare.per_step(t, "sigma", "step", COLORS, DASHES)),
        ("cost", "floor", lambda t: compare_cost.ranking(t, 20, COLORS)),
        ("pairs", "distance", compare_pairs.distances),
        ("ties", "ratio", lambda t: compare_pairs.ties(t, ENTRANTS)),
        ("paths", "pc1", lambda t: compare_paths.trajectories(t, COLORS, DASHES)),
        ("quality", "low", lambda t: compare_quality.quality(t, "all", COLORS, DASHES)),
        ("references", "change", compare_quality.references),
    ],
)
def test_a_missing_column_is_named(tables, name, column, draw):
    with pytest.raises(ValueError, match=rf"needs the column\(s\) {column}"):
        draw(tables[name].drop(columns=column))


@pytest.mark.parametrize("name", ["pairs", "ties", "cost", "quality", "references", "paths"])
def test_an_empty_table_draws_a_title_and_no_row(tables, name):
    draw = {
        "pairs": compare_pairs.distances,
        "ties": lambda t: compare_pairs.ties(t, ENTRANTS),
        "cost": lambda t: compare_cost.error_against(
            t, tables["slopes"].head(0), "nfe", COLORS, DASHES
        ),
        "quality": lambda t: compare_quality.quality(t, "all", COLORS, DASHES),
        "references": compare_quality.references,
        "paths": lambda t: compare_paths.trajectories(t, COLORS, DASHES),
    }[name]
    full, empty = draw(tables[name]), draw(tables[name].head(0))
    assert drawn(full) and not drawn(empty)
    assert titles(empty.to_dict()) == titles(full.to_dict())


def test_what_the_reference_cannot_tell_is_drawn_at_a_tenth_of_its_error(tables):
    cost = tables["cost"].assign(floor=0.01)
    cost.loc[cost["entrant"] == "heun", "error"] = 1e-12
    rows = [row for row in drawn(compare_cost.ranking(cost, 20, COLORS)) if "entrant" in row]
    heun = next(row for row in rows if row["entrant"] == "heun")
    assert heun["error"] == pytest.approx(1e-3) and heun["value"] == 1e-12


@pytest.mark.parametrize("what", compare_seeds.MEASURES)
def test_every_picture_has_its_dot_beside_the_mean(tables, what):
    runs = tables["runs"].query("budget == 20")
    chart = compare_seeds.over_pictures(runs, tables["spread"], what, COLORS)
    assert titles(chart.to_dict()) == [compare_seeds.MEASURES[what][0]]
    rows = drawn(chart)
    assert sum("mean" in row for row in rows) == len(ENTRANTS)
    assert sum("seed" in row for row in rows) == (0 if what == "spread" else len(runs))


def test_the_best_over_pictures_comes_first(tables):
    runs = tables["runs"].query("budget == 20")
    spread = tables["spread"].copy()
    worst = (spread["entrant"] == "heun") & (spread["what"] == "psnr")
    spread.loc[worst, "mean"] = 10.0
    for what, last in (("distance", "euler_ancestral"), ("psnr", "heun")):
        spec = compare_seeds.over_pictures(runs, spread, what, COLORS).to_dict()
        assert spec["layer"][0]["encoding"]["y"]["sort"][-1] == last


def test_a_picture_that_equals_the_reference_has_no_dot_of_psnr(tables):
    runs = tables["runs"].query("budget == 20").assign(psnr=np.inf)
    rows = drawn(compare_seeds.over_pictures(runs, tables["spread"], "psnr", COLORS))
    assert not any("seed" in row for row in rows)


def test_the_references_error_is_told_only_if_it_is_near():
    rows = pd.DataFrame({"error": [0.1, 0.02], "floor": 0.01})
    assert compare_cost.near_floor(rows) == 0.01
    assert compare_cost.near_floor(rows.assign(floor=1e-4)) is None
    assert compare_cost.near_floor(rows.iloc[:0]) is None
