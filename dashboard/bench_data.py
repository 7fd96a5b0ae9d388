"""What the Solver bench page computes, each solver once: errors, paths, densities.

A solver takes some tenths of a second over all its step counts, so the results are cached one
solver at a time: adding one to the page computes that one. A solver registered anew under an old
name is told apart by its code.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.lab import lab

# Samples where a weak error must be sampled: ours and diffusers' in few dimensions, and pictures.
# The library takes more, 16,384 and 1,024; here an answer is wanted in a second or two.
SAMPLES, FOREIGN_SAMPLES, PICTURES = 4096, 1024, 256
PARTICLES = 40


def catalogue() -> pd.DataFrame:
    """Return the solvers and schedulers that can be measured, ours first.

    The worker makes the table once its model is open; two threads must not import diffusers at
    once. Without a model the bench works as well.
    """
    import sdlab

    table = lab().catalogue()
    table = sdlab.schedulers() if table is None else table
    table = table[table["compatible"]]
    return table.sort_values("origin", ascending=False, kind="stable").reset_index(drop=True)


@st.cache_data(show_spinner=False)
def problems() -> pd.DataFrame:
    """Return the table of problems."""
    from sdlab import bench

    return bench.problems()


def measured(
    names: Sequence[str],
    curves: dict[str, str | None],
    problem: str,
    steps: tuple[int, ...],
    end: str,
    progress: Callable[[int, str], None],
    curve_options: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the errors of all solvers; ``progress`` is told how many are done and who is next."""
    parts = []
    for done, name in enumerate(names):
        progress(done, name)
        options = curve_options or {} if curves[name] else {}
        parts.append(_errors(name, curves[name], options, problem, steps, end, _code(name)))
    return pd.concat(parts, ignore_index=True)


def fitted(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the fitted order of every solver in a table of errors."""
    from sdlab import bench

    return bench.orders(errors)


def way(
    name: str, num_steps: int, problem: str, curve: str | None, curve_options: dict[str, Any]
) -> pd.DataFrame:
    """Return the trajectories of some particles."""
    return _way(name, num_steps, problem, curve, curve_options if curve else {}, _code(name))


def drift(table: pd.DataFrame) -> pd.DataFrame:
    """Return how far the particles of a trajectory table are from the truth at each step."""
    apart = np.hypot(table["x"] - table["true_x"], table["y"] - table["true_y"])
    groups = table.assign(apart=apart).groupby("step")
    return groups.agg(
        sigma=("sigma", "first"), distance=("apart", "median"), worst=("apart", "max")
    ).reset_index()


@st.cache_data(max_entries=200, show_spinner=False)
def density(problem: str, sigma: float) -> pd.DataFrame:
    """Return the density of a 2-D problem's data at a noise level, in VP coordinates."""
    from sdlab import bench

    return bench.density(problem, sigma, side=64)


@st.cache_data(max_entries=2000, show_spinner=False)
def _errors(
    name: str,
    curve: str | None,
    curve_options: dict[str, Any],
    problem: str,
    steps: tuple[int, ...],
    end: str,
    code: int,
) -> pd.DataFrame:
    from sdlab import bench
    from sdlab.bench.entrant import is_stochastic

    particles = None
    if is_stochastic(name):
        particles = FOREIGN_SAMPLES if code == 0 else SAMPLES
        if bench.problem(problem).dimension > 2:
            particles = PICTURES
    return bench.errors(
        name,
        problem=problem,
        steps=steps,
        curve=curve,
        curve_options=curve_options,
        end=end,
        particles=particles,
    )


@st.cache_data(max_entries=100, show_spinner="Following the particles …")
def _way(
    name: str,
    num_steps: int,
    problem: str,
    curve: str | None,
    curve_options: dict[str, Any],
    code: int,
) -> pd.DataFrame:
    from sdlab import bench

    return bench.trajectories(
        name,
        num_steps,
        problem=problem,
        curve=curve,
        curve_options=curve_options,
        particles=PARTICLES,
    )


def _code(name: str) -> int:
    """Return a number that changes when a solver of ours is registered anew."""
    from sdlab.solvers.registry import solvers

    found = solvers().get(name)
    return 0 if found is None else id(found.function) ^ zlib.crc32(found.function.__code__.co_code)
