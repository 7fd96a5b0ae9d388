"""All charts of a run in groups, each with the line that says what is seen and why it is so."""

from collections.abc import Callable
from typing import NamedTuple

import altair as alt
import pandas as pd

from dashboard.charts import guidance, latents, noise, path, seen_in_run, timing

NO_GUIDANCE = (
    "There is no unconditional half to compare with: guidance is off (scale 1 or less), the model "
    "takes its scale as an input, or the halves could not be told apart."
)


class Group(NamedTuple):
    """Charts that belong together.

    Attributes:
        charts: Of each what makes it, and what is seen in it.
        why: The theory.
        equations: Its equations in LaTeX.
        lacks: Why some are missing; "" if none is.
    """

    charts: tuple[tuple[Callable[[], alt.LayerChart], str], ...]
    why: str
    equations: tuple[str, ...]
    lacks: str = ""


def groups(
    steps: pd.DataFrame, channels: pd.DataFrame, axis: str, tensor: str, color: str
) -> dict[str, Group]:
    """Return the charts of a run by the names of their groups.

    Args:
        steps: The run's ``steps``.
        channels: Its ``channels``; empty if no statistics were recorded, which leaves noise and
            time.
        axis: One of ``charts.base.FLOW_AXES``.
        tensor: Of which the latents' statistics are: one of ``charts.latents.TENSORS``.
        color: The solver's.
    """
    found = {"Noise and time": _noise_and_time(steps, axis, color)}
    if channels.empty:
        return found
    return {
        **found,
        "Latents": _latents(channels, axis, tensor),
        "Guidance": _guidance(steps, axis),
        "Path": Group(
            (
                (lambda: path.displacement(steps, axis), seen_in_run.MOVED),
                (lambda: path.angle(steps, axis), seen_in_run.TURNED),
            ),
            seen_in_run.WHY_PATH,
            seen_in_run.PATH,
        ),
    }


def _noise_and_time(steps: pd.DataFrame, axis: str, color: str) -> Group:
    return Group(
        (
            (lambda: noise.sigma(steps, axis, color), seen_in_run.noise_level(steps["sigma"])),
            (lambda: noise.log_snr(steps, axis, color), seen_in_run.LOG_SNR),
            (lambda: timing.evaluation_ms(steps, axis), seen_in_run.pace(steps["ms"])),
        ),
        seen_in_run.WHY_NOISE,
        seen_in_run.NOISE,
    )


def _latents(channels: pd.DataFrame, axis: str, tensor: str) -> Group:
    return Group(
        (
            (lambda: latents.mean(channels, axis, tensor), seen_in_run.MEAN[tensor]),
            (lambda: latents.std(channels, axis, tensor), seen_in_run.SPREAD[tensor]),
            (lambda: latents.span(channels, axis, tensor), seen_in_run.RANGE),
        ),
        seen_in_run.WHY_LATENTS,
        seen_in_run.LATENTS,
    )


def _guidance(steps: pd.DataFrame, axis: str) -> Group:
    guided = bool(steps["eps_uncond_norm"].notna().any())
    halves = (
        (lambda: guidance.guidance_norm(steps, axis), seen_in_run.PUSH),
        (lambda: guidance.cosine(steps, axis), seen_in_run.COSINE),
    )
    return Group(
        (
            (lambda: guidance.eps_norms(steps, axis), seen_in_run.NORMS[guided]),
            *(halves if guided else ()),
        ),
        seen_in_run.WHY_GUIDANCE,
        (seen_in_run.GUIDANCE,),
        "" if guided else NO_GUIDANCE,
    )
