"""Why a run takes so many evaluations, as counted from its course."""

import re

import pytest

import sdlab
from sdlab.sampling.evaluation_sum import by_step, evaluation_sum, told
from sdlab.sampling.evaluations import expected_evaluations
from sdlab.solvers.from_diffusers import SD_CONFIG

SUMS = {
    "ddim": "ddim asks the network once a step: 20.",
    "heun": "19 x 2 + 1 = 39.",
    "dpmpp_sde": "19 x 2 + 1 = 39.",
    "HeunDiscreteScheduler": "19 x 2 + 1 = 39.",
    "KDPM2DiscreteScheduler": "19 x 2 + 1 = 39.",
    "plms": "2 + 19 x 1 = 21.",
    "PNDMScheduler": "2 + 19 x 1 = 21.",
}


@pytest.mark.parametrize("solver", SUMS)
def test_the_sum_is_that_of_the_course(solver):
    experiment = sdlab.Experiment(solver=solver, num_steps=20)
    said = evaluation_sum(experiment, SD_CONFIG)
    assert said.endswith(SUMS[solver]) and said.startswith(solver)
    count = int(re.findall(r"(\d+)\.$", said)[0])
    assert count == expected_evaluations(experiment, SD_CONFIG)


def test_runge_kutta_steps_at_the_start_are_counted():
    experiment = sdlab.Experiment(
        solver="PNDMScheduler", num_steps=20, solver_options={"skip_prk_steps": False}
    )
    said = evaluation_sum(experiment, SD_CONFIG)
    assert "the first 3 steps, which have none yet, ask 4 times each: 3 x 4 + 17 x 1 = 29." in said


def test_the_reason_says_what_the_last_step_lacks():
    assert "which goes to sigma 0" in told("heun", [2, 2, 1])
    assert "sigma 0" not in told("heun", [2, 2, 1], to_zero=False)
    assert told("twice", [2, 2]) == "twice asks the network twice in each step: 2 x 2 = 4."
    odd = "odd asks the network more often in some steps than in others: 1 x 1 + 1 x 3 + 1 x 2 = 6."
    assert told("odd", [1, 3, 2]) == odd


def test_steps_left_out_of_a_run_from_a_picture_are_said():
    said = told("ddim", [1] * 5, left_out=5)
    assert (
        said == "ddim asks the network once a step: 5 (5 of 10 steps are left out, to keep the"
        " picture)."
    )
    assert by_step([5, 5, 6, 7]) == [2, 1, 1]
