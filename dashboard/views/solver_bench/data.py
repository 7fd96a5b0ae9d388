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

from dashboard.shell.lab import lab
from dashboard.widgets.sampler_rows import Row

# Samples where a weak error must be sampled: ours and diffusers' in few dimensions, and pictures.
# The library takes more, 16,384 and 1,024; here an answer is wanted in a second or two.
SAMPLES, FOREIGN_SAMPLES, PICTURES = 4096, 1024, 256
PARTICLES = 40


def path_of_model() -> str:
    """Return the path of the loaded model, "vp" or "flow"; "vp" without one."""
    table = lab().catalogue()
    return "flow" if table is not None and "flow" in set(table["coordinates"]) else "vp"


def catalogue(path: str = "vp") -> pd.DataFrame:
    """Return the solvers and schedulers that can be measured on a path, ours first.

    The worker makes the table once its model is open; two threads must not import diffusers at
    once. Without a model the bench works as well.
    """
    table = lab().catalogue() if path == path_of_model() == "vp" else None
    table = _all(path) if table is None else table
    table = table[table["compatible"]]
    return table.sort_values("origin", ascending=False, kind="stable").reset_index(drop=True)


@st.cache_data(max_entries=2, show_spinner="Trying every scheduler …")
def _all(path: str) -> pd.DataFrame:
    """Return the catalogue for Stable Diffusion, or for Stable Diffusion 3."""
    import sdlab
    from sdlab.solvers.flow_course import SD3_CONFIG

    return sdlab.schedulers(config=SD3_CONFIG) if path == "flow" else sdlab.schedulers()


@st.cache_data(show_spinner=False)
def problems() -> pd.DataFrame:
    """Return the table of problems."""
    from sdlab import bench

    return bench.problems()


def measured(
    rows: Sequence[Row],
    problem: str,
    steps: tuple[int, ...],
    end: str,
    path: str,
    progress: Callable[[int, str], None],
) -> pd.DataFrame:
    """Return the errors of all rows, each under its text as ``solver``.

    ``progress`` is told how many are done and who is next.
    """
    parts = []
    for done, row in enumerate(rows):
        progress(done, row.text)
        found = _errors(*_chosen(row), problem, steps, (end, path), _code(row.name))
        parts.append(found.assign(solver=row.text))
    return pd.concat(parts, ignore_index=True)


def at_steps(
    row: Row, problem: str, num_steps: int, end: str = "zero", path: str = "vp"
) -> pd.DataFrame:
    """Return the error of one row at one number of steps; no rows if it refuses it."""
    try:
        found = _errors(*_chosen(row), problem, (num_steps,), (end, path), _code(row.name))
    except ValueError:
        return pd.DataFrame()
    return found.assign(solver=row.text)


def fitted(errors: pd.DataFrame, rows: Sequence[Row]) -> pd.DataFrame:
    """Return the fitted order of every row in its table of errors."""
    from sdlab import bench

    tables = ((row, errors[errors["solver"] == row.text]) for row in rows)
    parts = [
        bench.orders(table.assign(solver=row.name)).assign(solver=row.text) for row, table in tables
    ]
    return pd.concat(parts, ignore_index=True)


def trajectories(row: Row, num_steps: int, problem: str, path: str = "vp") -> pd.DataFrame:
    """Return the trajectories of some particles."""
    return _trajectories(*_chosen(row), num_steps, (problem, path), _code(row.name))


def audited(row: Row, progress: Callable[[int, int], None]) -> str:
    """Return the audit of a row's sampler with its options, as a page of Markdown.

    Args:
        row: The sampler; its curve does not matter.
        progress: Told (parts done, parts in all).
    """
    return _audit(row.name, row.options, _code(row.name), progress)


@st.cache_data(max_entries=100, show_spinner=False)
def _audit(
    name: str, options: dict[str, Any], code: int, _progress: Callable[[int, int], None]
) -> str:
    import sdlab
    from sdlab.auditing.report import markdown

    return markdown(sdlab.audit(name, options=options, progress=_progress))


@st.cache_data(show_spinner=False)
def known_audits() -> pd.DataFrame:
    """Return the audits of known samplers that come with sdlab."""
    from sdlab.auditing.known import known

    return known()


def _chosen(row: Row) -> tuple[str, dict[str, Any], str | None, dict[str, Any]]:
    return row.name, row.options, row.curve, row.curve_options


def drift(table: pd.DataFrame) -> pd.DataFrame:
    """Return how far the particles of a trajectory table are from the truth at each step."""
    apart = np.hypot(table["x"] - table["true_x"], table["y"] - table["true_y"])
    groups = table.assign(apart=apart).groupby("step")
    return groups.agg(
        sigma=("sigma", "first"), distance=("apart", "median"), worst=("apart", "max")
    ).reset_index()


@st.cache_data(max_entries=200, show_spinner=False)
def density(problem: str, sigma: float, path: str = "vp") -> pd.DataFrame:
    """Return the density of a 2-D problem's data at a noise level, in the path's coordinates."""
    from sdlab import bench

    return bench.density(problem, sigma, side=64, path=path)


@st.cache_data(max_entries=2000, show_spinner=False)
def _errors(
    name: str,
    options: dict[str, Any],
    curve: str | None,
    curve_options: dict[str, Any],
    problem: str,
    steps: tuple[int, ...],
    way: tuple[str, str],
    code: int,
) -> pd.DataFrame:
    from sdlab import bench
    from sdlab.bench.ready_solver import is_stochastic

    particles, (end, path) = None, way
    if is_stochastic(name, options, path):
        particles = FOREIGN_SAMPLES if code == 0 else SAMPLES
        if bench.problem(problem).dimension > 2:
            particles = PICTURES
    return bench.errors(
        name,
        problem=problem,
        steps=steps,
        curve=curve,
        curve_options=curve_options,
        options={name: options},
        end=end,
        path=path,
        particles=particles,
    )


@st.cache_data(max_entries=100, show_spinner="Following the particles …")
def _trajectories(
    name: str,
    options: dict[str, Any],
    curve: str | None,
    curve_options: dict[str, Any],
    num_steps: int,
    where: tuple[str, str],
    code: int,
) -> pd.DataFrame:
    from sdlab import bench

    return bench.trajectories(
        name,
        num_steps,
        problem=where[0],
        path=where[1],
        curve=curve,
        curve_options=curve_options,
        options=options,
        particles=PARTICLES,
    )


def _code(name: str) -> int:
    """Return a number that changes when one of sdlab's solvers is registered again."""
    from sdlab.solvers.registry import solvers

    found = solvers().get(name)
    return 0 if found is None else id(found.function) ^ zlib.crc32(found.function.__code__.co_code)
