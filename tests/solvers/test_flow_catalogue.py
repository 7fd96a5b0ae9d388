"""The catalogue for flow-matching models: what it says of each is tried another way."""

import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

import sdlab
from sdlab.models.model import Model
from sdlab.solvers.course import try_out
from sdlab.solvers.flow_catalogue import hands_sigmas
from sdlab.solvers.flow_course import SD3_CONFIG, flow_classes
from sdlab.solvers.pipeline_times import are_known
from sdlab.solvers.registry import solvers
from tests import flow

FLUX_CONFIG = {**SD3_CONFIG, "use_dynamic_shifting": True}
NAMES = (*sorted(solvers()), *sorted(flow_classes()))


@pytest.fixture(scope="module")
def table():
    return sdlab.schedulers(config=SD3_CONFIG).set_index("name")


def test_every_name_is_there_with_a_reason_or_fit(table):
    fits = table[table["compatible"]]
    assert set(table.index) == set(sdlab.schedulers()["name"])
    assert list(table.columns) == list(sdlab.schedulers().columns.drop("name"))
    assert set(fits.index) == set(NAMES)
    assert (table.loc[~table["compatible"], "reason"].map(len) > 0).all()
    assert (fits["coordinates"] == "flow").all() and (fits["initial_scale"] == 1).all()
    assert table.loc["DDIMScheduler", "reason"] == "does not know flow matching"


@pytest.mark.parametrize("name", NAMES)
def test_evaluations_are_those_of_the_course(table, name):
    row = table.loc[name]
    made = sdlab.course(name, 10, config=SD3_CONFIG)
    assert row["nfe_10"] == made.nfe
    slope, _, offset = row["nfe"].partition("N")
    assert int(slope or 1) * 37 + int(offset or 0) == sdlab.course(name, 37, config=SD3_CONFIG).nfe
    assert try_out(made).isfinite().all()


@pytest.mark.parametrize("name", ["heun", *sorted(flow_classes())])
def test_the_curves_that_it_is_said_to_follow_are_followed(table, name):
    plain = sdlab.course(name, 9, config=SD3_CONFIG)
    for curve in table.loc[name, "curves"]:
        along = sdlab.course(name, 9, config=SD3_CONFIG, curve=curve)
        times = along.table()["flow_time"]
        assert times.iloc[0] > 0.9 and times.iloc[-1] == 0, curve
        assert (times.diff()[1:] <= 0).all(), curve
        assert along.sigmas != plain.sigmas or curve in ("linspace", "leading", "trailing"), curve
        assert try_out(along).isfinite().all(), curve


def test_a_table_of_sigmas_is_no_curve_over_times():
    with pytest.raises(ValueError, match="curve 'ays_sd15' begins at 14.615: .* times end at 1"):
        sdlab.course("euler", 10, config=SD3_CONFIG, curve="ays_sd15")


def test_a_table_of_times_is_one():
    times = [1.0, 0.8, 0.3, 0.0]
    found = sdlab.course(
        "euler", 3, config=SD3_CONFIG, curve="sigmas", curve_options={"sigmas": times}
    )
    assert found.table()["flow_time"].tolist() == pytest.approx(times)


def test_who_cannot_shift_by_the_size_is_told():
    table = sdlab.schedulers(config=FLUX_CONFIG).set_index("name")
    for name in ("FlowMatchHeunDiscreteScheduler", "FlowMapEulerDiscreteScheduler"):
        assert "its set_timesteps takes no mu" in table.loc[name, "reason"]
    assert table.loc["FlowMatchEulerDiscreteScheduler", "compatible"]


def test_a_model_is_judged_with_its_pipeline():
    """Flux hands its own times over, Stable Diffusion 3 does not."""
    table = sdlab.schedulers(Model(flow.flux(), name="flux")).set_index("name")
    assert "hands sigmas over" in table.loc["DPMSolverMultistepScheduler", "reason"]
    assert table.loc[["heun", "UniPCMultistepScheduler"], "compatible"].all()
    table = sdlab.schedulers(Model(flow.sd3(), name="sd3")).set_index("name")
    assert table.loc[sorted(flow_classes()), "compatible"].all()
    assert not hands_sigmas(StableDiffusion3Pipeline) and hands_sigmas(type(flow.flux()))


@pytest.mark.parametrize("name", sorted(flow_classes()))
def test_those_that_fit_really_draw_in_the_pipeline(name):
    pipe = flow.sd3()
    pipe.scheduler = sdlab.course(name, 4, config=pipe.scheduler.config).scheduler
    generator = torch.Generator().manual_seed(0)
    call = {"num_inference_steps": 4, "output_type": "latent", "height": 64, "width": 64}
    assert pipe("a red car", generator=generator, **call).images.isfinite().all()


def test_a_model_of_neither_path_has_none():
    pipe = flow.sd3()
    model = Model(pipe, name="odd")
    model.__dict__["path"] = None
    model.scheduler_config = {"_class_name": "SomeScheduler"}
    table = sdlab.schedulers(model)
    assert not table["compatible"].any() and "neither" in table["reason"].iloc[0]


def test_the_shift_of_a_size_is_in_the_course():
    found = sdlab.course("FlowMatchEulerDiscreteScheduler", 5, config=FLUX_CONFIG, tokens=256)
    theirs = FlowMatchEulerDiscreteScheduler.from_config(FLUX_CONFIG)
    theirs.set_timesteps(5, mu=0.5)
    assert found.timesteps == pytest.approx(theirs.timesteps.tolist())
    assert math.isinf(found.sigmas[0])


def test_a_pipeline_typed_in_a_notebook_has_times_that_are_not_known():
    names = {"StableDiffusion3Pipeline": StableDiffusion3Pipeline}
    body = "class Mine(StableDiffusion3Pipeline):\n    def __call__(self, prompt): ..."
    exec(body, names)
    assert not hands_sigmas(names["Mine"]) and not are_known(names["Mine"], 4, SD3_CONFIG)
    assert are_known(StableDiffusion3Pipeline, 4, SD3_CONFIG)
