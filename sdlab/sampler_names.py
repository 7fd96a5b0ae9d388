"""AUTOMATIC1111's and ComfyUI's names of samplers, translated to a solver and a curve.

There a name often means both ("DPM++ 2M Karras"); here they are two choices. ``NAMES`` are those
that may be given in the place of a solver, as they are written there. In messages any spelling is
found, without case, spaces and marks, so that ComfyUI's ``dpmpp_2m_sde_gpu`` and InvokeAI's
``k_euler_a`` are known as well. ``unknown_solver`` is the message for a name that no solver has.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

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
    "ersde": "er_sde",
    "gradientestimation": "gradient_estimation",
    "heunpp2": "heunpp2",
    "ipndm": "ipndm",
    "ipndmv": "ipndm_v",
    "res2s": "res_2s",
    "res3s": "res_3s",
    "resmultistep": "res_multistep",
    "restart": "restart",
    "sasolver": "sa_solver",
    "sasolverpece": "sa_solver_pece",
    "seeds2": "seeds_2",
    "seeds3": "seeds_3",
}
_USUAL = {"restart": "karras"}
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
    "simple": "simple",
    "beta": "beta",
    "beta57": "beta57",
    "bongtangent": "bong_tangent",
    "kloptimal": "kl_optimal",
    "laplace": "laplace",
    "linearquadratic": "linear_quadratic",
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
}


OWN_STEPS = frozenset(_OTHERS.values())
"""Solvers that web UIs run over steps of the solver's own, not over a curve."""

# What a solver's own default is not, by the plain name: both programs take UniPC's order 3.
_OPTIONS = {
    "unipc": {"order": 3, "variant": "bh1"},
    "unipcbh2": {"order": 3, "variant": "bh2"},
}


class Everyday(NamedTuple):
    """What a web UI's name of a sampler means here.

    Attributes:
        solver: A solver of sdlab.
        curve: How sigma falls; None for the model's own spacing.
        options: Of the solver, where they are not its defaults.
        settled: Whether the name itself says the curve, as "DPM++ 2M Karras" does; else it is what
            the program takes by default.
    """

    solver: str
    curve: str | None
    options: Mapping[str, Any] = MappingProxyType({})
    settled: bool = False


def everyday(name: str) -> Everyday | None:
    """Return what a web UI's name of a sampler means here, or None if it is none of them."""
    plain = _plain(name)
    for ending in sorted(["", *_CURVES], key=len, reverse=True):
        sampler, curve = plain.removesuffix(ending), _CURVES.get(ending) or None
        if not plain.endswith(ending):
            continue
        options = MappingProxyType(_OPTIONS.get(sampler, {}))
        if sampler in _OF_K_DIFFUSION:
            found = _OF_K_DIFFUSION[sampler]
            usual = _USUAL.get(sampler, "linspace")
            return Everyday(found, curve or usual, options, curve is not None)
        if sampler in _OTHERS:
            own = "lcm" if sampler == "lcm" else None
            return Everyday(_OTHERS[sampler], curve or own, options, curve is not None)
    return None


def translated(
    solver: str, curve: str | None, options: Mapping[str, Any]
) -> tuple[str, str | None, dict[str, Any]]:
    """Return solver, curve and solver options; the solver may be given as one of ``NAMES``.

    Raises:
        ValueError: If that name says another curve than the one given.
    """
    found = NAMES.get(solver)
    if found is None:
        return solver, curve, dict(options)
    if found.settled and curve not in (None, found.curve):
        raise ValueError(
            f"{solver!r} is solver {found.solver!r} with curve {found.curve!r}, got curve"
            f" {curve!r}; name the solver to choose another curve."
        )
    return found.solver, curve or found.curve, {**found.options, **options}


_MADE_OF = {
    "dpmv3": (
        "It is made of a model's statistics: `sdlab statistics PROMPT --out FOLDER` measures them"
        " and writes it, then name the FOLDER by `sdlab --solvers` or SDLAB_SOLVERS."
    )
}


def unknown_solver(name: str, allowed: Iterable[str]) -> str:
    """Return the message for an unknown solver; a web UI's name is translated."""
    found = everyday(name)
    if found is None:
        absent = "The laboratory has no counterpart of it." if _plain(name) in _ABSENT else ""
        return unknown("solver", name, allowed, hint=_MADE_OF.get(_plain(name), absent))
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


NAMES: Mapping[str, Everyday] = MappingProxyType(
    {
        name: found
        for name in (
            "DPM++ 2M Karras",
            "DPM++ SDE Karras",
            "DPM++ 2M SDE Karras",
            "DPM++ 2M SDE Exponential",
            "DPM++ 3M SDE Karras",
            "DPM++ 3M SDE Exponential",
            "DPM++ 2S a Karras",
            "Euler a",
            "Euler",
            "DDIM",
            "UniPC",
            "LMS",
            "Heun",
            "DPM2",
            "DPM2 a",
            "DPM++ 2S a",
            "DPM++ 2M",
            "DPM++ SDE",
            "DPM++ 2M SDE",
            "DPM++ 3M SDE",
            "LMS Karras",
            "DPM2 Karras",
            "DPM2 a Karras",
            "PLMS",
            "LCM",
        )
        if (found := everyday(name)) is not None
    }
)
"""The names that may be given in the place of a solver, in the order of menus."""


def titled_row(text: str) -> str:
    """Return a sampler as it is written in lists, with what web UIs call it before that.

    "dpmpp_2m + karras" is "DPM++ 2M Karras (dpmpp_2m + karras)"; a row with options, or one that
    they have no name for, stays as it is.
    """
    solver, _, curve = text.partition(" + ")
    if not curve:
        return titled(text)
    said = (n for n, found in NAMES.items() if found.settled and found[:2] == (solver, curve))
    name = next(said, "")
    return f"{name} ({text})" if name else text


def titled(solver: str) -> str:
    """Return a solver's name for headings and lists, with what web UIs call it before its own.

    "dpmpp_2m" is "DPM++ 2M (dpmpp_2m)"; what they have no name for, or the same, stays as it is.
    """
    name = web_ui_name(solver)
    return f"{name} ({solver})" if name.casefold() != solver.casefold() else solver


def short_names(labels: Iterable[str]) -> dict[str, str]:
    """Return what charts and tiles call each label.

    That is what web UIs call it with our name behind; diffusers' classes lose their long endings.
    """
    labels = list(labels)
    short = [titled(re.sub(r"(Discrete)?Scheduler\b", "", label)) for label in labels]
    pairs = zip(labels, short, strict=True)
    return {label: one if short.count(one) == 1 else label for label, one in pairs}


def web_ui_name(solver: str) -> str:
    """Return what web UIs call a solver, "DPM++ 2M"; its own name if they have none for it."""
    return next((name for name, found in NAMES.items() if _is_plain(found, solver)), solver)


def _is_plain(found: Everyday, solver: str) -> bool:
    return found.solver == solver and not found.settled
