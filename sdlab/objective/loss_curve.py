"""The loss of a loaded model over the timesteps, and how much each timestep counts.

The variational bound weights the squared error of x0 at t by half of how much the signal-to-noise
ratio falls there, (SNR(t - 1) - SNR(t)) / 2 (Kingma et al. 2021, arXiv 2107.00630, eq. 14; with
DDPM's variance beta_tilde this is its eq. 12). The simple loss weights the error of what the
network predicts by 1 (Ho et al. 2020, arXiv 2006.11239, eq. 14). ``min-SNR`` lies between
(Hang et al. 2023, arXiv 2303.09556).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdlab.intervals import half_width
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.forward import add_noise
from sdlab.objective.looking import asking, conditionings, noise_of
from sdlab.objective.quantities import (
    KINDS,
    error_over_x0,
    level_at,
    own_kind,
    quantity,
)

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from sdlab.models.model import Model
    from sdlab.noise.schedule import NoiseSchedule
    from sdlab.objective.looking import Ask
    from sdlab.objective.quantities import Level
    from sdlab.work import Work

GAMMA = 5.0
"""Of min-SNR."""
FLOWS = "velocity"
BATCH = 8
"""Noises that plain Stable Diffusion is asked about at once."""
MOST_ROWS = 250


def loss_curve(
    model: "Model", latents: "Tensor", timesteps: list[int], prompt: str = "", noises: int = 8,
    seed: int = 0,
) -> "Work[pd.DataFrame]":  # fmt: skip
    """Return the loss of one picture at timesteps, the mean over several noises.

    The noises are the same at every timestep and with or without the caption, so that what differs
    is not the draw.

    Args:
        model: The loaded model, of "vp" or "flow" path.
        latents: The picture's, float [1, C, h, w], scaled.
        timesteps: Each 0 ... T - 1.
        prompt: The picture's caption.
        noises: How many, 2 or more.
        seed: Of the first; the others follow.

    Returns:
        Columns ``conditioning`` ("caption", "none"), ``timestep``, ``sigma``, ``kind``, ``loss``
        (of what the network predicts), ``low`` and ``high`` (Student's 95 % interval over the
        noises), ``noises``, and the mean squared error of each of ``KINDS``; of flow matching also
        ``flow_time``. Yields (evaluations, all of them).

    Raises:
        ValueError: If ``noises`` is below 2, or a timestep lies outside the schedule.
        ModelError: If the model's noise levels are not known.
    """
    import pandas as pd

    if noises < 2:
        raise ValueError(f"noises must be 2 or more, got {noises}: one has no spread.")
    levels = [level_at(model.schedule, t) for t in timesteps]
    noise = noise_of(range(seed, seed + noises), tuple(latents.shape[1:]))
    kind, rows = own_kind(model.schedule), []
    total, done = 2 * len(levels) * noises, 0
    for name, words in conditionings(prompt):
        with asking(model, words) as ask:
            for level in levels:
                parts = []
                for part in noise.split(BATCH if model.plain else 1):
                    parts.append(_errors(ask, latents, part, level))
                    done += len(part)
                    yield done, total
                errors = {k: np.concatenate([part[k] for part in parts]) for k in KINDS}
                rows.append(_row(name, level, kind, errors))
    table = pd.DataFrame(rows)
    return table.assign(flow_time=[*(x.time for x in levels)] * 2) if kind == FLOWS else table


def _errors(
    ask: "Ask", latents: "Tensor", noise: "Tensor", level: "Level"
) -> dict[str, NDArray[np.float64]]:
    """Return the mean squared error of every kind for each noise."""
    x0 = latents.expand_as(noise)
    answer = ask(add_noise(x0.contiguous(), noise, level.sigma, level.path), level)
    found = {}
    for kind in KINDS:
        said = quantity(kind, answer.x0_pred, answer.eps_pred, level.sigma)
        error = (said - quantity(kind, x0, noise, level.sigma)).double().square()
        found[kind] = error.flatten(1).mean(1).numpy()
    return found


def _row(
    name: str, level: "Level", kind: str, errors: dict[str, NDArray[np.float64]]
) -> dict[str, object]:
    own = errors[kind]
    mean, half = float(own.mean()), half_width(own)
    return {
        "conditioning": name, "timestep": level.timestep, "sigma": level.sigma, "kind": kind,
        "loss": mean, "low": max(0.0, mean - half), "high": mean + half, "noises": len(own),
        **{each: float(values.mean()) for each, values in errors.items()},
    }  # fmt: skip


def weights(schedule: "NoiseSchedule", most: int = MOST_ROWS) -> "pd.DataFrame":
    """Return how much the error of what the network predicts counts at each timestep.

    Args:
        schedule: The model's.
        most: Rows at most; of more timesteps an even selection is kept.

    Returns:
        Columns ``timestep``, ``sigma``, ``simple`` (1 everywhere), ``min_snr`` and ``elbo``; each
        divided by its mean over timesteps 1 ... T - 1, so that what differs is the shape. Timestep
        0, whose term of the bound is of another kind, is left out. Of flow matching also
        ``flow_time``.
    """
    import pandas as pd

    sigma = schedule.timestep_to_sigma(np.arange(schedule.num_timesteps))
    snr = 1.0 / sigma**2
    per_x0 = error_over_x0(own_kind(schedule), sigma[1:]) ** 2
    found = {
        "simple": np.ones(len(sigma) - 1),
        "min_snr": np.minimum(snr[1:], GAMMA) / per_x0,
        "elbo": (snr[:-1] - snr[1:]) / 2 / per_x0,
    }
    shaped = {name: values / values.mean() for name, values in found.items()}
    table = pd.DataFrame({"timestep": np.arange(1, len(sigma)), "sigma": sigma[1:], **shaped})
    if schedule.path == "flow":
        table["flow_time"] = sigma_to_time(table["sigma"])
    if len(table) > most:
        table = table.iloc[np.linspace(0, len(table) - 1, most).round().astype(int)]
    return table.reset_index(drop=True)


def spread(schedule: "NoiseSchedule", count: int) -> list[int]:
    """Return timesteps evenly spread over a schedule, from near 0 to near T; at most T of them."""
    places = (np.arange(count) + 0.5) / count * schedule.num_timesteps
    return sorted(set(np.floor(places).astype(int).tolist()))
