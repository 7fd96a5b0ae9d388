"""Which colour a scheduler has, on every page and in every session.

A colour follows from the name alone, never from what else is on the chart, so it stays when a
filter removes a neighbour. The names that the laboratory ships and those diffusers 0.42 has own
one colour each; any other name (a user's solver, a newer scheduler) gets the one its hash picks.
"""

import zlib

PALETTE = (
    "#6667ff", "#d25200", "#00948e", "#c33dbd", "#997e00",
    "#0089ca", "#e62b34", "#009c23", "#a050e6", "#0091a3",
    "#ad8cff", "#ed8800", "#00bacd", "#ff5fbc", "#a6ae00",
    "#69a5fe", "#ff7535", "#00c387", "#e36bf2", "#03b4e9",
    "#613dd7", "#9d4700", "#007277", "#ab008b", "#6f6500",
    "#0065b4", "#ba1300", "#00783d", "#8e23b8", "#006f88",
)  # fmt: skip

OWNERS = (
    "euler",
    "heun",
    "ddim",
    "dpmpp_2m",
    "euler_ancestral",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "DDPMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverSDEScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "SASolverScheduler",
    "EDMEulerScheduler",
    "EDMDPMSolverMultistepScheduler",
    "CosineDPMSolverMultistepScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "DDIMParallelScheduler",
    "DDPMParallelScheduler",
    "IPNDMScheduler",
)


def scheduler_color(name: str) -> str:
    """Return the hex colour of a solver or scheduler; the same name always has the same."""
    slot = OWNERS.index(name) if name in OWNERS else zlib.crc32(name.encode())
    return PALETTE[slot % len(PALETTE)]
