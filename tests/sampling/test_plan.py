"""A plan tells evaluations and memory as they turn out, and refuses what cannot be run."""

from weakref import WeakKeyDictionary

import pytest

import sdlab
from sdlab.models import memory
from sdlab.solvers.catalogue import valid_names
from tests.zoo.chosen import OWN, THEIRS, cases


def experiment(**fields):
    return sdlab.Experiment(**{"model": "small", "num_steps": 5, **fields})


def test_plan_tells_the_evaluations(small):
    plan = sdlab.plan(small, experiment(solver="heun", guidance_scale=3.0))
    assert (plan.nfe, plan.shape, plan.guided) == (9, (4, 16, 16), True)
    assert plan.steps == (0, 0, 1, 1, 2, 2, 3, 3, 4)
    assert plan.timesteps[0] == 801.0
    assert plan.record_bytes == 9 * 2 * 4 * 16 * 16 * 4


@pytest.mark.parametrize("name", cases(valid_names(), OWN | THEIRS))
def test_plan_is_what_happens(small, name):
    wanted = experiment(solver=name, num_steps=6)
    plan = sdlab.plan(small, wanted)
    steps = sdlab.run(small, wanted).steps
    assert steps["sigma"].tolist() == pytest.approx(list(plan.sigmas), rel=1e-12)
    assert steps["timestep"].tolist() == pytest.approx(list(plan.timesteps), rel=1e-12)
    assert steps["step"].tolist() == list(plan.steps)
    assert steps["evaluation"].tolist() == list(range(plan.nfe))


def test_record_estimate_is_what_is_held(small):
    record = sdlab.Record(tensors=("x_t", "output_uncond"), every=2, dtype="float16")
    wanted = experiment(record=record, guidance_scale=2.0)
    run = sdlab.run(small, wanted)
    held = sum(t.nbytes for name, t in run.tensors.items() if name != "latents")
    assert held == sdlab.plan(small, wanted).record_bytes


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"solver": "hen"}, "Unknown solver 'hen'. Did you mean 'heun'.*HeunDiscreteScheduler"),
        ({"solver": "EulerDiscreteSchedular"}, "Did you mean 'EulerDiscreteScheduler'"),
        ({"solver": "FlowMatchEulerDiscreteScheduler"}, "cannot sample Stable Diffusion"),
        ({"solver": "heun", "eta": 0.5}, "solver 'heun' takes no eta, got 0.5"),
        ({"solver": "EulerDiscreteScheduler", "eta": 0.5}, "takes no eta, got 0.5"),
        (
            {"solver": "HeunDiscreteScheduler", "curve_options": {"rho": 3}},
            "curve_options.*use solver_options",
        ),
        ({"solver": "euler", "num_steps": 1001}, "num_steps must be from 1 to 1000"),
        ({"solver": "DDIMScheduler", "num_steps": 1001}, "num_steps must be from 1 to 1000"),
        ({"solver": "euler", "curve": "karas"}, "Unknown curve 'karas'"),
    ],
)
def test_what_the_model_cannot_run_is_refused(small, fields, message):
    with pytest.raises(ValueError, match=message):
        sdlab.plan(small, experiment(**fields))


def test_a_picture_beyond_memory_is_refused_with_the_figures(small):
    side = 2**16  # the largest that an experiment takes
    with pytest.raises(sdlab.MemoryLimitError, match=r"needs about .* TiB on cpu .*GiB are free"):
        sdlab.plan(small, experiment(width=side, height=side))


def test_a_record_beyond_memory_is_refused(small, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 170 * 2**20)
    wanted = experiment(num_steps=900, width=512, height=512, guidance_scale=1.0)
    with pytest.raises(sdlab.MemoryLimitError, match="recorded tensors 112.5 MiB"):
        sdlab.plan(small, wanted)
    slim = wanted.with_(record=sdlab.Record(every=100, tensors=("x0_pred",)))
    assert sdlab.plan(small, slim).record_bytes < 2**20


def test_a_scheduler_is_tried_once_for_all_pictures_of_a_way(small, monkeypatch):
    from sdlab.sampling import plan

    tried = []
    monkeypatch.setattr(plan, "_TRIED", WeakKeyDictionary())
    monkeypatch.setattr(plan, "try_out", lambda course: tried.append(course.num_steps))
    for changes in ({}, {"seed": 5}, {"prompt": "a cat"}, {"num_steps": 7}, {"num_steps": 7}):
        sdlab.plan(small, experiment(solver="DDIMScheduler").with_(**changes))
    sdlab.plan(small, experiment(solver="heun"))
    assert tried == [5, 7]
