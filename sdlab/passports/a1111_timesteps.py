"""The samplers of AUTOMATIC1111's web UI that lay out timesteps of their own: DDIM, PLMS, UniPC.

Read in ``modules/sd_samplers_timesteps.py`` and ``sd_samplers_timesteps_impl.py`` of version 1.10,
and in the UniPC that it ships. Whatever schedule type is chosen counts for nothing with them. DDIM
and PLMS go by whole strides of the 1000 timesteps, each moved up by one, and end at the lowest of
these, not at 0; UniPC's times are even between 1 and 1/1000, where its last prediction is made from
the time before. No figures that the web UI itself gave are at hand for these three.
"""

from typing import NamedTuple

import numpy as np

from sdlab.noise.schedule import Array
from sdlab.passports.asked import Asked, Laid

SOURCE = "AUTOMATIC1111 web UI 1.10, modules/sd_samplers_timesteps.py and _impl.py"
NAMES = ("DDIM", "PLMS", "UniPC")
FURTHER_CALLS = {"PLMS": 1}
"""PLMS calls the network twice in its first step."""
LEAST_STEPS = 3
"""Of UniPC, whose order is 3."""
TOLD = "It is read from the web UI's code; no figures of the program itself were compared."


class _Way(NamedTuple):
    """Timesteps that are gone through, descending, and the one whose noise the start has."""

    timesteps: Array
    start: float


def own_sampler(name: str) -> str:
    """Return one of ``NAMES`` that a sampler's name means, in any case; "" for none."""
    return next((one for one in NAMES if one.lower() == name.lower()), "")


def lay(asked: Asked, sigmas: Array, sampler: str, whole: int, count: int) -> Laid:
    """Return what one of these samplers runs.

    Args:
        asked: What is asked for.
        sigmas: Of the 1000 timesteps, ascending.
        sampler: One of ``NAMES``.
        whole: Steps that are laid out.
        count: Strides of these that a picture's change goes through.

    Raises:
        ValueError: If there are too few steps for it.
    """
    strides = np.clip(np.arange(0, 1000, 1000 // min(whole, 1000)) + 1, 0, 999).astype(float)
    way = (_unipc if sampler == "UniPC" else _ddim)(asked, strides, count)
    if len(way.timesteps) < 2:
        raise ValueError(f"{sampler} of AUTOMATIC1111 runs no step of these; ask for more.")
    levels = _between(sigmas, way.timesteps)
    start = float(_between(sigmas, np.array([way.start]))[0])
    run = len(levels) - 1
    return Laid(
        "automatic",
        levels.tolist(),
        way.timesteps[:-1].tolist(),
        run + FURTHER_CALLS.get(sampler, 0),
        start if asked.partial else float(np.hypot(1.0, start)),
        SOURCE,
        _notes(asked, sampler, levels, start, run),
    )


def _ddim(asked: Asked, strides: Array, count: int) -> _Way:
    """Return the strides from above; a picture's change starts at the noise of the stride above."""
    if not asked.partial:
        return _Way(strides[::-1], strides[-1])
    return _Way(strides[:count][::-1], strides[min(count, len(strides) - 1)])


def _unipc(asked: Asked, strides: Array, count: int) -> _Way:
    """Return UniPC's even times as timesteps, which are 1000 t - 1.

    Raises:
        ValueError: If there are fewer steps than its order.
    """
    kept = strides[:count] if asked.partial else strides
    if len(kept) < LEAST_STEPS:
        raise ValueError(f"UniPC of AUTOMATIC1111 takes at least {LEAST_STEPS} steps.")
    first = kept[-1] if asked.partial else 999.0
    start = strides[min(count, len(strides) - 1)] if asked.partial else first
    return _Way(np.linspace(first, 0.0, len(kept) + 1), start)


def _between(sigmas: Array, timesteps: Array) -> Array:
    """Return the levels of timesteps; between two of them ln alpha is linear, as UniPC has it."""
    log_alpha = -0.5 * np.log1p(sigmas**2)
    found: Array = np.interp(timesteps, np.arange(len(sigmas)), log_alpha)
    return np.sqrt(np.expm1(-2.0 * found))


def _notes(asked: Asked, sampler: str, levels: Array, start: float, run: int) -> list[str]:
    notes = [f"{sampler} lays out its own timesteps; a schedule type counts for nothing.", TOLD]
    if run != asked.num_steps:
        notes.append(f"{asked.num_steps} steps were asked for, and {run} run.")
    notes.append(f"It does not end at 0 but at {levels[-1]:.4g}: that noise stays.")
    if not np.isclose(start, levels[0], rtol=1e-6):
        notes.append(
            f"The start has the noise of {start:.4g}, its first step takes {levels[0]:.4g}."
        )
    return notes
