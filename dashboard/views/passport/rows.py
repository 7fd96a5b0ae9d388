"""The lines of the Schedule passport page: a program and a scheduler each, made into passports."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from sdlab.passports.passport import Passport

SAMPLERS = (
    "euler", "euler_ancestral", "heun", "lms", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral",
    "dpmpp_sde", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "lcm",
)  # fmt: skip
"""Samplers that ComfyUI, AUTOMATIC1111, Forge and k-diffusion all have."""
LEAST_DENOISE = 0.001
SIZED = ("flux-dev", "qwen-image", "z-image")
"""Models whose shift goes by the picture's size in one program or another."""
_CURVED = ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler")
_FIRST = (
    "ComfyUI: karras",
    "AUTOMATIC1111: karras",
    "InvokeAI: euler_k",
    "diffusers: EulerDiscreteScheduler karras",
    "diffusers: DPMSolverMultistepScheduler karras",
)
_FIRST_FLOW = (
    "ComfyUI: simple",
    "ComfyUI: beta",
    "InvokeAI: euler",
    "diffusers: FlowMatchEulerDiscreteScheduler",
    "diffusers: UniPCMultistepScheduler",
)
_FIRST_EDM = (
    "ComfyUI: karras",
    "k-diffusion: get_sigmas_karras",
    "diffusers: EDMDPMSolverMultistepScheduler",
)


def titles() -> dict[str, str]:
    """Return each engine's name by its title."""
    from sdlab.passports.passport import ENGINES, engine_named

    return {engine_named(name).title: name for name in ENGINES}


def offered(preset: Any) -> list[str]:
    """Return every line that there is for a model: "ComfyUI: karras", engine by engine."""
    from sdlab.passports.passport import schedulers_of

    found = []
    for title, name in titles().items():
        for scheduler in schedulers_of(name, preset):
            found.append(f"{title}: {scheduler}")
            if scheduler in _CURVED and preset.kind == "discrete":
                curves = ("karras", "exponential", "beta")
                found += [f"{title}: {scheduler} {curve}" for curve in curves]
    return found


def first_rows(preset: Any, offers: list[str]) -> list[str]:
    """Return what is drawn before anybody chooses: usual settings that are taken for the same."""
    wanted = {"edm": _FIRST_EDM, "discrete": _FIRST}.get(preset.kind, _FIRST_FLOW)
    return [row for row in wanted if row in offers]


def options_for(engine: str, sampler: str, size: tuple[int, int] | None) -> dict[str, Any]:
    """Return an engine's further settings of what the page's fields say."""
    options: dict[str, Any] = {}
    if engine not in ("diffusers", "invokeai") and sampler != SAMPLERS[0]:
        options["sampler"] = sampler
    if engine in ("diffusers", "invokeai") and size is not None:
        options |= {"width": size[0], "height": size[1]}
    return options


def made(
    rows: list[str], preset: Any, steps: int, denoise: float, sampler: str, size: Any
) -> tuple[dict[str, "Passport"], dict[str, str]]:
    """Return the passport of each line, and why the others have none."""
    names, done, refused = titles(), {}, {}
    for row in rows:
        title, _, scheduler = row.partition(": ")
        options = options_for(names[title], sampler, size)
        try:
            done[row] = _passport(names[title], preset, scheduler, steps, denoise, options)
        except (ValueError, SdlabError) as error:
            refused[row] = str(error)
    return done, refused


def preset_key(preset: Any) -> str:
    """Return what two models share only if their noise is the same."""
    return f"{preset!r} {sorted(preset.config.items(), key=str)}"


@st.cache_data(
    max_entries=512, show_spinner=False, hash_funcs={"sdlab.passports.presets.Preset": preset_key}
)
def _passport(
    engine: str, preset: Any, scheduler: str, steps: int, denoise: float, options: dict[str, Any]
) -> "Passport":
    from sdlab.passports.passport import passport

    return passport(engine, preset, scheduler, steps, denoise, **options)


def levels_table(passports: Mapping[str, "Passport"]) -> pd.DataFrame:
    """Return every level of every line, as the chart of schedules takes them.

    Returns:
        Columns ``series``, ``step``, ``at``, ``nfe``, ``timestep``, ``sigma`` (noise over signal),
        ``log_snr``, ``alpha_bar``; of flow matching also ``flow_time``.
    """
    parts = []
    for row, one in passports.items():
        sigma = np.array(one.noise_to_signal())
        step = np.arange(len(sigma))
        with np.errstate(divide="ignore"):
            log_snr = -2.0 * np.log(sigma)
        part = pd.DataFrame(
            {
                "series": row,
                "step": step,
                "at": step.astype(float),
                "nfe": step * one.evaluations / max(one.steps, 1),
                "timestep": [*one.timesteps, np.nan],
                "sigma": sigma,
                "log_snr": log_snr,
                "alpha_bar": 1.0 / (1.0 + sigma**2),
            }
        )
        parts.append(part.assign(flow_time=one.sigmas) if one.path == "flow" else part)
    return pd.concat(parts, ignore_index=True)


def summary_table(passports: Mapping[str, "Passport"]) -> pd.DataFrame:
    """Return one row a line: what runs, where it starts, and how far it is from the first line."""
    from sdlab.passports.comparing import compare

    first = next(iter(passports.values()))
    rows = []
    for row, one in passports.items():
        found = compare(first, one)
        rows.append(
            {
                "line": row,
                "steps": one.steps,
                "evaluations": one.evaluations,
                "first": one.sigmas[0],
                "last": one.sigmas[-1],
                "start noise": one.noise_scale,
                "same as first": found.same,
                "largest difference": 0.0 if one is first else found.distance,
            }
        )
    return pd.DataFrame(rows)


def sigmas_table(passports: Mapping[str, "Passport"]) -> pd.DataFrame:
    """Return the sigmas side by side, a column each line; empty where one has fewer steps."""
    count = max(len(one.sigmas) for one in passports.values())
    columns = {
        row: [*one.sigmas, *[np.nan] * (count - len(one.sigmas))] for row, one in passports.items()
    }
    return pd.DataFrame({"step": range(count), **columns})
