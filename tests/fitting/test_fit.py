"""Fitted schedules: the cheapest way is the cheapest, and other seeds judge it."""

from itertools import combinations

import numpy as np
import pytest

import sdlab
from sdlab.fitting.fitted import CURVES, FITTED, PICTURES, judged
from sdlab.fitting.shortest import costs, shortest
from sdlab.models.model import Model
from tests.flow import sd3

SPEC = sdlab.Experiment(
    prompt="a red car", solver="euler", num_steps=3, guidance_scale=1, width=64, height=64
)


def weighed(cost, way, gamma):
    return sum(cost[i, j] * gamma**k for k, (i, j) in enumerate(zip(way, way[1:], strict=False)))


@pytest.mark.parametrize("gamma", [0.8, 1.0, 1.3])
def test_no_way_is_cheaper(gamma):
    cost = np.triu(np.random.default_rng(3).uniform(size=(9, 9)), 1)
    cost[np.tril_indices(9)] = np.inf
    for steps in (1, 3, 8):
        found = shortest(cost, steps, gamma)
        ways = ([0, *inner, 8] for inner in combinations(range(1, 8), steps - 1))
        least = min(weighed(cost, way, gamma) for way in ways)
        assert weighed(cost, found, gamma) == pytest.approx(least, rel=1e-12)
        assert len(found) == steps + 1


def test_a_straight_course_costs_nothing():
    """Where x0_pred is constant Euler is exact, from any level to any other."""
    sigmas, x0 = np.array([9.0, 4.0, 1.0, 0.0]), np.array([1.0, -2.0])
    x = x0 + sigmas[:, None] * np.array([0.3, 0.7])
    cost = costs(sigmas, x, np.tile(x0, (3, 1)), 1.0)
    assert cost[np.triu_indices(4, 1)] == pytest.approx(0, abs=1e-14)
    assert np.isinf(cost[np.tril_indices(4)]).all()


def test_more_steps_than_levels_are_refused():
    with pytest.raises(ValueError, match="num_steps must be from 1 to 3, got 4"):
        shortest(np.ones((4, 4)), 4, 1.0)


def test_a_schedule_is_fitted_and_judged(small):
    fitted = sdlab.fit_schedule(
        small, SPEC, seeds=(0,), held_out=(5, 6), against=("karras", "ays_sd15"), teacher_steps=12
    )
    assert len(fitted.sigmas) == 4 and fitted.sigmas[-1] == 0
    assert fitted.sigmas[0] == pytest.approx(small.schedule.sigma_max)
    assert (np.diff(fitted.sigmas) < 0).all()
    assert [list(fitted.table), list(fitted.pictures)] == [list(CURVES), list(PICTURES)]
    assert fitted.table["curve"].tolist() == [FITTED, "karras", "ays_sd15"]
    assert len(fitted.pictures) == 6 and len(fitted.sentences) == 2
    # the experiment that it returns runs, and ends where the judge saw it end
    run = sdlab.run(small, fitted.experiment.with_(seed=5))
    assert [s for s in run.trace.sigmas] == pytest.approx(fitted.sigmas[:-1])


def test_a_verdict_needs_the_interval():
    table, _ = judged({FITTED: [1.0, 2.0], "a": [2.0, 4.1], "b": [0.5, 3.0]}, [1, 2])
    assert table.set_index("curve")["verdict"].to_dict() == {
        FITTED: "",
        "a": "nearer",
        "b": "not told apart",
    }


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"solver": "euler_ancestral"}, {}, "draws noise on the way"),
        ({"num_steps": 41}, {}, "num_steps must be from 2 to 40, got 41"),
        ({}, {"held_out": (0, 7)}, r"other seeds than those of the fit, got \[0\] in both"),
        ({}, {"held_out": (7,)}, "held_out must be at least 2, each once"),
        ({}, {"against": ("karrass",)}, "'karrass'.*karras"),
        ({}, {"against": ("sigmas",)}, "curves that need no options, got 'sigmas'"),
    ],
)
def test_what_cannot_be_fitted(small, changes, given, message):
    with pytest.raises(ValueError, match=message):
        sdlab.fit_schedule(small, SPEC.with_(**changes), **given)


def test_flow_matching_is_refused():
    with pytest.raises(sdlab.ModelError, match="does not add noise as Stable Diffusion does"):
        sdlab.fit_schedule(Model(sd3(), "sd3"), SPEC)
