"""What parity is measured on: one small mixture, one start, the same noise for both sides."""

import torch

from sdlab.denoisers.mixture import Mixture
from sdlab.noise import NoiseSchedule, curves
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.solvers.randomness import Noise

SCHEDULE = NoiseSchedule.from_config(SD_CONFIG)
CURVES = ("karras", "exponential", "trailing")
STEPS = (5, 10, 20)
SEED = 11

# Our solver, k-diffusion's function, the options of each.
K_DIFFUSION = {
    "euler": ("sample_euler", {}, {}),
    "euler_ancestral": ("sample_euler_ancestral", {}, {}),
    "heun": ("sample_heun", {}, {}),
    "edm_stochastic": (
        "sample_heun",
        {},
        {"s_churn": 40.0, "s_tmin": 0.05, "s_tmax": 50.0, "s_noise": 1.003},
    ),
    "dpm_2": ("sample_dpm_2", {}, {}),
    "dpm_2_ancestral": ("sample_dpm_2_ancestral", {}, {}),
    "lms": ("sample_lms", {}, {}),
    "dpmpp_2s_ancestral": ("sample_dpmpp_2s_ancestral", {"eta": 0.7}, {"eta": 0.7}),
    "dpmpp_sde": ("sample_dpmpp_sde", {}, {}),
    "dpmpp_2m": ("sample_dpmpp_2m", {}, {}),
    "dpmpp_2m_sde": ("sample_dpmpp_2m_sde", {}, {}),
    "dpmpp_3m_sde": ("sample_dpmpp_3m_sde", {}, {}),
}


def mixture():
    """Three round Gaussians of unlike spread and weight in four dimensions, [1, 2, 2] each."""
    means = torch.tensor([[1.0, -0.5, 0.3, 0.8], [-1.2, 0.4, 0.9, -0.6], [0.2, 1.5, -1.0, 0.1]])
    return Mixture(
        means.double().view(3, 1, 2, 2),
        torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64),
        torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    )


def start():
    """Standard normal start noise, float64 [2, 1, 2, 2]."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(2, 1, 2, 2, generator=generator, dtype=torch.float64)


def noise():
    """The noise of either side: fresh draws in order, and one Brownian path a row."""
    return Noise(torch.Generator().manual_seed(SEED + 1))


def sigmas_of(curve, num_steps):
    """The sigmas of a curve over Stable Diffusion's range, float64 tuple."""
    return tuple(curves.make(curve, SCHEDULE, num_steps, {}).tolist())
