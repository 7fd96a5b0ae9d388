"""Own solvers against diffusers' schedulers on a mixture, and where the two cannot agree.

The schedulers' tables are widened to float64 (some stay float32 inside, hence 1e-5), and our solver
runs over the very sigmas that the scheduler visits.
"""

import math

import numpy as np
import pytest
import torch

from sdlab.noise import NoiseSchedule
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.protocol import Answer
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import solvers
from sdlab.work import drive
from tests.solvers import parity

CONFIG = {**adapter.SD_CONFIG, "set_alpha_to_one": True}
DATA = parity.mixture()
SPACINGS = ("leading", "linspace", "trailing")
ORDER_3 = {"solver_order": 3, "lower_order_final": False}
AT_SIGMA_MIN = {"final_sigmas_type": "sigma_min"}
BH1 = {"solver_type": "bh1", "lower_order_final": False, **AT_SIGMA_MIN}
SDE = {"algorithm_type": "sde-dpmsolver++"}


class Fresh(Noise):
    """Single precision draws for fresh and Brownian noise, as DPMSolverMultistep takes them."""

    def __call__(self, x):
        return super().__call__(x.float()).double()

    def between(self, x, sigma, sigma_next):
        return self(x)


def generator():
    return torch.Generator().manual_seed(parity.SEED + 1)


def make(cls, curve, num_steps, options):
    scheduler = adapter.make_scheduler(
        cls, CONFIG, options=options, curve=curve, num_steps=num_steps, seed=0
    )
    for name, value in vars(scheduler).items():
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32 and name != "timesteps":
            setattr(scheduler, name, value.double())
    return scheduler


def answer(query):
    x = query.x_t.double() * math.sqrt(1 + query.sigma**2)
    x0_pred = DATA.denoise(x, query.sigma)
    return Answer((x - x0_pred) / query.sigma, x0_pred)


def theirs(scheduler, num_steps, eta=None):
    """Where the scheduler ends, in VE coordinates, and the sigmas of its steps with the end."""
    sigmas = adapter.evaluation_sigmas(scheduler, NoiseSchedule.from_config(scheduler.config))
    process = adapter.scheduler_process(
        scheduler,
        parity.start(),
        steps=adapter.evaluation_steps(scheduler, num_steps),
        sigmas=sigmas,
        eta=eta,
        generator=generator(),
    )
    end = drive(process, answer).double()
    last = adapter.end_sigma(scheduler)
    if not holds_ve(scheduler):
        end = end * math.sqrt(1 + last**2)
    stride = 2 if scheduler.order == 2 else 1
    return end, (*dict.fromkeys(sigmas[::stride]), last)


def holds_ve(scheduler):
    return abs(float(scheduler.init_noise_sigma) - 1) > 1e-6


def ours(name, scheduler, levels, noise, options):
    scale = float(scheduler.init_noise_sigma)
    if not holds_ve(scheduler):
        scale = math.sqrt(1 + levels[0] ** 2)
    return solvers()[name].solve(parity.start() * scale, levels, noise, DATA.denoise, options)[0]


def distance(name, cls, curve, num_steps, noise=None, eta=None, theirs_options=None, **options):
    """Relative to the largest number of the scheduler's end."""
    scheduler = make(cls, curve, num_steps, theirs_options or {})
    end, levels = theirs(scheduler, num_steps, eta)
    mine = ours(name, scheduler, levels, noise or Noise(generator()), options)
    return float((mine - end).abs().max() / end.abs().max())


AGREE = [
    ("euler", "EulerDiscreteScheduler", {}, {}),
    ("euler_ancestral", "EulerAncestralDiscreteScheduler", {}, {}),
    ("heun", "HeunDiscreteScheduler", {}, {}),
    ("dpm_2", "KDPM2DiscreteScheduler", {}, {}),
    ("dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", {}, {}),
    ("lms", "LMSDiscreteScheduler", {}, {}),
    ("dpmpp_2m", "DPMSolverMultistepScheduler", {}, {}),
    ("dpmpp_2m_sde", "DPMSolverMultistepScheduler", {}, SDE),
    ("deis", "DEISMultistepScheduler", {"order": 2}, {"lower_order_final": False}),
    ("deis", "DEISMultistepScheduler", {"order": 3}, ORDER_3),
    ("unipc", "UniPCMultistepScheduler", {}, {}),
    ("unipc", "UniPCMultistepScheduler", {"order": 3}, {**ORDER_3, **AT_SIGMA_MIN}),
    ("unipc", "UniPCMultistepScheduler", {"variant": "bh1"}, BH1),
    ("ddpm", "DDPMScheduler", {}, {}),
    ("ddim", "DDIMScheduler", {}, {}),
    ("plms", "PNDMScheduler", {}, {}),
    ("lcm", "LCMScheduler", {}, {}),
]


def curves_of(cls, theirs_options):
    """Three curves, or those there are on which the scheduler steps as it says."""
    if cls in ("DDIMScheduler", "PNDMScheduler"):
        return ("leading", "trailing")  # linspace: see below
    if cls == "LCMScheduler":
        return (None,)  # it has but its own
    if cls == "DDPMScheduler" or theirs_options.get("final_sigmas_type") == "sigma_min":
        return SPACINGS  # karras with sigma_min repeats its last sigma
    if "Ancestral" in cls:
        return SPACINGS if "Euler" in cls else ("karras", "exponential", "trailing")
    return ("karras", "exponential", "trailing")


CASES = [(*case, curve) for case in AGREE for curve in curves_of(case[1], case[3])]


@pytest.mark.parametrize("num_steps", parity.STEPS)
@pytest.mark.parametrize(("name", "cls", "options", "theirs_options", "curve"), CASES)
def test_ends_where_diffusers_ends(name, cls, options, theirs_options, curve, num_steps):
    noise = Fresh(generator()) if theirs_options == SDE else None
    apart = distance(name, cls, curve, num_steps, noise, theirs_options=theirs_options, **options)
    assert apart < 1e-5


@pytest.mark.parametrize("eta", [0.5, 1.0])
@pytest.mark.parametrize("num_steps", parity.STEPS)
def test_ddims_noise_agrees(num_steps, eta):
    scheduler = make("DDIMScheduler", "leading", num_steps, {})
    end, levels = theirs(scheduler, num_steps, eta)
    mine = ours("ddim", scheduler, levels, Noise(generator()), {"eta": eta})
    torch.testing.assert_close(mine, end, rtol=0, atol=1e-5 * float(end.abs().max()))


@pytest.mark.parametrize("curve", ["karras", "exponential", "trailing"])
@pytest.mark.parametrize("num_steps", parity.STEPS)
def test_dpmpp_sde_agrees_on_the_same_brownian_path(num_steps, curve):
    scheduler = make("DPMSolverSDEScheduler", curve, num_steps, {})
    path = Noise(generator())
    x = parity.start()
    scheduler.noise_sampler = lambda a, b: path.between(x, float(a), float(b))
    end, levels = theirs(scheduler, num_steps)
    mine = ours("dpmpp_sde", scheduler, levels, Noise(generator()), {})
    torch.testing.assert_close(mine, end, rtol=0, atol=1e-5 * float(end.abs().max()))


# Where they cannot agree.


@pytest.mark.parametrize(("name", "cls"), [("ddim", "DDIMScheduler"), ("plms", "PNDMScheduler")])
def test_ddim_and_pndm_step_elsewhere_than_they_go_next(name, cls):
    """They take t - T // N for the next timestep; with linspace the next one is another."""
    assert distance(name, cls, "linspace", 10) > 1e-2
    timesteps = make("DDIMScheduler", "linspace", 10, {}).timesteps.tolist()
    strides = {a - b for a, b in zip(timesteps, timesteps[1:], strict=False)}
    assert strides == {111} and 1000 // 10 == 100
    assert distance("ddim", "DDIMScheduler", "trailing", 30) > 1e-4  # 1000 / 30 is no whole number
    assert distance("ddim", "DDIMScheduler", "trailing", 20) < 1e-5


def test_deis_ends_at_the_schedules_last_sigma():
    """So it has no parity with ours over a curve that ends in 0: a little noise stays."""
    scheduler = make("DEISMultistepScheduler", "trailing", 10, {"lower_order_final": False})
    assert adapter.end_sigma(scheduler) == pytest.approx(0.02917, abs=1e-4)
    end, levels = theirs(scheduler, 10)
    mine = ours("deis", scheduler, (*levels[:-1], 0.0), Noise(generator()), {"order": 2})
    assert float((mine - end).abs().max()) > 1e-3


@pytest.mark.parametrize(("num_steps", "agrees"), [(10, False), (14, False), (15, True)])
def test_lower_order_final_acts_below_15_steps_only(num_steps, agrees):
    apart = distance("deis", "DEISMultistepScheduler", "trailing", num_steps, order=2)
    assert (apart < 1e-5) == agrees


def test_unipc_lowers_its_order_at_the_end_whatever_the_steps():
    options = {"solver_order": 3, **AT_SIGMA_MIN}
    cls = "UniPCMultistepScheduler"
    assert distance("unipc", cls, "leading", 20, theirs_options=options, order=3) > 1e-5


def test_dpmpp_rounds_karras_timesteps_and_euler_does_not():
    """The network is told a whole timestep, so another noise level than its input has."""
    rounded = make("DPMSolverMultistepScheduler", "karras", 20, {})
    exact = make("EulerDiscreteScheduler", "karras", 20, {"timestep_spacing": "linspace"})
    np.testing.assert_allclose(rounded.sigmas, exact.sigmas, rtol=1e-6)
    true = parity.SCHEDULE.sigma_to_timestep(exact.sigmas[:-1].numpy())
    np.testing.assert_allclose(exact.timesteps, true, atol=0.01)
    np.testing.assert_array_equal(rounded.timesteps, np.round(true))
    told = parity.SCHEDULE.timestep_to_sigma(rounded.timesteps.numpy())
    assert np.abs(told / exact.sigmas[:-1].numpy() - 1).max() > 1e-3


def test_eulers_karras_range_is_that_of_its_spaced_timesteps():
    """Ours and DPM++ span the schedule; Euler with leading spacing starts below its top."""
    euler = make("EulerDiscreteScheduler", "karras", 20, {"timestep_spacing": "leading"})
    dpmpp = make("DPMSolverMultistepScheduler", "karras", 20, {"timestep_spacing": "leading"})
    assert float(dpmpp.sigmas[0]) == pytest.approx(parity.sigmas_of("karras", 20)[0], rel=1e-5)
    assert float(euler.sigmas[0]) == pytest.approx(11.03, abs=0.01)


def test_bh1_of_diffusers_unipc_is_nan_at_sigma_0():
    """Its B(h) = -h is infinite there and is multiplied by no correction at all: inf * 0."""
    scheduler = make("UniPCMultistepScheduler", "trailing", 10, {"solver_type": "bh1"})
    end, levels = theirs(scheduler, 10)
    assert end.isnan().all()
    assert ours("unipc", scheduler, levels, None, {"variant": "bh1"}).isfinite().all()


def test_karras_with_sigma_min_repeats_its_last_sigma_and_is_nan():
    options = {**ORDER_3, **AT_SIGMA_MIN}
    scheduler = make("UniPCMultistepScheduler", "karras", 10, options)
    assert scheduler.sigmas[-1] == scheduler.sigmas[-2]
    assert theirs(scheduler, 10)[0].isnan().all()


def test_the_third_order_sde_step_of_diffusers_has_a_sign_of_its_own():
    """Its weight of the curvature is -phi_2 / g - 1/2, where k-diffusion's is -phi_2 / g + 1/2.

    The latter falls to 0 with the step, as the weight of a curvature must; the former to -1. So
    the distance to ours does not fall below a part of the curvature itself.
    """
    options = {**SDE, "solver_order": 3}
    apart = distance(
        "dpmpp_3m_sde",
        "DPMSolverMultistepScheduler",
        "exponential",
        20,
        Fresh(generator()),
        theirs_options=options,
    )
    assert apart > 1e-3
    for g in (0.1, 0.01):
        phi_2 = math.expm1(-g) / g + 1
        assert abs(-phi_2 / g + 0.5) < g
        assert -phi_2 / g - 0.5 == pytest.approx(-1, abs=g)


def test_euler_with_trailing_starts_from_sigma_max_times_the_noise():
    """Ours starts from sqrt(1 + sigma_max^2), so that the network first sees the noise itself."""
    trailing = make("EulerDiscreteScheduler", "trailing", 10, {})
    assert float(trailing.init_noise_sigma) == pytest.approx(float(trailing.sigmas[0]))
    leading = make("EulerDiscreteScheduler", "leading", 10, {})
    assert float(leading.init_noise_sigma) == pytest.approx(math.hypot(1, leading.sigmas[0]))
