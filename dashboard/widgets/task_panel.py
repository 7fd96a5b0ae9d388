"""A task of the worker on a page: how far it is, a button to leave it, and how it ended."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import show_error
from dashboard.shell.state import come_back, leave, session_id, watches
from dashboard.shell.visitor import visitor
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.snapshots import Snapshot


def task_panel(id: str, draw: Callable[[Snapshot], None]) -> None:
    """Draw a task that lives, and keep it up to date; this session counts as watching it.

    Args:
        id: The task's id.
        draw: Draws its snapshot.
    """

    def draw_live() -> bool:
        if watches(id):
            lab().touch(id, session_id())
        view = lab().get(id)
        if view is None or not view.live:
            return False
        draw(view)
        return True

    ticking_panel(draw_live, what=draw)


def progress_bar(view: Snapshot, text: str) -> None:
    """Draw how much of a task is done."""
    st.progress(min(1.0, view.done / view.total) if view.total else 0.0, text=text)


def cancel_button(
    page: str, id: str, others: str, tasks: Sequence[str] = (), help: str | None = None
) -> None:
    """Draw the button that leaves a task, or after that the one that comes back.

    Args:
        page: For the widget keys: the page's name.
        id: Of the task, or of what the tasks are parts of.
        others: What to say if it goes on for others.
        tasks: The parts, if there are any.
        help: What the button does, if it is not plain.
    """
    if watches(id):
        st.button(
            "Cancel",
            key=f"{page}.cancel",
            icon=":material/stop_circle:",
            help=help,
            on_click=_cancel,
            args=(id, tuple(tasks) or (id,), others),
        )
    else:
        st.button("Watch again", key=f"{page}.watch", on_click=come_back, args=(id,))


def show_end(view: Snapshot) -> None:
    """Draw why a task ended without a result."""
    if view.state == "failed":
        show_error(view.error or "It failed.")
    elif view.state == "cancelled":
        where = f" after evaluation {view.done} of {view.total}" if view.total else ""
        st.info(f"Cancelled{where}.", icon=":material/stop_circle:")
    else:
        st.warning(
            "Interrupted: the server stopped before this run was done.",
            icon=":material/power_off:",
        )


def readable_seconds(seconds: float) -> str:
    """Return a duration such as "4 s", "2 min 5 s" or "1 h 3 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _cancel(id: str, tasks: tuple[str, ...], others: str) -> None:
    who = visitor().id
    if "left" in [lab().cancel(task, session_id(), who) for task in tasks]:
        leave(id)
        st.toast(others, icon=":material/group:")
