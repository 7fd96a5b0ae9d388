"""A run in progress, or one that ended without a picture: preview, progress, cancel, what to do."""

import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained
from dashboard.shell.model_choice import say_swap
from dashboard.shell.state import come_back, session_id, watches
from dashboard.shell.visitor import visitor
from dashboard.widgets.load_progress import loading_words
from dashboard.widgets.run_film import live_film
from dashboard.widgets.run_ways import change_button
from dashboard.widgets.task_panel import (
    cancel_button,
    progress_bar,
    readable_seconds,
    show_end,
    task_panel,
)
from dashboard.worker.snapshots import RunSnapshot, Snapshot

OTHERS = "Others wait for this run, so it goes on without you."


def job_panel(run: str, page: str) -> None:
    """Draw a run that is not done; while it lives the panel keeps itself up to date.

    Args:
        run: The run's id.
        page: For the widget keys: the page's name.
    """

    def draw(view: Snapshot) -> None:
        assert isinstance(view, RunSnapshot)
        st.html(style(__file__))
        live_film(page, view)
        with st.container(key=f"{page}_run_progress", gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center"):
                progress_bar(view, progress_text(view))
                cancel_button(page, view.id, OTHERS)
            _others(view)

    view = lab().known_runs.get(run)
    if view is not None and view.live:
        task_panel(run, draw)
    elif view is not None:
        _ended(view, page)


def progress_text(view: RunSnapshot) -> str:
    """Return the progress of a live run in one line."""
    if view.state == "queued":
        status = lab().status()
        wait = loading_words(status) if status.loading else "Waiting"
        if not view.position:
            return f"{wait} …"
        seconds = None if status.loading else lab().known_runs.seconds_until_done(view.id)
        done = f" · done in about {readable_seconds(seconds)}" if seconds else ""
        return f"{wait} · place {view.position} in the queue{done}"
    if view.state in ("decoding", "saving"):
        return f"{view.state.title()} …"
    parts = [f"Evaluation {view.done} of {view.total}"]
    if view.rate:
        parts.append(f"{view.rate:.3g} steps/s")
    if view.seconds_left is not None:
        parts.append(f"{readable_seconds(view.seconds_left)} left")
    return " · ".join(parts)


def _others(view: RunSnapshot) -> None:
    others = view.shared - watches(view.id)
    if others > 0:
        who = "one other session waits" if others == 1 else f"{others} other sessions wait"
        st.caption(f":material/group: {who} for this run too")


def _ended(view: RunSnapshot, page: str) -> None:
    show_end(view)
    if view.preview:
        live_film(page, view)
    if not view.unsaved:
        say_swap(view.experiment.model)
    with st.container(horizontal=True):
        if view.unsaved:
            st.button(
                "Save again",
                key=f"{page}.save_again",
                icon=":material/save:",
                on_click=lab().asked_runs.save_again,
                args=(view.id,),
            )
        else:
            st.button(
                "Run again",
                key=f"{page}.again",
                icon=":material/replay:",
                on_click=_again,
                args=(view,),
            )
            change_button(view.id, view.experiment, page)


def _again(view: RunSnapshot) -> None:
    # first: what follows may be cut short by the next click
    with explained():
        lab().asked_runs.again([view.experiment], visitor().id, session_id())
        come_back(view.id)
