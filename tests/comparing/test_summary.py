"""The tables on data whose reference is known by other means."""

import math

import numpy as np
import pandas as pd
import pytest

from sdlab.bench import errors, orders
from sdlab.comparing import significance as luck
from sdlab.comparing.columns import REFERENCE, TABLES
from sdlab.comparing.exact import EXACT_MODEL, exact_runs
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.outcomes import Cancelled, gather
from sdlab.comparing.paths import principal
from sdlab.comparing.summary import summarise
from tests.comparing.conftest import comparison

STEADY = ["euler", "heun", "dpmpp_2m"]


def test_every_table_has_its_columns_in_order(measured):
    assert list(measured[1].tables) == list(TABLES)
    for name, table in measured[1].tables.items():
        assert list(table.columns) == list(TABLES[name])
        assert len(table) or name == "quality"


def test_slopes_agree_with_the_bench(measured):
    reference = errors(
        STEADY,
        problem="mixture_image",
        steps=(16, 32, 64, 128),
        curve="karras",
        end="sigma_min",
        particles=6,
    )
    bench = orders(reference).set_index("solver")["order"]
    found = measured[1].slopes.set_index("entrant")
    for name in STEADY:
        assert found.loc[name, "slope"] == pytest.approx(bench[name], abs=0.15)
    assert math.isnan(found.loc["euler_ancestral", "slope"])
    assert "draws noise" in found.loc["euler_ancestral", "note"]


def test_the_verdict_names_the_true_winner(measured):
    reference = errors(
        STEADY, problem="mixture_image", steps=(32,), curve="karras", end="sigma_min"
    ).set_index("solver")["error"]
    assert f"{reference.idxmin()} comes nearest" in measured[1].verdict[0]
    cost = measured[1].cost
    at_32 = cost[(cost["budget"] == 32) & cost["entrant"].isin(STEADY)]
    assert at_32.sort_values("error")["entrant"].tolist() == reference.sort_values().index.tolist()


def test_a_run_like_the_reference_is_nowhere_far_from_it(mixture):
    spec = comparison("heun", seeds=[0], budget=100)
    found = summarise(spec, exact_runs(spec, mixture), EXACT_MODEL)
    assert found.runs["distance"].tolist() == [0.0]
    on_course = found.steps[found.steps["step"].diff() != 0]  # each step's first evaluation
    assert on_course["x_t_distance"].max() < 1e-12
    assert on_course["x0_distance"].max() < 1e-9


def test_all_start_from_the_same_noise(measured):
    steps = measured[1].steps
    start = steps[(steps["evaluation"] == 0)]
    assert start["x_t_distance"].max() < 1e-12
    assert start["share"].min() > 0 and steps["share"].max() == 1.0


def test_distances_are_those_of_the_latents(measured):
    runs, result = measured
    row = result.runs.iloc[3]
    reference = result.references.set_index(["prompt", "seed"]).loc[("data", row["seed"])]
    a, b = (runs[key].latents.numpy() for key in (row["run"], reference["run"]))
    assert row["distance"] == pytest.approx(np.sqrt(((a - b) ** 2).mean()) / b.std())


def test_pairs_are_symmetric_and_zero_on_the_diagonal(measured):
    square = measured[1].pairs.pivot(index="a", columns="b", values="distance")
    np.testing.assert_allclose(square, square.T, rtol=1e-12)
    assert (np.diag(square) == 0).all() and (measured[1].pairs["pictures"] == 6).all()


def test_the_error_is_a_geometric_mean_with_its_interval(measured):
    result = measured[1]
    row = result.cost.iloc[0]
    own = result.runs.query("entrant == @row.entrant and budget == @row.budget")["distance"]
    assert row["error"] == pytest.approx(math.exp(np.log(own).mean()))
    assert row["low"] < row["error"] < row["high"] and row["pictures"] == 6
    assert row["floor"] == pytest.approx(math.exp(np.log(result.references["error"]).mean()))


def test_the_pareto_front_has_no_noise_and_nobody_that_is_beaten(measured):
    cost = measured[1].cost
    front = cost[cost["pareto"]].sort_values("seconds")
    assert "euler_ancestral" not in set(front["entrant"])
    assert front["error"].is_monotonic_decreasing
    assert len(front) and len(front) < len(cost)


def test_what_is_much_worse_is_no_tie(measured):
    ties = measured[1].ties.set_index(["a", "b"])
    assert not ties.loc[("euler", "heun"), "tied"] and ties.loc[("euler", "heun"), "ratio"] > 5
    assert "euler_ancestral" not in set(measured[1].ties["b"])


def test_few_pictures_make_no_statement_about_ties(mixture):
    spec = comparison("euler", "heun", seeds=[0, 1], budget=4, reference_steps=8)
    result = summarise(spec, exact_runs(spec, mixture), EXACT_MODEL)
    assert result.ties["p"].isna().all() and result.ties["tied"].isna().all()
    assert "Fewer than 3 pictures" in " ".join(result.verdict)


def test_paths_are_the_first_two_components(measured):
    paths = measured[1].paths
    assert REFERENCE in set(paths["entrant"])
    assert (paths["share1"] >= paths["share2"]).all() and (paths["share1"] <= 1).all()
    points = np.random.default_rng(0).normal(size=(30, 5)) * [9, 3, 1, 1, 1]
    for cloud in (points, points[:4]):  # more rows than columns, and fewer
        mean, axes, shares = principal(cloud)
        _, values, vectors = np.linalg.svd(cloud - mean, full_matrices=False)
        np.testing.assert_allclose(np.abs(axes.T @ vectors[:2].T), np.eye(2), atol=1e-9)
        np.testing.assert_allclose(shares, (values**2 / (values**2).sum())[:2])


def test_spread_compares_seeds_of_one_prompt(measured):
    spread = measured[1].spread.set_index(["entrant", "what"])
    row = spread.loc[("euler_ancestral", "spread")]
    assert row["low"] < row["mean"] < row["high"] and row["n"] == 6


def test_pictures_are_measured_over_the_seeds(measured):
    runs, result = measured
    outcomes = gather(result.comparison, runs, EXACT_MODEL)
    fidelity = np.resize([1.0, 1.0, 1.0, 0.0, 1.0, 1.0], len(result.runs))
    psnr = np.resize([30.0, np.inf, 20.0], len(result.runs))
    rows = luck.spread(outcomes, result.runs.assign(fidelity=fidelity, psnr=psnr))
    found = {(row["entrant"], row["what"]): row for row in rows}
    assert found["euler", "fidelity"]["mean"] == pytest.approx(5 / 6)
    assert found["euler", "fidelity"]["high"] == 1.0  # Student's would go beyond
    assert found["euler", "psnr"]["mean"] == 25.0 and found["euler", "psnr"]["n"] == 4
    assert found["euler", "image_rmse"]["mean"] == 0.0  # exact data has but one picture


def test_what_is_not_done_is_said(measured):
    runs, result = measured
    spec = result.comparison
    cells = spec.cells(EXACT_MODEL.config)
    there = dict(runs)
    there[cells[0].experiment.id] = RuntimeError("out of luck")
    there[cells[1].experiment.id] = Cancelled()
    del there[cells[2].experiment.id]
    found = summarise(spec, there, EXACT_MODEL)
    assert found.runs["state"].head(4).tolist() == ["failed", "cancelled", "missing", "done"]
    assert found.runs["error"].iloc[0] == "out of luck"
    assert found.cost.iloc[1]["pictures"] == 3  # euler at 32
    said = " ".join(found.verdict)
    assert "euler failed in 1 of 24 runs: out of luck." in said
    assert "2 of 96 runs are not done" in said


def test_nothing_done_is_said_too():
    spec = comparison("euler", "heun", "euler_ancestral", budget=4, reference_steps=8)
    result = summarise(spec, {}, EXACT_MODEL)
    assert (result.runs["state"] == "missing").all()
    assert result.entrants["nfe"].tolist() == [4, 7, 4]
    assert result.verdict[0] == "No run is done, so there is nothing to compare."
    assert "not done" in result.verdict[1] and len(result.verdict) == 2


def test_runs_of_other_weights_count_as_missing(measured):
    runs, result = measured
    other = ModelFacts("exact", "another", EXACT_MODEL.config)
    found = summarise(result.comparison, runs, other)
    assert (found.runs["state"] == "missing").all() and found.references.empty
    assert "other weights" in found.runs["error"].iloc[0]


def test_a_run_that_is_not_finite_has_failed(mixture):
    from dataclasses import replace

    spec = comparison("euler", "heun", seeds=[0], budget=4, reference_steps=8)
    runs = exact_runs(spec, mixture)
    key = spec.cells(EXACT_MODEL.config)[0].experiment.id
    runs[key] = replace(runs[key], tensors={"latents": runs[key].latents * math.nan})
    found = summarise(spec, runs, EXACT_MODEL)
    assert found.runs["state"].tolist() == ["failed", "done"]
    assert "euler failed in 1 of 1 run: ends in numbers that are not finite." in found.verdict
    assert set(found.paths["entrant"]) == {"heun", REFERENCE}


def test_equal_runs_give_equal_tables(measured):
    runs, result = measured
    again = summarise(result.comparison, runs, EXACT_MODEL)
    for name, table in result.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)
    assert again.verdict == result.verdict


def test_a_target_of_nothing_is_refused(measured):
    runs, result = measured
    with pytest.raises(ValueError, match="target must be above 0, got 0"):
        summarise(result.comparison, runs, EXACT_MODEL, target=0)
