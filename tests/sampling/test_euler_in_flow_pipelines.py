"""sdlab's Euler in every flow-matching pipeline draws what the pipeline's own scheduler draws."""

import inspect

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

import sdlab
from sdlab.solvers.flow_catalogue import handed_times
from tests.zoo.chosen import FEW, cases
from tests.zoo.pipelines import CLASSES, RUNS, build


def is_flows(name):
    """Whether a class asks for a scheduler of flow matching."""
    asked = inspect.signature(CLASSES[name].__init__).parameters.get("scheduler")
    return asked is not None and "FlowMatch" in str(asked.annotation)


# What a pipeline asks of its scheduler that no other has.
REFUSED = {"LTXConditionPipeline": "per_token_timesteps"}


def drawn(name, scheduler_of):
    """Return what a pipeline draws with a scheduler made of its config."""
    pipe, words = build(name)
    pipe.scheduler = scheduler_of(pipe.scheduler.config)
    torch.manual_seed(0)
    made = pipe(**{**words, "generator": torch.Generator().manual_seed(0)}, return_dict=True)
    found = next(iter(made.values()))
    while isinstance(found, list):
        found = found[0]
    return np.asarray(found, dtype=np.float32)


@pytest.mark.parametrize("name", cases([name for name in RUNS if is_flows(name)], FEW))
def test_euler_draws_what_the_pipeline_s_own_euler_draws(name):
    def ours(config):
        return sdlab.as_diffusers_scheduler("euler", config=config)

    if name in REFUSED:
        with pytest.raises(TypeError, match=REFUSED[name]):
            drawn(name, ours)
        return
    own = drawn(name, FlowMatchEulerDiscreteScheduler.from_config)
    most = 1.0 if own.max() > 1 else 1e-3  # a level of 256, or a share of white
    assert np.abs(drawn(name, ours) - own).max() <= most


def test_mochi_s_times_are_planned_as_it_hands_them_over():
    pipe, words = build("MochiPipeline")
    model = sdlab.load(pipe)
    size = {name: words[name] for name in ("width", "height") if name in words}
    asked = sdlab.Experiment("a red car", solver="euler", num_steps=6, **size)
    run, planned = sdlab.run(model, asked), sdlab.plan(model, asked)
    np.testing.assert_allclose(planned.timesteps, run.steps["timestep"], rtol=1e-5)
    assert handed_times(type(pipe), 6)[:2] == [1.0, pytest.approx(1 - 0.025 / 3)]


def test_times_that_rise_are_refused():
    config = FlowMatchEulerDiscreteScheduler(invert_sigmas=True).config
    with pytest.raises(ValueError, match="lets them rise .*FlowMatchEulerDiscreteScheduler"):
        sdlab.as_diffusers_scheduler("euler", config=config)
    with pytest.raises(ValueError, match="lets them rise"):
        sdlab.course("heun", 4, config=config)
