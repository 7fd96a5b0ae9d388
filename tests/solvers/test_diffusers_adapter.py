"""Every scheduler of diffusers is found, offered with what changes it, or refused with a reason."""

import contextlib
import logging

import numpy as np
import pytest

import sdlab
from sdlab.noise import NoiseSchedule
from sdlab.solvers import from_diffusers as adapter
from sdlab.work import drive

NAMES = sorted(adapter.compatible_classes())


def make(name, **changes):
    arguments = {"options": {}, "curve": None, "num_steps": 10, "seed": 0, **changes}
    return adapter.make_scheduler(name, adapter.SD_CONFIG, **arguments)


def test_finds_what_stable_diffusion_users_know():
    from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers

    known = {entry.name for entry in KarrasDiffusionSchedulers}
    # EDMEuler is in diffusers' list but tells the network 0.25 ln sigma, not a timestep.
    assert known - set(NAMES) == {"EDMEulerScheduler"}
    assert {"LCMScheduler", "TCDScheduler", "SASolverScheduler"} <= set(NAMES)


def test_what_cannot_sample_says_why():
    reasons = {n: adapter.probe(n).reason for n in adapter.scheduler_classes() if n not in NAMES}
    assert all(reasons.values())
    assert "draws mean" in reasons["DDIMInverseScheduler"]
    assert "outside 0 to 999" in reasons["EDMEulerScheduler"]
    assert "scale_model_input" in reasons["FlowMatchEulerDiscreteScheduler"]


@pytest.mark.parametrize("name", NAMES)
def test_noise_levels_are_those_that_the_scheduler_scales_by(name):
    """scale_model_input divides VE latents by sqrt(1 + sigma^2); the table must agree."""
    import torch

    scheduler = make(name)
    schedule = NoiseSchedule.from_config(scheduler.config)
    sigmas = adapter.evaluation_sigmas(scheduler, schedule)
    process = adapter.scheduler_process(
        scheduler,
        torch.randn(1, 4, 8, 8),
        steps=adapter.evaluation_steps(scheduler, 10),
        sigmas=sigmas,
        generator=torch.Generator().manual_seed(0),
    )
    seen, scaled = [], scheduler.scale_model_input

    def spy(sample, timestep):
        out = scaled(sample, timestep)
        seen.append(float((sample / out).flatten()[0]))
        return out

    scheduler.scale_model_input = spy
    drive(process, adapter.gaussian_answer)
    if not all(ratio == 1.0 for ratio in seen):  # VE latents
        np.testing.assert_allclose(seen, np.sqrt(1 + np.square(sigmas)), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "nfe", "first_steps"),
    [
        ("HeunDiscreteScheduler", 19, [0, 0, 1]),
        ("KDPM2DiscreteScheduler", 19, [0, 0, 1]),
        ("DDIMScheduler", 10, [0, 1, 2]),
        ("PNDMScheduler", 11, [0, 0, 1]),
    ],
)
def test_steps_are_not_evaluations(name, nfe, first_steps):
    steps = adapter.evaluation_steps(make(name), 10)
    assert len(steps) == nfe
    assert steps[:3] == first_steps
    assert steps[-1] == 9


def test_pndm_runge_kutta_start_has_four_evaluations_a_step():
    scheduler = make("PNDMScheduler", options={"skip_prk_steps": False})
    steps = adapter.evaluation_steps(scheduler, 10)
    assert steps == [0] * 4 + [1] * 4 + [2] * 4 + list(range(3, 10))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("EDMEulerScheduler", {}, "cannot sample Stable Diffusion.*Valid: DDIM"),
        ("DDIMSchedular", {}, "no such class"),
        (
            "EulerDiscreteScheduler",
            {"options": {"use_karas_sigmas": True}},
            "Unknown parameter of EulerDiscreteScheduler 'use_karas_sigmas'. Did you mean"
            " 'use_karras_sigmas'.*use_karras_sigmas=False",
        ),
        (
            "EulerDiscreteScheduler",
            {"options": {"use_karras_sigmas": "yes"}},
            "use_karras_sigmas of EulerDiscreteScheduler must be True or False, got 'yes'",
        ),
        (
            "DPMSolverMultistepScheduler",
            {"options": {"solver_order": 2.5}},
            "solver_order of DPMSolverMultistepScheduler must be a whole number, got 2.5",
        ),
        (
            "DPMSolverMultistepScheduler",
            {"options": {"algorithm_type": "dpm"}},
            "DPMSolverMultistepScheduler refuses algorithm_type='dpm'",
        ),
        ("DDIMScheduler", {"curve": "karras"}, "Unknown curve for DDIMScheduler 'karras'"),
        ("DDIMScheduler", {"num_steps": 1001}, "num_steps must be from 1 to 1000.*got 1001"),
    ],
)
def test_bad_requests_are_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        make(name, **changes)


@pytest.mark.parametrize("num_steps", [998, 999, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_at_the_schedules_limit_it_plans_or_says_why(name, num_steps):
    try:
        scheduler = make(name, num_steps=num_steps)
    except ValueError as error:
        assert "take fewer steps" in str(error) or "refuses" in str(error)
    else:
        schedule = NoiseSchedule.from_config(scheduler.config)
        sigmas = adapter.evaluation_sigmas(scheduler, schedule)
        assert len(sigmas) == len(adapter.evaluation_steps(scheduler, num_steps))
        assert min(sigmas) > 0


def test_only_curves_that_change_something_are_offered():
    offered = {n: adapter.scheduler_curves(adapter.scheduler_classes()[n]) for n in NAMES}
    assert offered["LCMScheduler"] == []
    assert offered["DDIMScheduler"] == ["leading", "linspace", "trailing"]
    assert "karras" in offered["EulerDiscreteScheduler"]


def test_curves_reach_the_scheduler():
    karras = make("EulerDiscreteScheduler", curve="karras")
    assert karras.config.use_karras_sigmas
    assert make("DDIMScheduler", curve="trailing").timesteps[0] == 999


def test_catalogue_lists_everything_once():
    table = sdlab.schedulers()
    assert table["name"].is_unique
    assert set(table.query("compatible and origin == 'diffusers'")["name"]) == set(NAMES)
    assert (table.query("not compatible")["reason"] != "").all()
    row = table.set_index("name").loc["HeunDiscreteScheduler"]
    assert (row["stages"], row["deterministic"], row["takes_eta"]) == (2, True, False)
    assert not table.set_index("name").loc["DDPMScheduler", "deterministic"]


def test_diffusers_own_warnings_are_not_heard():
    """`{self.config}`, unformatted, "passed to LCMScheduler but not expected": ours say better."""
    heard = []

    class Ear(logging.Handler):
        def emit(self, record):
            heard.append(record.getMessage())

    ear = Ear()
    logger = logging.getLogger("diffusers")
    logger.addHandler(ear)
    try:
        for name in NAMES:
            for num_steps in (1, 10):
                with contextlib.suppress(ValueError):
                    sdlab.course(name, num_steps)
        assert heard == []
        logger.warning("others are")
        assert heard == ["others are"]
    finally:
        logger.removeHandler(ear)


def test_an_option_that_the_scheduler_changes_is_told(embedded):
    asked = sdlab.Experiment(
        prompt="a cat", solver="DPMSolverSinglestepScheduler", num_steps=3, width=64, height=64,
        solver_options={"lower_order_final": False, "solver_order": 2},
        record=sdlab.Record(tensors=(), statistics=False),
    )  # fmt: skip
    (warning,) = sdlab.run(embedded, asked).manifest["warnings"]
    assert "runs with lower_order_final=True, not False" in warning
