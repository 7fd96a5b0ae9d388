"""Which colour a scheduler has, on every page and in every session.

A colour follows from the name alone, never from what else is on the chart, so it stays when a
filter removes a neighbour. The names that the laboratory ships and those of diffusers 0.42 that fit
Stable Diffusion own one colour each; any other name (a user's solver, a newer scheduler) gets the
one that its hash picks among those that nobody owns.
"""

import zlib

PALETTE = (
    "#6667ff", "#d25200", "#00948e", "#c33dbd", "#997e00",
    "#0089ca", "#e62b34", "#009c23", "#a050e6", "#0091a3",
    "#ad8cff", "#ed8800", "#00bacd", "#ff5fbc", "#a6ae00",
    "#69a5fe", "#ff7535", "#00c387", "#e36bf2", "#03b4e9",
    "#613dd7", "#9d4700", "#007277", "#ab008b", "#6f6500",
    "#0065b4", "#ba1300", "#00783d", "#8e23b8", "#006f88",
    "#6d709d", "#96684f", "#3c8180", "#8e6586", "#7f7544",
    "#50799b", "#99655d", "#57805e", "#806994", "#3e7f8e",
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
    free = PALETTE[len(OWNERS) :]
    return free[zlib.crc32(name.encode()) % len(free)]
