"""The colour of each scheduler, the same on every page and in every session.

A colour follows from the name alone, never from what else is on the chart, so it stays when a
filter removes a neighbour. The names of the first version and those of diffusers 0.42 that fit
Stable Diffusion have one chosen colour each; any other name (a new solver, a plug-in, a newer
scheduler) has one derived from its hash, of the same luminance as theirs. No name needs adding.
"""

import colorsys
import zlib

PALETTE = (
    "#6667ff", "#d25200", "#00948e", "#c33dbd", "#997e00",
    "#0089ca", "#e62b34", "#009c23", "#a050e6", "#0091a3",
    "#ad8cff", "#ed8800", "#00bacd", "#ff5fbc", "#a6ae00",
    "#69a5fe", "#ff7535", "#00c387", "#e36bf2", "#03b4e9",
    "#613dd7", "#9d4700", "#007277", "#ab008b", "#6f6500",
    "#0065b4", "#ba1300", "#00783d", "#8e23b8", "#006f88",
    "#6d709d", "#96684f", "#3c8180", "#8e6586", "#7f7544",
    "#50799b", "#99655d",
)  # fmt: skip

OWNERS = (
    "euler",
    "heun",
    "ddim",
    "dpmpp_2m",
    "euler_ancestral",
    "lms",
    "ddpm",
    "dpm_2",
    "dpmpp_2m_sde",
    "dpm_2_ancestral",
    "dpmpp_2s_ancestral",
    "edm_stochastic",
    "lcm",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "LMSDiscreteScheduler",
    "DDPMScheduler",
    "KDPM2DiscreteScheduler",
    "DPMSolverSDEScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSinglestepScheduler",
    "PNDMScheduler",
    "LCMScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "DDIMParallelScheduler",
    "DDPMParallelScheduler",
    "deis",
    "unipc",
    "plms",
    "dpmpp_sde",
    "dpmpp_3m_sde",
)


def scheduler_color(name: str) -> str:
    """Return the hex colour of a solver or scheduler; the same name always has the same."""
    if name in OWNERS:
        return PALETTE[OWNERS.index(name)]
    return _derived(zlib.crc32(name.encode()))


def _derived(number: int) -> str:
    """Return a colour of a hue, saturation and luminance that a number picks.

    Relative luminances from 0.18 to 0.24 contrast with white and with the dark background at
    least 3.6 to 1.
    """
    hue, rest = (number % 360) / 360, number // 360
    saturation, wanted = 0.45 + 0.45 * (rest % 4) / 3, 0.18 + 0.06 * (rest // 4 % 3) / 2
    low, high = 0.0, 1.0
    for _ in range(20):  # luminance rises with lightness
        middle = (low + high) / 2
        below = luminance(colorsys.hls_to_rgb(hue, middle, saturation)) < wanted
        low, high = (middle, high) if below else (low, middle)
    return "#" + "".join(f"{round(255 * c):02x}" for c in colorsys.hls_to_rgb(hue, low, saturation))


def luminance(rgb: tuple[float, ...]) -> float:
    """Return the relative luminance (WCAG 2, 0 to 1) of sRGB values from 0 to 1."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
