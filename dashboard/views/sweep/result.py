"""What came of a sweep: what is missing, the best, charts, pictures, the table."""

from functools import lru_cache
from pathlib import Path

import streamlit as st

from dashboard.components.copy_link import copy_link
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.presses import press_of
from dashboard.shell.routes import page_url, sheet_url
from dashboard.shell.state import come_back, session_id
from dashboard.shell.visitor import visitor
from dashboard.views.sweep.figures import figures
from dashboard.views.sweep.live import pictures, say_failures
from dashboard.views.sweep.making import Way, begin, measures_for, task_of
from dashboard.views.sweep.states import SweepStates, file_age, sweep_states
from dashboard.views.sweep.words import in_words
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.report_button import report_button
from dashboard.widgets.task_panel import show_end
from dashboard.worker.snapshots import Snapshot
from sdlab.experiment.sweep import Sweep
from sdlab.runs.sweep_parts import TABLE
from sdlab.sweeping.measures import MEASURES
from sdlab.sweeping.result import SweepResult, fits_on_a_sheet, open_sweep, sweep_result


def show_result(page: str, sweep: Sweep, view: Snapshot | None) -> None:
    """Draw what there is of a sweep that is not being made.

    Args:
        page: For the widget keys.
        sweep: Which.
        view: Its task, if that ended without being done.
    """
    states = sweep_states(lab().runs, sweep)
    st.markdown(f"**{plain(in_words(sweep.base, sweep.axes))}**")
    if view is not None:
        show_end(view)
    _say_states(states)
    _go_on(page, sweep, states)
    say_failures(states)
    if not states.done:
        pictures(page, sweep, states, live=False)
        return
    with explained():
        result = _result(sweep, states)
    figures(page, result)
    with st.expander(f"{len(states.done):,} pictures", expanded=True, icon=":material/image:"):
        _sheet(sweep)
        pictures(page, sweep, states, live=False)
    st.header("Table", anchor=False)
    csv_table(
        result.table,
        f"sweep-{sweep.id}",
        f"{page}.csv",
        "A row for each picture: its run, the axes, its state, the measures.",
        parquet=True,
    )


def _result(sweep: Sweep, states: SweepStates) -> SweepResult:
    return _opened(lab().runs, sweep, file_age(lab().runs, sweep.id, TABLE), states.done)


@lru_cache(maxsize=4)
def _opened(runs: Path, sweep: Sweep, changed: int, done: frozenset[str]) -> SweepResult:
    """Return a sweep's table as it was stored, or a new one if the stored runs are others now."""
    if changed:
        stored = open_sweep(runs, sweep.id)
        if frozenset(stored.table.loc[stored.table["state"] == "done", "run"]) == done:
            return stored
    return sweep_result(sweep, runs)


def _say_states(states: SweepStates) -> None:
    parts = [f"**{len(states.done):,} of {len(states.every):,} done**"]
    if states.errors:
        parts.append(f"{len(states.errors):,} failed")
    if states.missing:
        parts.append(f"{states.missing:,} not made")
    st.markdown(" · ".join(parts))


def _go_on(page: str, sweep: Sweep, states: SweepStates) -> None:
    """Draw the buttons that make what is missing, try failures again, or measure."""
    model = lab().status().model
    same = model is not None and model.name == sweep.base.model
    if (states.missing or states.errors) and not same:
        st.caption(f"Load **{plain(sweep.base.model)}** to make the rest.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        measures = st.multiselect(
            "Measured by",
            list(MEASURES),
            list(measures_for(sweep.base.model)),
            key=f"{page}.measured",
            width=330,
        )
        for label, name, shown, errored in (
            (f"Make the {states.missing:,} missing", "missing", states.missing, False),
            (f"Try the {len(states.errors):,} failed again", "failed", states.errors, True),
            ("Measure again", "again", not states.missing, False),
        ):
            if shown:
                way = Way(errored=errored, measures=tuple(measures))
                _button(f"{page}.{name}", label, sweep, way, ready=same)
        report_button(f"{page}.report", sweep.id, disabled=not states.done)
        copy_link(page_url(f"sweep?id={sweep.id}"), f"{page}.copy_link", ())


def _button(key: str, label: str, sweep: Sweep, way: Way, ready: bool) -> None:
    """Draw a button that goes on with a sweep."""
    press = press_of(key)
    st.button(label, key=key, icon=":material/replay:", disabled=not ready, on_click=press.note)
    if press.wanted(ready):
        session, who = session_id(), visitor().id
        with explained():
            press.begin(lambda: begin(sweep, way, session, who))
        come_back(task_of(sweep.id))
        press.end()
        st.rerun()


def _sheet(sweep: Sweep) -> None:
    if fits_on_a_sheet(sweep):
        st.link_button("Contact sheet", sheet_url(sweep.id), icon=":material/image:")
