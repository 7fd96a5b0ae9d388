"""The runs that are not stored: in progress, or ended without a picture; equal ones together."""

from collections.abc import Collection, Sequence
from typing import Literal

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain, sentence
from dashboard.shell.navigation import page_path
from dashboard.shell.presses import press_of
from dashboard.shell.state import session_id
from dashboard.shell.visitor import visitor
from dashboard.widgets.job_panel import OTHERS
from dashboard.widgets.task_panel import cancel_button
from dashboard.worker.owned import NotYoursError
from dashboard.worker.snapshots import RunSnapshot

FOLDED_FROM = 4
"""So many rows and more are folded into one line."""
MOST_ROWS = 20
MOST_LINKS = 20
_AGAIN = "runs.all_again"
_COLORS: dict[str, Literal["red", "gray", "orange", "green"]]
_COLORS = {"failed": "red", "cancelled": "gray", "interrupted": "orange"}


@st.fragment(run_every=3)
def unfinished() -> None:
    """Draw the runs that are not stored, a row for those of the same words and the same state."""
    jobs = _asked_again(lab().known_runs.jobs())
    if not jobs:
        return
    groups = alike(jobs)
    with st.container(key="runs_unfinished", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header("Not stored", anchor=False)
            _all_again()
        if len(groups) < FOLDED_FROM:
            _rows(groups)
            return
        with st.expander(in_short(jobs), key="runs.unfinished"):
            _rows(groups)


def _asked_again(jobs: list[RunSnapshot]) -> list[RunSnapshot]:
    """Ask anew for all that ended, if that was pressed; return the runs as they are then."""
    press = press_of(_AGAIN)
    if press.wanted():
        with explained():
            press.begin(_ask)
        press.end()
        return lab().known_runs.jobs()
    return jobs


def _all_again() -> None:
    """Draw the button that asks anew for all runs that failed or were interrupted."""
    count = len(_own_broken_off())
    if count:
        whose = "" if visitor().operator else " of yours"
        st.button(
            f"Run all {count} again" if count > 1 else "Run it again",
            key=_AGAIN,
            icon=":material/replay:",
            help=f"Asks anew for the runs{whose} that failed or were interrupted, the first of "
            "them first.",
            on_click=press_of(_AGAIN).note,
        )


def _own_broken_off() -> list[RunSnapshot]:
    """Return the runs that whoever looks may ask anew for at once: of operators everybody's."""
    who = visitor()
    return lab().known_runs.broken_off(None if who.operator else who.id)


def _ask() -> bool:
    runs = [run.experiment for run in _own_broken_off()]
    lab().asked_runs.again(runs, visitor().id, session_id())
    return True


def alike(jobs: Sequence[RunSnapshot]) -> list[list[RunSnapshot]]:
    """Return the runs in groups of the same state and prompt, in the order of their first ones."""
    groups: dict[tuple[str, str, bool], list[RunSnapshot]] = {}
    for job in jobs:
        groups.setdefault((job.state, job.experiment.prompt, job.unsaved), []).append(job)
    return list(groups.values())


def in_short(jobs: Sequence[RunSnapshot]) -> str:
    """Return how many runs are in which state, such as "12 cancelled, 2 failed"."""
    states = [job.state for job in jobs]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _rows(groups: Sequence[list[RunSnapshot]]) -> None:
    who = visitor()
    own = lab().known_runs.live_of(None if who.operator else who.id)
    for group in groups[:MOST_ROWS]:
        _row(group, own)
    if len(groups) > MOST_ROWS:
        st.caption(f"{len(groups) - MOST_ROWS} more are not shown.")


def _row(group: Sequence[RunSnapshot], own: Collection[str]) -> None:
    first = group[0]
    words = first.experiment.prompt[:120] or "(no prompt)"
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge(first.state, color=_COLORS.get(first.state, "green"))
        if len(group) > 1:
            words = f"{len(group)} runs {first.state} · {words}"
        st.text(words, width="stretch")
        _open(group)
        _cancel([job.id for job in group if job.id in own], len(group))
        if not first.live and not first.unsaved:
            st.button(
                "Dismiss all" if len(group) > 1 else "Dismiss",
                key=f"runs.dismiss_{first.id}",
                icon=":material/close:",
                type="tertiary",
                on_click=_dismiss,
                args=([job.id for job in group],),
            )


def _cancel(own: Sequence[str], count: int) -> None:
    """Draw the button that cancels those of a row's runs that wait or are made and are one's own.

    Args:
        own: Their ids.
        count: How many runs the row has.
    """
    if own:
        all_of = "All of them." if count > 1 else None
        about = all_of if len(own) == count else f"Those that are yours: {len(own)} of {count}."
        cancel_button(f"runs.{own[0]}", own[0], OTHERS, own, about)


def _open(group: Sequence[RunSnapshot]) -> None:
    """Draw the link to a run, or the links to those of a group, each by what tells them apart."""
    if len(group) == 1:
        _link(group[0], "Open")
        return
    with st.popover("Open", key=f"runs.open_{group[0].id}"):
        for job in group[:MOST_LINKS]:
            asked = job.experiment
            _link(job, f"{asked.solver} · {asked.num_steps} steps · seed {asked.seed}")
        if len(group) > MOST_LINKS:
            st.caption(f"{len(group) - MOST_LINKS} more are not shown.")


def _link(job: RunSnapshot, label: str) -> None:
    st.page_link(
        page_path("run"), label=plain(label), icon=":material/open_in_new:",
        query_params={"id": job.id},
    )  # fmt: skip


def _dismiss(runs: Sequence[str]) -> None:
    try:
        for run in runs:
            lab().asked_runs.dismiss(run, visitor().id)
    except NotYoursError as error:
        st.toast(plain(sentence(error)), icon=":material/block:")
