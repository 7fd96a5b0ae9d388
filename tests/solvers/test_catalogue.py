"""The catalogue: what was found out by trying holds when it is tried another way."""

import math

import pytest

import sdlab
from sdlab.models.model import Model
from sdlab.noise import curves
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.catalogue import nfe_formula
from sdlab.work import drive
from tests.conftest import make_pipeline

TABLE = sdlab.schedulers().set_index("name")
FITS = TABLE[TABLE["compatible"]]


@pytest.mark.parametrize(
    ("counts", "formula"),
    [
        ({10: 10, 25: 25, 50: 50}, "N"),
        ({10: 19, 25: 49, 50: 99}, "2N-1"),
        ({10: 11, 25: 26, 50: 51}, "N+1"),
        ({10: 30, 50: 150}, "3N"),
        ({10: 10, 25: 30, 50: 50}, ""),
    ],
)
def test_formula_is_the_line_through_the_counts(counts, formula):
    assert nfe_formula(counts) == formula


@pytest.mark.parametrize("name", FITS.index)
def test_evaluations_are_those_of_the_course(name):
    row = FITS.loc[name]
    assert row["nfe_10"] == sdlab.course(name, 10).nfe
    assert row["nfe_50"] == sdlab.course(name, 50).nfe
    slope, _, offset = row["nfe"].partition("N")
    assert int(slope or 1) * 37 + int(offset or 0) == sdlab.course(name, 37).nfe


def test_some_solvers_are_known_by_their_count():
    expected = {
        "heun": "2N-1",
        "plms": "N+1",
        "unipc": "N",
        "PNDMScheduler": "N+1",
        "dpm_2": "2N-1",
    }
    assert FITS.loc[list(expected), "nfe"].to_dict() == expected


@pytest.mark.parametrize("name", FITS.index)
def test_ve_latents_are_scaled_up_and_vp_latents_are_not(name):
    row = FITS.loc[name]
    if row["coordinates"] == "VE":
        like = name if row["origin"] == "diffusers" else "euler"  # EDM churns before it asks
        start = sdlab.course(like, 50).sigmas[0]
        assert float(row["initial_scale"]) == pytest.approx(math.hypot(1, start), rel=1e-4)
    else:
        assert (row["coordinates"], row["initial_scale"]) == ("VP", 1.0)


def test_only_euler_takes_sigmas_from_outside():
    """UniPC's set_timesteps has the argument, for flow matching only."""
    takes = FITS[(FITS["origin"] == "diffusers") & FITS["custom_sigmas"]]
    assert list(takes.index) == ["EulerDiscreteScheduler"]
    assert FITS[FITS["origin"] == "sdlab"]["custom_sigmas"].all()
    assert set(FITS.loc["EulerDiscreteScheduler", "curves"]) == set(curves.names())


def test_prediction_types_are_those_that_sample():
    assert FITS.loc["heun", "predictions"] == ("epsilon", "v_prediction", "sample")
    assert FITS.loc["PNDMScheduler", "predictions"] == ("epsilon", "v_prediction")
    assert (TABLE[~TABLE["compatible"]]["predictions"] == ()).all()


def test_a_model_narrows_what_is_compatible():
    table = sdlab.schedulers(Model(make_pipeline("sample"), "x0")).set_index("name")
    refused = table[TABLE["compatible"] & ~table["compatible"]]
    assert "PNDMScheduler" in refused.index and "heun" not in refused.index
    assert set(refused["reason"]) == {"does not understand the model's prediction type, sample"}
    assert (
        sdlab.schedulers(Model(make_pipeline(), "eps"))["compatible"] == TABLE["compatible"].values
    ).all()


def test_a_model_that_no_scheduler_can_be_made_for_says_why():
    pipeline = make_pipeline()
    pipeline.scheduler.register_to_config(num_train_timesteps=5)
    row = sdlab.schedulers(Model(pipeline, "short")).set_index("name").loc["DDIMScheduler"]
    assert not row["compatible"] and "num_steps must be from 1 to 5" in row["reason"]


EULER = "EulerDiscreteScheduler"
SCHEDULE = NoiseSchedule.from_config(adapter.SD_CONFIG)
OWN = [
    ("karras", {"rho": 3.0}),
    ("exponential", {"sigma_max": 9.0}),
    ("formula", {"formula": "sigma_max*(sigma_min/sigma_max)**u"}),
    ("sigmas", {"sigmas": (14.0, 6.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.0)}),
    ("points", {"points": ((0.0, 14.0), (0.5, 1.0), (1.0, 0.03))}),
]
FOLLOWED = [(c, {}) for c in adapter.scheduler_curves(adapter.scheduler_classes()[EULER])]


@pytest.mark.parametrize(("curve", "options"), [*FOLLOWED[5:], *OWN])
def test_euler_follows_every_curve_of_ours(curve, options):
    found = sdlab.course(EULER, 8, curve=curve, curve_options=options)
    expected = curves.make(curve, SCHEDULE, 8, options)
    assert found.sigmas == pytest.approx(expected[:-1].tolist(), rel=1e-5)
    told = SCHEDULE.sigma_to_timestep(expected[:-1])
    assert found.timesteps == pytest.approx(told.tolist(), abs=0.05)


# Made for flow matching's times: over sigma its few steps at low noise lose the spread.
GOOD = [curve for curve in FOLLOWED if curve[0] != "linear_quadratic"]


@pytest.mark.parametrize(("curve", "options"), [*GOOD, *OWN])
def test_euler_samples_the_gaussian_along_every_curve(curve, options):
    import torch

    generator = torch.Generator().manual_seed(0)
    found = sdlab.course(EULER, 8, curve=curve, curve_options=options)
    start = torch.randn(1, 4, 32, 32, generator=generator)
    end = drive(found.make_process(start, generator), adapter.gaussian_answer)
    assert float(end.mean()) == pytest.approx(0.5, abs=0.1)
    assert 0.2 < float(end.std()) < 0.8


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("UniPCMultistepScheduler", {"curve": "vp"}, "Unknown curve for UniPCMultistepScheduler"),
        (EULER, {"curve": "karas"}, "Unknown curve for Euler.* Did you mean 'karras'"),
        (EULER, {"curve_options": {"rho": 3.0}}, "need a curve; name one"),
        (EULER, {"curve": "karras", "curve_options": {"rh": 3.0}}, "Unknown option of curve"),
        ("DDIMScheduler", {"curve_options": {"rho": 3.0}}, "as its own parameters"),
    ],
)
def test_curves_that_cannot_be_followed_are_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        sdlab.course(name, 8, **changes)
