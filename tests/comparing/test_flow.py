"""Samplers compared on a flow-matching model, whose start is at infinite sigma."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.divergence import divergence
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import profile
from sdlab.comparing.reference import Trajectory
from tests import flow

EULER = "FlowMatchEulerDiscreteScheduler"


@pytest.fixture(scope="module")
def model():
    return sdlab.load(flow.sd3())


@pytest.fixture(scope="module")
def result(model):
    return sdlab.compare(
        model,
        entrants=["euler", "heun", EULER],
        prompts=["a red car"],
        seeds=(0,),
        budget=4,
        more_budgets=(8,),
        guidance_scale=3.0,
        reference_steps=16,
        width=64,
        height=64,
    )


@pytest.mark.every
def test_the_levels_are_the_models_own_and_all_start_at_noise_alone(model, result):
    assert result.comparison.curve is None
    for entrant in result.comparison.entrants:
        known = profile(result.comparison, entrant, model.scheduler_config)
        assert np.isinf(known.start) and known.end == 0 and known.notes == ()


@pytest.mark.every
def test_euler_is_diffusers_and_heun_is_nearer_to_the_reference(result):
    error = result.tables["runs"].groupby(["entrant", "budget"])["distance"].mean()
    for budget in (4, 8):
        assert error["euler", budget] == pytest.approx(error[EULER, budget], rel=1e-3)
    assert error["heun", 8] < error["euler", 8] < error["euler", 4]


def test_no_distance_along_the_way_is_nan(result):
    steps = result.tables["steps"]
    assert np.isinf(steps["sigma"]).any()
    assert steps[["x_t_distance", "x0_distance"]].notna().all().all()
    assert steps[steps["evaluation"] == 0]["x_t_distance"].max() < 1e-3


@pytest.mark.every
def test_a_course_is_known_at_every_time(model):
    asked = {"num_steps": 12, "solver": "heun", "guidance_scale": 3.0, "width": 64, "height": 64}
    record = sdlab.Record(tensors=("x_t", "x0_pred"))
    run = sdlab.run(model, sdlab.Experiment("a red car", record=record, **asked))
    course, sigmas = Trajectory.of(run), np.array(run.trace.sigmas)
    first = run.steps.drop_duplicates("step")["evaluation"].to_numpy()
    x_t = run.trace.x_t.double().numpy().reshape(len(sigmas), -1)
    np.testing.assert_allclose(course.x_t(sigmas[first]), x_t[first], atol=1e-5)
    assert divergence(run, run) is None
    other = sdlab.run(model, sdlab.Experiment("a blue dog", record=record, **asked))
    found = divergence(run, other)
    assert found is None or found.evaluation == 0 or np.isfinite(found.sigma)


def test_a_class_that_cannot_drive_it_says_so(model):
    asked = Comparison([Entrant("DDIMScheduler"), Entrant("euler")], ["a"], curve=None)
    known = profile(asked, asked.entrants[0], model.scheduler_config)
    assert known.nfe is None and "cannot sample flow matching" in known.notes[-1]


def test_starts_are_compared_as_times(model):
    asked = Comparison([Entrant("UniPCMultistepScheduler"), Entrant("euler")], ["a"], curve=None)
    known = profile(asked, asked.entrants[0], model.scheduler_config)
    assert 1000 < known.start < np.inf  # t 0.999 and more: noise alone within a thousandth
    assert not any("starts at" in note for note in known.notes)


def test_stochastic_entrants_are_told_apart(model):
    asked = Comparison([Entrant("euler_ancestral"), Entrant("euler")], ["a"], curve=None)
    drawn, plain = (profile(asked, e, model.scheduler_config) for e in asked.entrants)
    assert not drawn.deterministic and plain.deterministic
    assert torch.is_grad_enabled()
