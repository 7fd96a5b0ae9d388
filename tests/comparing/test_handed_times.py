"""A pipeline that hands times of its own to its scheduler, as Flux's does, in a comparison."""

import numpy as np
import pytest
from diffusers import FluxPipeline

import sdlab
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant_course import entrant_course
from sdlab.comparing.fairness import UNKNOWN_TIMES, notes, profile, seen
from sdlab.comparing.model_facts import ModelFacts, UnknownPipeline
from sdlab.noise.flow import sigma_to_time
from tests import flow

UNIPC, MULTISTEP = "UniPCMultistepScheduler", "DPMSolverMultistepScheduler"


@pytest.fixture(scope="module")
def model():
    return sdlab.load(flow.flux())


def asked(*names, **fields):
    return Comparison(names, ["a"], curve=None, **fields)


def test_a_comparison_knows_which_class_draws(model):
    facts = ModelFacts.of(model)
    assert facts.pipeline == "FluxPipeline" and facts.drawn_by(asked("euler")) is FluxPipeline
    pictured = asked("euler", image=np.zeros((16, 16, 3), np.uint8))
    assert facts.drawn_by(pictured).__name__ == "FluxImg2ImgPipeline"
    assert ModelFacts("a", "b", {}).drawn_by(asked("euler")) is None
    assert ModelFacts("a", "b", {}, "torch").drawn_by(asked("euler")) is UnknownPipeline


def test_the_course_is_over_the_times_that_are_handed(model):
    one = asked("euler").entrants[0]
    config = {**model.scheduler_config, "use_dynamic_shifting": False, "shift": 1.0}
    own, handed = (
        entrant_course(one, 4, None, config, pipeline) for pipeline in (None, FluxPipeline)
    )
    np.testing.assert_allclose(sigma_to_time(handed.sigmas), [1.0, 0.75, 0.5, 0.25])
    assert sigma_to_time(own.sigmas[-1]) < 0.1  # to 1 / 1000, not to 1 / N
    curved = entrant_course(one, 4, "linspace", config, FluxPipeline)
    assert curved.sigmas == entrant_course(one, 4, "linspace", config).sigmas


def test_a_class_that_takes_no_times_cannot_be_compared(model):
    spec = asked(MULTISTEP, "euler")
    facts = ModelFacts.of(model)
    told = notes(spec, spec.entrants[0], facts.config, facts.drawn_by(spec))
    assert "cannot drive FluxPipeline" in told[-1]
    assert profile(spec, spec.entrants[0], facts.config).nfe == 20  # unknown without its class
    result = sdlab.compare(model, spec, budget=2, reference_steps=4, width=32, height=32)
    entrants = result.tables["entrants"].set_index("entrant")
    assert "cannot drive FluxPipeline" in entrants["notes"][MULTISTEP]
    assert entrants["notes"]["euler"] == ""


def test_unipc_is_handed_an_array_as_the_pipeline_does(model):
    spec = asked(UNIPC)
    assert profile(spec, spec.entrants[0], model.scheduler_config, FluxPipeline).nfe == 20
    assert sdlab.plan(model, sdlab.Experiment("a", solver=UNIPC, num_steps=4)).nfe == 4


class Ours(FluxPipeline):
    """A class of one's own, which lays its times out by what only its call knows."""

    def __call__(self, prompt=None, num_inference_steps=50, **kwargs):
        self.scheduler.set_timesteps(num_inference_steps, sigmas=self.times, mu=1.0)


@pytest.mark.parametrize("cls", [Ours, UnknownPipeline])
def test_where_only_the_call_tells_the_times_nothing_is_said_of_the_start(model, cls):
    spec = asked("euler", UNIPC)
    about = profile(spec, spec.entrants[0], model.scheduler_config, cls)
    assert np.isnan(about.start) and about.end == 0 and about.nfe == 20
    assert about.notes == (UNKNOWN_TIMES,)


def test_a_class_of_one_s_own_is_read_itself():
    facts = ModelFacts("a", "b", {}, "Ours", Ours)
    assert facts.drawn_by(asked("euler")) is Ours and facts == ModelFacts("a", "b", {}, "Ours")


def test_the_runs_tell_the_start_where_it_was_not_known():
    model = sdlab.load(flow.sd3())
    size = {"width": 32, "height": 32, "num_steps": 2}
    asking = [sdlab.Experiment("a", solver=name, **size) for name in ("euler", "heun")]
    runs = [sdlab.run(model, one) for one in asking]
    spec = asked("euler")
    about = profile(spec, spec.entrants[0], model.scheduler_config, UnknownPipeline)
    known = seen(about, *runs)
    assert np.isinf(known.start) and known.notes == ()
    runs[0].trace.sigmas[0] = 3.0
    assert seen(about, *runs).notes == ("starts at t 0.75, the reference at 1",)
    runs[0].trace.sigmas[0] = float("nan")
    assert seen(about, *runs) is about
