"""AUTOMATIC1111's samplers of timesteps, beside their loops written down anew."""

import numpy as np
import pytest

from sdlab.passports.levels import betas
from sdlab.passports.passport import passport
from sdlab.passports.presets import PRESETS

SIGMAS = betas(PRESETS["sd15"], single=True)


def told(steps, t_enc=None):
    """The timesteps at which ``ddim`` of the web UI calls the network, and where it ends."""
    timesteps = [min(t + 1, 999) for t in range(0, 1000, 1000 // steps)]
    timesteps = timesteps if t_enc is None else timesteps[:t_enc]
    called = [timesteps[len(timesteps) - 1 - i] for i in range(len(timesteps) - 1)]
    return called, timesteps[0]


@pytest.mark.parametrize("steps", [2, 7, 20, 30, 999])
def test_ddim_and_plms_go_by_whole_strides(steps):
    called, end = told(steps)
    for sampler, more in (("DDIM", 0), ("plms", 1)):
        made = passport("a1111", "sd15", None, steps, sampler=sampler)
        assert list(made.timesteps) == called and made.evaluations == len(called) + more
        np.testing.assert_allclose(made.sigmas, SIGMAS[[*called, end]], rtol=1e-9)
        assert made.noise_scale == pytest.approx(np.hypot(1.0, SIGMAS[called[0]]))
        assert any("ends" in note or "end at 0" in note for note in made.notes)
        assert any("no figures" in note for note in made.notes)


def test_a_changed_picture_starts_a_stride_above_its_first_step():
    made = passport("a1111", "sd15", "karras", 20, 0.5, sampler="DDIM")
    called, end = told(20, t_enc=10)
    assert list(made.timesteps) == called and called[0] == 451
    assert made.noise_scale == pytest.approx(SIGMAS[501])
    fixed = passport("a1111", "sd15", None, 20, 0.5, sampler="DDIM", img2img_fix_steps=True)
    assert list(fixed.timesteps) == told(40, t_enc=19)[0]


def test_unipcs_times_are_even_from_the_last_timestep_to_the_first():
    made = passport("a1111", "sd15", None, 20, sampler="UniPC")
    np.testing.assert_allclose(made.timesteps, 999 * (1 - np.arange(20) / 20))
    assert made.evaluations == 20 and made.sigmas[0] == pytest.approx(SIGMAS[-1])
    assert made.sigmas[-1] == pytest.approx(SIGMAS[0])
    low, high = SIGMAS[[949, 950]]  # timestep 949.05
    assert low < made.sigmas[1] < high
    log_alpha = np.interp(949.05, np.arange(1000), -0.5 * np.log1p(SIGMAS**2))
    assert made.sigmas[1] == pytest.approx(np.sqrt(1 / np.exp(2 * log_alpha) - 1))


@pytest.mark.parametrize(
    ("sampler", "steps", "denoise", "message"),
    [
        ("DDIM", 1, 1.0, "runs no step of these"),
        ("PLMS", 20, 0.05, "runs no step of these"),
        ("UniPC", 2, 1.0, "at least 3 steps"),
    ],
)
def test_what_it_cannot_run_is_told(sampler, steps, denoise, message):
    with pytest.raises(ValueError, match=message):
        passport("a1111", "sd15", None, steps, denoise, sampler=sampler)
