"""The runs that are not stored: in progress, or ended without a picture; equal ones together."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.navigation import page_path
from dashboard.worker.snapshots import RunSnapshot

FOLDED_FROM = 4
"""So many rows and more are folded into one line."""
MOST_ROWS = 20
MOST_LINKS = 20
_COLORS: dict[str, Literal["red", "gray", "orange", "green"]]
_COLORS = {"failed": "red", "cancelled": "gray", "interrupted": "orange"}


@st.fragment(run_every=3)
def unfinished() -> None:
    """Draw the runs that are not stored, a row for those of the same words and the same state."""
    jobs = lab().jobs()
    if not jobs:
        return
    groups = alike(jobs)
    with st.container(key="runs_unfinished", gap="small"):
        st.header("Not stored", anchor=False)
        if len(groups) < FOLDED_FROM:
            _rows(groups)
            return
        with st.expander(in_short(jobs), key="runs.unfinished"):
            _rows(groups)


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
    for group in groups[:MOST_ROWS]:
        _row(group)
    if len(groups) > MOST_ROWS:
        st.caption(f"{len(groups) - MOST_ROWS} more are not shown.")


def _row(group: Sequence[RunSnapshot]) -> None:
    first = group[0]
    words = first.experiment.prompt[:120] or "(no prompt)"
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge(first.state, color=_COLORS.get(first.state, "green"))
        if len(group) > 1:
            words = f"{len(group)} runs {first.state} · {words}"
        st.text(words, width="stretch")
        _open(group)
        if not first.live and not first.unsaved:
            st.button(
                "Dismiss all" if len(group) > 1 else "Dismiss",
                key=f"runs.dismiss_{first.id}",
                icon=":material/close:",
                type="tertiary",
                on_click=_dismiss,
                args=([job.id for job in group],),
            )


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
    for run in runs:
        lab().dismiss(run)
