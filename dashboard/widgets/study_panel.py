"""A long computation with the model on a page: start, progress, cancel, result.

The result belongs to the settings: after a change the page offers to start again; after changing
back, the result is shown as long as the worker remembers it.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import show_error
from dashboard.shell.state import session_id
from dashboard.widgets.job_panel import readable_seconds
from dashboard.worker.studies import StudyView

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.work import Work

POLL_SECONDS = 0.4


def study_panel(
    page: str,
    label: str,
    about: tuple[Any, ...],
    make: "Callable[[Model], Work[Any]]",
    *,
    at_once: bool = False,
    kind: Literal["primary", "secondary"] = "primary",
) -> Any | None:
    """Return the result of a study, or draw how to start it or how far it is and return None.

    Args:
        page: For the widget keys, unique on the page.
        label: Of the button that starts it.
        about: Everything that decides the result, with a telling ``repr``.
        make: Returns the generator; called in the worker's thread with the model.
        at_once: Start without being asked, where it takes a second or two.
        kind: Of the button that starts it.
    """
    model = lab().status().model
    if model is None:
        st.info("The model is still being loaded.", icon=":material/hourglass_top:")
        return None
    key = hashlib.sha256(repr((page, model.hash, about)).encode()).hexdigest()[:24]
    view = lab().studies.get(key)
    if view is None and at_once:
        lab().studies.begin(key, make, model.hash, session_id())
        view = lab().studies.get(key)
    if view is not None and view.state == "done":
        return view.result
    if view is not None and view.live:
        _ticking(page, key)
        return None
    _say(view)
    pressed = st.button(  # not by on_click, whose arguments are those of the script before
        label if view is None else "Start again",
        key=f"{page}.start",
        type=kind,
        icon=":material/play_arrow:",
    )
    if pressed:
        lab().studies.begin(key, make, model.hash, session_id())
        st.rerun()
    return None


@st.fragment(run_every=POLL_SECONDS)
def _ticking(page: str, key: str) -> None:
    lab().studies.touch(key, session_id())
    view = lab().studies.get(key)
    if view is None or not view.live:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key=f"{page}_study"):
        share = view.done / view.total if view.total else 0.0
        st.progress(min(1.0, share), text=_progress(view))
        st.button(
            "Cancel",
            key=f"{page}.cancel",
            icon=":material/stop_circle:",
            on_click=_cancel,
            args=(key,),
        )


def _progress(view: StudyView) -> str:
    if not view.done:
        return "Waiting for the model …"
    text = f"Evaluation {view.done:,} of {view.total:,}"
    if view.seconds_left:
        text += f" · {readable_seconds(view.seconds_left)} left"
    return text


def _cancel(key: str) -> None:
    if not lab().studies.cancel(key, session_id()):
        st.toast("Others wait for this too, so it goes on.", icon=":material/group:")


def _say(view: StudyView | None) -> None:
    if view is None:
        return
    if view.state == "failed":
        show_error(view.error)
    else:
        where = f" after evaluation {view.done} of {view.total}" if view.done else ""
        st.info(f"Cancelled{where}.", icon=":material/stop_circle:")
