"""The paths of particles through a problem, step by step, and the density of its noised data."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.bench.data import Problem
from sdlab.bench.data import problem as problem_of
from sdlab.bench.ready_solver import SharedNoise, enter, is_stochastic, schedule
from sdlab.bench.truth import truth
from sdlab.noise.flow import sigma_to_time, time_to_sigma

if TYPE_CHECKING:
    from torch import Tensor


def trajectories(
    name: str,
    num_steps: int,
    *,
    problem: "str | Problem" = "mixture_2d",
    curve: str | None = None,
    curve_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    particles: int = 40,
    path: str = "vp",
    seed: int = 0,
) -> pd.DataFrame:
    """Return where each particle of a 2-D problem is at each step, and where it should be.

    Args:
        name: A solver's short name or a diffusers class.
        num_steps: Solver steps.
        problem: A name of ``problems()`` with two dimensions, or such a problem of your own.
        curve: How sigma falls; None for Stable Diffusion's own spacing.
        curve_options: Arguments of the curve; for own solvers only.
        options: Arguments of the solver or scheduler.
        particles: How many.
        path: "vp", or "flow" for flow matching's.
        seed: Of the particles and of the noise.

    Returns:
        One row a particle and step, and the end as step ``num_steps``: ``particle``, ``step``,
        ``sigma``, ``x`` and ``y``, ``true_x`` and ``true_y`` (NaN for stochastic solvers). All in
        VP coordinates, where the cloud keeps its size: VE's divided by sqrt(1 + sigma^2). On flow
        matching's path in its own, x_t, with ``flow_time`` as the last column; sigma is infinite
        at the start.

    Raises:
        ValueError: If the problem does not have two dimensions, or an argument is not valid.
    """
    import torch

    found = problem_of(problem, path)
    _two(found)
    entrant = enter(
        name,
        num_steps,
        curve=curve,
        curve_options=curve_options,
        options=options,
        path=path,
        seed=seed,
    )
    real = truth(found, max(schedule(path).sigma_max, entrant.start), particles, seed)
    visited: dict[int, tuple[float, Tensor]] = {}

    def watch(step: int, sigma: float, x: "Tensor") -> None:
        visited.setdefault(step, (sigma, x))

    noise = SharedNoise(torch.Generator().manual_seed(seed + 1))
    x_end, _ = entrant.run(real.at(entrant.start), found.denoiser.denoise, noise, watch)
    visited[num_steps] = (entrant.end, x_end)
    stochastic = is_stochastic(name, options, path)
    real.prepare(sigma for sigma, _ in visited.values())
    parts = [
        _places(step, sigma, x, None if stochastic else real.at(sigma), path)
        for step, (sigma, x) in sorted(visited.items())
    ]
    return pd.concat(parts, ignore_index=True)


def density(
    problem: "str | Problem" = "mixture_2d",
    sigma: float = 0.0,
    side: int = 48,
    reach: float = 2.6,
    path: str = "vp",
) -> pd.DataFrame:
    """Return the density of noised data on a square grid, in the coordinates of ``trajectories``.

    Args:
        problem: A name of ``problems()`` with two dimensions, or such a problem of your own.
        sigma: Noise level, from 0; infinite too on flow matching's path.
        side: Cells a side.
        reach: Half the side of the square.
        path: "vp", or "flow" for flow matching's.

    Returns:
        Columns ``x``, ``y`` (centres of the cells) and ``density`` over its maximum, 0 to 1.

    Raises:
        ValueError: If the problem has not two dimensions.
    """
    import torch

    found = problem_of(problem, path)
    _two(found)
    centres = (np.arange(side) + 0.5) / side * 2 * reach - reach
    x, y = np.meshgrid(centres, centres)
    points = torch.from_numpy(np.stack((x.ravel(), y.ravel()), 1)).reshape(-1, 2, 1, 1)
    if path == "flow":
        logs = found.denoiser.log_density(points, float(sigma_to_time(sigma)))
    else:
        logs = found.denoiser.log_density(points * math.sqrt(1.0 + sigma**2), sigma)
    values = (logs - logs.max()).exp().numpy()
    return pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "density": values})


def _places(step: int, level: float, x: "Tensor", true: "Tensor | None", path: str) -> pd.DataFrame:
    """Return where the particles are at a step and where they should be; see ``trajectories``."""
    flow = path == "flow"
    sigma = float(time_to_sigma(level)) if flow else level
    scale = 1.0 if flow else math.sqrt(1.0 + sigma**2)
    here = x.reshape(-1, 2).numpy() / scale
    there = np.full_like(here, np.nan) if true is None else true.reshape(-1, 2).numpy() / scale
    table = pd.DataFrame(
        {
            "particle": np.arange(len(here)),
            "step": step,
            "sigma": sigma,
            "x": here[:, 0],
            "y": here[:, 1],
            "true_x": there[:, 0],
            "true_y": there[:, 1],
        }
    )
    return table.assign(flow_time=level) if flow else table


def _two(found: Problem) -> None:
    if found.dimension != 2:
        raise ValueError(
            f"trajectories need a problem of two dimensions, {found.name!r} has {found.dimension};"
            " take gaussian or mixture_2d."
        )
