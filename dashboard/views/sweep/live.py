"""A sweep in progress: how many are done, failed, under way; the pictures as they come."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, without_places
from dashboard.shell.navigation import follow
from dashboard.shell.theme import scheduler_color
from dashboard.views.sweep.states import SweepStates, sweep_states
from dashboard.views.sweep.words import in_words
from dashboard.widgets.run_states import RunState, run_state
from dashboard.widgets.run_tile import run_tile
from dashboard.widgets.task_panel import (
    cancel_button,
    progress_bar,
    readable_seconds,
    task_panel,
)
from dashboard.worker.snapshots import Snapshot
from sdlab.experiment.sweep import Sweep, SweepCell

OTHERS = "Others wait for this sweep, so it goes on without you."
KEPT = "What is done is kept, and the sweep can go on from there."
SHOWN = 48
"""Tiles at most: of a larger sweep the latest pictures."""


def live_panel(page: str, sweep: Sweep, view: Snapshot) -> None:
    """Draw a sweep that is being made; keeps itself up to date.

    Args:
        page: For the widget keys.
        sweep: Which.
        view: Its task.
    """

    def draw(view: Snapshot) -> None:
        states = sweep_states(lab().runs, sweep)
        with st.container(horizontal=True, vertical_alignment="center", key=f"{page}_progress"):
            progress_bar(view, _progress_text(view, states))
            cancel_button(page, view.id, OTHERS, help=KEPT)
        say_failures(states)
        pictures(page, sweep, states, live=True)

    st.markdown(f"**{plain(in_words(sweep.base, sweep.axes))}**")
    task_panel(view.id, draw)


def say_failures(states: SweepStates) -> None:
    """Draw why runs failed, each reason once."""
    if not states.errors:
        return
    reasons: dict[str, list[str]] = {}
    for run, error in states.errors.items():
        reasons.setdefault(error, []).append(run)
    count = len(states.errors)
    with st.expander(f"{count:,} failed", icon=":material/error:"):
        for error, runs in list(reasons.items())[:20]:
            st.text(f"{len(runs):,} x {without_places(error)}"[:600])


def pictures(page: str, sweep: Sweep, states: SweepStates, live: bool) -> None:
    """Draw the pictures as tiles: all of a small sweep, the latest of a larger one.

    Args:
        page: For the widget keys.
        sweep: Which.
        states: Where its runs stand.
        live: Whether it is being made.
    """
    cells = _shown(sweep, states)
    tiles = [_tile(cell, states, live) for cell in cells]
    model, base = lab().status().model, sweep.base
    own = model.default_size if model else (1, 1)
    size = (base.width or own[0], base.height or own[1])
    if len(cells) < len(sweep.cells):
        st.caption(f"The {len(cells)} latest of {len(sweep.cells):,} pictures.")
    show_tiles(tiles, size, in_words(sweep.base, sweep.axes), f"{page}.tiles", follow)


def _shown(sweep: Sweep, states: SweepStates) -> Sequence[SweepCell]:
    if len(sweep.cells) <= SHOWN:
        return sweep.cells
    runs = lab().runs
    latest = sorted(states.done, key=lambda run: _age(runs / run), reverse=True)
    chosen = [*states.making, *latest, *states.every][:SHOWN]
    first = {cell.experiment.id: cell for cell in reversed(sweep.cells)}
    return [first[run] for run in dict.fromkeys(chosen)]


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _tile(cell: SweepCell, states: SweepStates, live: bool) -> Tile:
    run = cell.experiment
    state = states.of(run.id, live)
    found = run_state(lab(), run.id) if state == "done" else None
    if found is None or found.state != "done":
        found = RunState(state, error=states.errors.get(run.id, ""))
    name = " · ".join(cell.labels) or run.solver
    id = ".".join(map(str, cell.place))
    tile = run_tile(id, name, scheduler_color(run.solver), run, found)
    return replace(tile, line="being made") if found.state == "running" else tile


def _progress_text(view: Snapshot, states: SweepStates) -> str:
    parts = [f"{len(states.done):,} of {len(states.every):,} done"]
    if states.errors:
        parts.append(f"{len(states.errors):,} failed")
    if states.making:
        parts.append(f"{len(states.making):,} being made")
    if not view.total:
        parts.append("waiting for the model")
    elif view.done >= view.total:
        parts.append("measuring")
    else:
        parts.append(f"{view.done:,} of {view.total:,} evaluations")
        if view.seconds_left:
            parts.append(f"about {readable_seconds(view.seconds_left)} left")
    return " · ".join(parts)
