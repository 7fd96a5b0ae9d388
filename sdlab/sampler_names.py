"""AUTOMATIC1111's and ComfyUI's names of samplers, translated to a solver and a curve.

There a name often means both ("DPM++ 2M Karras"); here they are two choices. The names are compared
without case, spaces and marks, so that ComfyUI's ``dpmpp_2m_sde_gpu`` and InvokeAI's ``k_euler_a``
are found as well. ``unknown_solver`` is the message for a name that no solver has.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from sdlab.errors import unknown

# The menu of AUTOMATIC1111; ComfyUI has the same samplers under names in Python's style.
WEB_UIS = (
    "Euler",
    "Euler a",
    "LMS",
    "LMS Karras",
    "Heun",
    "DPM2",
    "DPM2 Karras",
    "DPM2 a Karras",
    "DPM++ 2S a Karras",
    "DPM++ 2M",
    "DPM++ 2M Karras",
    "DPM++ SDE Karras",
    "DPM++ 2M SDE Karras",
    "DPM++ 2M SDE Exponential",
    "DPM++ 3M SDE Exponential",
    "DDIM",
    "PLMS",
    "UniPC",
)

# k-diffusion's samplers, which follow its own spacing of timesteps if the name has no curve.
_OF_K_DIFFUSION = {
    "euler": "euler",
    "eulera": "euler_ancestral",
    "lms": "lms",
    "heun": "heun",
    "dpm2": "dpm_2",
    "dpm2a": "dpm_2_ancestral",
    "dpmpp": "dpmpp_2m",
    "dpmpp2m": "dpmpp_2m",
    "dpmpp2msde": "dpmpp_2m_sde",
    "dpmpp2sa": "dpmpp_2s_ancestral",
    "dpmpp3msde": "dpmpp_3m_sde",
    "dpmppsde": "dpmpp_sde",
}
# The others have their own spacing there; here they follow the model's scheduler config.
_OTHERS = {
    "ddim": "ddim",
    "ddpm": "ddpm",
    "deis": "deis",
    "lcm": "lcm",
    "plms": "plms",
    "pndm": "plms",
    "unipc": "unipc",
    "unipcbh2": "unipc",
}
_CURVES = {
    "karras": "karras",
    "exponential": "exponential",
    "polyexponential": "polyexponential",
    "sgmuniform": "sgm_uniform",
    "ddimuniform": "leading",
    "uniform": "linspace",
    "normal": "linspace",
    "simple": "trailing",
    "beta": "beta",
    "alignyoursteps": "ays_sd15",
    "ays": "ays_sd15",
    "automatic": "",
}
# Samplers of those programs that sdlab does not have.
_ABSENT = {
    "ddimcfgpp",
    "dpmadaptive",
    "dpmfast",
    "dpmpp2msdeheun",
    "eulercfgpp",
    "euleracfgpp",
    "gradientestimation",
    "heunpp2",
    "ipndm",
    "ipndmv",
    "resmultistep",
    "restart",
}


class Everyday(NamedTuple):
    """What a web UI's name of a sampler means here: a solver, and a curve or None for any."""

    solver: str
    curve: str | None


def everyday(name: str) -> Everyday | None:
    """Return what a web UI's name of a sampler means here, or None if it is none of them."""
    plain = _plain(name)
    for ending in sorted(["", *_CURVES], key=len, reverse=True):
        sampler, curve = plain.removesuffix(ending), _CURVES.get(ending) or None
        if not plain.endswith(ending):
            continue
        if sampler in _OF_K_DIFFUSION:
            return Everyday(_OF_K_DIFFUSION[sampler], curve or "linspace")
        if sampler in _OTHERS:
            return Everyday(_OTHERS[sampler], curve or ("lcm" if sampler == "lcm" else None))
    return None


def unknown_solver(name: str, allowed: Iterable[str]) -> str:
    """Return the message for an unknown solver; a web UI's name is translated."""
    found = everyday(name)
    if found is None:
        absent = "The laboratory has no counterpart of it." if _plain(name) in _ABSENT else ""
        return unknown("solver", name, allowed, hint=absent)
    over = f" with curve {found.curve!r}" if found.curve else ""
    return unknown("solver", name, allowed, hint=f"Here that is solver {found.solver!r}{over}.")


def _plain(name: str) -> str:
    """Return a name without case, spaces and marks, its usual longer forms shortened."""
    text = name.lower().replace("++", "pp").replace("ancestral", "a")
    plain = re.sub(r"[^a-z0-9]", "", text).removesuffix("gpu").removeprefix("sample")
    plain = plain.replace("dpmsolver", "dpm")
    return (
        plain.removeprefix("k") if plain.startswith(("keuler", "kdpm", "klms", "kheun")) else plain
    )
