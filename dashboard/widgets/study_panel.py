"""A long computation with the model on a page: start, progress, cancel, result.

The result belongs to the settings: after a change the page offers to start again; after changing
back, the result is shown as long as the worker remembers it.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from dashboard.shell.keyboard import RUN
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained
from dashboard.shell.model_choice import say_no_model
from dashboard.shell.presses import press_of
from dashboard.shell.state import come_back, session_id
from dashboard.shell.visitor import visitor
from dashboard.widgets.limit_note import within_limits
from dashboard.widgets.task_panel import (
    cancel_button,
    progress_bar,
    readable_seconds,
    show_end,
    task_panel,
)
from dashboard.worker.snapshots import Snapshot
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.work import Work

OTHERS = "Others wait for this too, so it goes on."


def study_panel(
    page: str,
    label: str,
    about: tuple[Any, ...],
    make: "Callable[[Model], Work[Any]]",
    *,
    at_once: bool = False,
    kind: Literal["primary", "secondary"] = "primary",
    unit: str = "Evaluation",
    below: Callable[[], None] | None = None,
    runs: Sequence[Experiment] = (),
) -> Any | None:
    """Return the result of a study, or draw how to start it or how far it is and return None.

    Args:
        page: For the widget keys, unique on the page.
        label: Of the button that starts it.
        about: Everything that decides the result, with a telling ``repr``.
        make: Returns the generator; called in the worker's thread with the model.
        at_once: Start without being asked, where it takes a second or two.
        kind: Of the button that starts it; a page has one primary, which has the shortcut.
        unit: What its progress counts.
        below: Draws what there is to see meanwhile.
        runs: Those that it makes, or the largest of them: a server may limit their size.
    """
    model = lab().status().model
    if model is None and lab().status().load_error:
        say_no_model()
        return None
    if model is None:
        st.info("The model is still being loaded.", icon=":material/hourglass_top:")
        return None
    runs = [run.with_(model=model.name) for run in runs]
    key = hashlib.sha256(repr((page, model.hash, about)).encode()).hexdigest()[:24]
    view = lab().get(key)
    if view is None and at_once:
        with explained():
            lab().study(key, make, model.hash, session_id(), owner=visitor().id)
        view = lab().get(key)
    if view is not None and view.state == "done":
        return view.result
    if view is not None and view.live:
        task_panel(key, lambda view: _draw(page, view, unit, below))
        return None
    if view is not None:
        show_end(view)
    press = press_of(f"{page}.start")
    allowed = within_limits(runs, queued=False)
    st.button(
        label if view is None else "Start again",
        key=f"{page}.start",
        type=kind,
        icon=":material/play_arrow:",
        shortcut=RUN if kind == "primary" else None,
        disabled=not allowed,
        on_click=press.note,
    )
    if press.wanted(allowed):
        session, who = session_id(), visitor().id
        with explained():
            press.begin(lambda: lab().study(key, make, model.hash, session, owner=who, runs=runs))
        come_back(key)
        press.end()
        st.rerun()
    return None


def _draw(page: str, view: Snapshot, unit: str, below: Callable[[], None] | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"{page}_study"):
        progress_bar(view, _progress(view, unit))
        cancel_button(page, view.id, OTHERS)
    if below is not None:
        below()


def _progress(view: Snapshot, unit: str) -> str:
    if not view.done:
        return "Waiting for the model …"
    text = f"{unit} {view.done:,} of {view.total:,}"
    if view.seconds_left:
        text += f" · {readable_seconds(view.seconds_left)} left"
    return text
