"""Curves fall strictly to zero and match diffusers, the papers' tables and closed forms."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from diffusers import DDIMScheduler, EulerDiscreteScheduler, LCMScheduler
from diffusers.schedulers.scheduling_utils import AysSchedules
from scipy.stats import beta as beta_distribution
from scipy.stats import laplace as laplace_distribution

from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.schedule import FlowTimes

SD = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
SCHEDULE = NoiseSchedule.from_config(SD)


@pytest.mark.parametrize("name", curves.names())
@pytest.mark.parametrize("num_steps", [1, 2, 10, 50])
def test_curves_fall_strictly_to_zero(name, num_steps):
    sigmas = curves.make(name, SCHEDULE, num_steps, {})
    assert len(sigmas) == num_steps + 1
    assert sigmas[-1] == 0.0
    assert (np.diff(sigmas) < 0).all()
    # Align Your Steps' tables are published with three digits: 14.615 for 14.6146.
    assert sigmas[0] <= SCHEDULE.sigma_max * (1 + (1e-4 if "ays" in name else 1e-12))


@pytest.mark.parametrize("spacing", curves.SPACINGS)
@pytest.mark.parametrize("num_steps", [7, 10, 30])
def test_spacings_match_diffusers(spacing, num_steps):
    cls = EulerDiscreteScheduler if spacing == "linspace" else DDIMScheduler
    scheduler = cls(**SD, timestep_spacing=spacing)
    scheduler.set_timesteps(num_steps)
    ours = curves.spaced_timesteps(spacing, num_steps, 1000, offset=1)
    np.testing.assert_allclose(ours, scheduler.timesteps.double().numpy(), atol=1e-4)


def test_karras_matches_diffusers():
    scheduler = EulerDiscreteScheduler(**SD, timestep_spacing="linspace", use_karras_sigmas=True)
    scheduler.set_timesteps(20)
    ours = curves.karras(20, float(scheduler.sigmas[-2]), float(scheduler.sigmas[0]))
    np.testing.assert_allclose(ours, scheduler.sigmas.double().numpy(), rtol=1e-5)


def test_exponential_is_even_in_log_sigma():
    steps = np.diff(np.log(curves.exponential(12, 0.03, 14.6)[:-1]))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-12)


def test_one_linspace_step_starts_at_the_noise():
    assert curves.spaced_timesteps("linspace", 1, 1000).tolist() == [999.0]


def euler(**options):
    scheduler = EulerDiscreteScheduler(**SD, timestep_spacing="linspace", **options)
    scheduler.set_timesteps(20)
    return scheduler.sigmas.double().numpy()


@pytest.mark.parametrize(
    ("name", "options", "flag"),
    [
        ("karras", {}, "use_karras_sigmas"),
        ("exponential", {}, "use_exponential_sigmas"),
        ("polyexponential", {"rho": 1.0}, "use_exponential_sigmas"),
        ("beta", {"over": "sigmas"}, "use_beta_sigmas"),
    ],
)
def test_curves_match_diffusers_flags(name, options, flag):
    ours = curves.make(name, SCHEDULE, 20, options)
    # alpha_bar is float32 there, which costs 1.3e-5 at the smallest sigma.
    np.testing.assert_allclose(ours, euler(**{flag: True}), rtol=2e-5)


@pytest.mark.parametrize("num_steps", [1, 4, 7, 50])
def test_lcm_matches_diffusers(num_steps):
    scheduler = LCMScheduler()
    scheduler.set_timesteps(num_steps)
    ours = SCHEDULE.sigma_to_timestep(curves.make("lcm", SCHEDULE, num_steps, {})[:-1])
    np.testing.assert_allclose(ours, scheduler.timesteps.numpy(), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "key"), [("ays_sd15", "StableDiffusion"), ("ays_sdxl", "StableDiffusionXL")]
)
def test_align_your_steps_matches_diffusers_tables(name, key):
    ours = curves.make(name, SCHEDULE, 10, {})
    np.testing.assert_allclose(ours, AysSchedules[f"{key}Sigmas"], rtol=1e-12)
    # The published timesteps are those of the sigmas, to the three digits of the table.
    steps = SCHEDULE.sigma_to_timestep(ours[:-1])
    np.testing.assert_allclose(steps, AysSchedules[f"{key}Timesteps"], atol=1.0)


def test_align_your_steps_at_twenty_steps_keeps_every_published_level():
    twenty = curves.make("ays_sd15", SCHEDULE, 20, {})
    ten = curves.make("ays_sd15", SCHEDULE, 10, {})
    np.testing.assert_allclose(twenty[::2], ten, rtol=1e-12)
    np.testing.assert_allclose(twenty[1:-2:2], np.sqrt(ten[:-2] * ten[1:-1]), rtol=1e-12)


def test_beta_visits_the_quantiles():
    ours = SCHEDULE.sigma_to_timestep(curves.make("beta", SCHEDULE, 12, {})[:-1])
    quantiles = 1 - np.arange(12) / 12
    reference = beta_distribution.ppf(quantiles, 0.6, 0.6) * 999
    np.testing.assert_allclose(ours, reference, atol=1e-6)


COMFYUI = [
    (name, steps, sigmas)
    for model, name, steps, denoise, drops, sigmas in json.loads(
        (Path(__file__).parents[1] / "passports" / "engine_sigmas.json").read_text()
    )["rows"]["comfyui"]
    if (model, denoise, drops) == ("sd15", 1.0, False) and name != "beta"  # whole timesteps there
]


@pytest.mark.parametrize(("name", "num_steps", "sigmas"), COMFYUI)
def test_curves_are_comfyuis_of_the_same_name(name, num_steps, sigmas):
    np.testing.assert_allclose(curves.make(name, SCHEDULE, num_steps, {}), sigmas, rtol=1e-5)


def test_what_comfyui_names_otherwise_is_found():
    names = {name for name, _, _ in COMFYUI}
    assert names >= {"simple", "kl_optimal", "linear_quadratic", *curves.ALIASES}
    for alias, name in curves.ALIASES.items():
        assert curves.find(alias) is curves.find(name) and alias not in curves.names()


def test_beta57_is_beta_with_its_two_shapes():
    beta = curves.make("beta", SCHEDULE, 12, {"alpha": 0.5, "beta": 0.7})
    np.testing.assert_array_equal(curves.make("beta57", SCHEDULE, 12, {}), beta)


def test_laplace_visits_the_quantiles():
    ours = curves.laplace(11, 0.03, 14.6, mu=0.3, beta=0.8)
    quantiles = laplace_distribution.ppf(np.linspace(1, 0, 11)[1:-1], 0.3, 0.8)
    inside = np.clip(np.exp(quantiles), 0.03, 14.6)
    np.testing.assert_allclose(ours[1:-2], inside, rtol=1e-4)  # 1e-5 keeps its ends finite
    assert (ours[0], ours[-2]) == (14.6, 0.03)


def test_bong_tangent_is_two_arctangents_that_meet_half_way():
    """For 10 steps from 1: 7 places of the first arctangent, 5 of the second, one shared."""
    ours = curves.bong_tangent(10, 1.0)
    upper = np.arctan(-0.2 / 0.3 * (np.arange(7) - 7))
    lower = np.arctan(-0.2 / 0.3 * np.arange(5))
    first = 0.5 + 0.5 * (upper - upper[-1]) / (upper[0] - upper[-1])
    second = 0.5 * (lower - lower[-1]) / (lower[0] - lower[-1])
    np.testing.assert_allclose(ours, [*first[:-1], *second], atol=1e-15)
    assert ours[6] == 0.5
    np.testing.assert_allclose(curves.bong_tangent(10, 14.6), 14.6 * ours)
    assert curves.make("bong_tangent", FlowTimes(), 10, {})[0] == 1.0


def test_sgm_uniform_leaves_one_stride_for_zero():
    ours = SCHEDULE.sigma_to_timestep(curves.make("sgm_uniform", SCHEDULE, 10, {})[:-1])
    np.testing.assert_allclose(ours, 999 - 99.9 * np.arange(10), atol=1e-9)


def test_vp_solves_for_the_range_and_takes_the_papers_betas():
    solved = curves.make("vp", SCHEDULE, 20, {})
    assert solved[0] == pytest.approx(SCHEDULE.sigma_max, rel=1e-9)
    assert solved[-2] == pytest.approx(SCHEDULE.sigma_min, rel=1e-9)
    paper = curves.vp(5, 0.1, 10.0, beta_d=19.9, beta_min=0.1)
    t = np.linspace(1, 1e-3, 5)
    np.testing.assert_allclose(paper[:-1], np.sqrt(np.exp(19.9 * t**2 / 2 + 0.1 * t) - 1))
    assert paper[0] == pytest.approx(152.2, abs=0.1)


def test_polyexponential_with_rho_above_one_hurries_through_high_noise():
    plain, hurried = (curves.polyexponential(10, 0.03, 14.6, rho) for rho in (1.0, 2.0))
    assert (hurried[1:-2] < plain[1:-2]).all()


def test_every_curve_is_described_with_its_source():
    for name, curve in curves.CURVES.items():
        assert curves.describe(name).endswith(".") and len(curve.source) > 7
    assert curves.CURVES["karras"].options == {"sigma_min": None, "sigma_max": None, "rho": 7.0}


def test_a_table_has_one_number_of_steps():
    assert curves.fixed_steps("sigmas", {"sigmas": (2.0, 1.0, 0.0)}) == 2
    assert curves.fixed_steps("karras", {}) is None


@pytest.mark.parametrize(
    ("name", "num_steps", "options", "message"),
    [
        ("vp", 5, {"beta_d": 19.9}, "beta_d and beta_min go together"),
        ("vp", 5, {"eps_s": 1.0}, "eps_s must be between 0 and 1, got 1.0"),
        ("vp", 5, {"beta_d": -1.0, "beta_min": 0.1}, "beta_d must be above 0"),
        ("polyexponential", 5, {"rho": -1.0}, "rho must be above 0"),
        ("polyexponential", 5, {"rho": 1e6}, "does not fall strictly"),
        ("lcm", 51, {}, "50 timesteps to choose from, got num_steps 51"),
        ("lcm", 5, {"original_inference_steps": 1001}, "from 1 to 1000.*got 1001"),
        ("lcm", 5, {"original_inference_steps": 9.5}, "must be a whole number, got 9.5"),
        ("beta", 5, {"alpha": 0.0}, "alpha must be above 0"),
        ("beta", 5, {"over": "steps"}, "Unknown value of over 'steps'"),
        ("beta", 5, {"over": 3}, "over of curve 'beta' must be text, got 3"),
        ("ays_sd15", 5, {"rho": 3}, "takes no options"),
        ("laplace", 5, {"beta": 0.0}, "beta must be above 0, got 0.0"),
        ("laplace", 1000, {}, "does not fall strictly"),
        ("linear_quadratic", 5, {"threshold": 1.0}, "threshold must be above 0 and below 1"),
        ("bong_tangent", 5, {"middle": 0.0}, "middle must be above 0 and below 1, got 0.0"),
        ("bong_tangent", 5, {"pivot": 0.99}, "pivot must leave both arctangents a step of 5"),
        ("bong_tangent", 5, {"slope": 0.0}, "slope must be above 0, got 0.0"),
        ("karas", 5, {}, "Unknown curve 'karas'. Did you mean 'karras'"),
        ("karras", 5, {"rh": 3}, "Unknown option of curve 'karras' 'rh'"),
        ("karras", 5, {"rho": "7"}, "rho of curve 'karras' must be a number, got '7'"),
        ("karras", 5, {"rho": 0.0}, "rho must be above 0, got 0.0"),
        ("karras", 5, {"sigma_min": 20.0}, "0 < sigma_min < sigma_max"),
        ("exponential", 5, {"sigma_min": -1.0}, "0 < sigma_min < sigma_max"),
        ("leading", 5, {"rho": 7.0}, "curve 'leading' takes no options"),
        ("leading", 1001, {}, "num_steps must be from 1 to 1000.*got 1001"),
        ("karras", 1001, {}, "num_steps must be from 1 to 1000.*got 1001"),
        ("exponential", 0, {}, "num_steps must be a whole number from 1 to 10000, got 0"),
        ("karras", 5, {"rho": 0.001}, "rho=0.001 does not fall strictly"),
        ("karras", 5, {"rho": 1e18}, "rho of curve 'karras' must be a number from -1e"),
        ("leading", 1000, {}, "asks for timestep 1000, beyond the schedule's last, 999"),
    ],
)
def test_bad_curves_are_refused(name, num_steps, options, message):
    with pytest.raises(ValueError, match=message):
        curves.make(name, SCHEDULE, num_steps, options)


def test_unknown_spacing_is_refused():
    with pytest.raises(ValueError, match="Unknown timestep spacing 'trailling'"):
        curves.spaced_timesteps("trailling", 5, 1000)


def test_a_curve_added_as_one_file_is_found(tmp_path):
    (tmp_path / "newcomer.py").write_text(
        "import numpy as np\n"
        "from sdlab.noise.curves.registry import curve\n\n\n"
        '@curve("newcomer", "Even angles of a cosine.", source="this test")\n'
        "def newcomer(num_steps, sigma_min, sigma_max):\n"
        "    turn = np.cos(np.linspace(0, np.pi / 2, num_steps + 1))\n"
        "    return np.append(sigma_max * turn[:-1], 0.0)\n"
    )
    code = (
        "from sdlab.discovery import import_registering\n"
        "from sdlab.noise import curves\n"
        "from sdlab.noise.curves import builtin, registry\n"
        f"builtin.__path__.append({str(tmp_path)!r})\n"
        "import_registering('sdlab.noise.curves.builtin', 'curve')\n"
        "registry.arrange()\n"
        "print(curves.names()[-1], list(curves.CURVES)[-3:], curves.newcomer(2, 0.1, 10.0)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["newcomer", "['formula',", "'sigmas',", "'points']", "10.0"]


def test_the_order_of_curves_is_that_of_menus():
    assert curves.names()[:3] == list(curves.SPACINGS)
    assert curves.OWN == ("formula", "sigmas", "points")


def test_a_curve_must_have_a_name_and_steps():
    with pytest.raises(ValueError, match="must be an identifier such as 'mine', got 'my curve'"):
        curves.curve("my curve", "About.", source="mine")
    with pytest.raises(ValueError, match="curve 'mine' must take num_steps"):
        curves.curve("mine", "About.", source="mine")(lambda sigma_max: [sigma_max, 0.0])
    assert "mine" not in curves.CURVES


def test_what_is_no_curve_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'carras'"):
        curves.carras  # noqa: B018


def test_a_curve_of_any_number_of_steps_is_refused_without_a_number():
    with pytest.raises(ValueError, match="At the first step: t 14.6 is above 1"):
        curves.check_curve("points", FlowTimes(), {"points": ((0.0, 14.6), (1.0, 0.05))})
