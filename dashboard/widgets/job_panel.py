"""A run in progress, or one that ended without a picture: preview, progress, cancel, what to do."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import show_error
from dashboard.shell.model_choice import say_swap
from dashboard.shell.state import come_back, leave, session_id, watches
from dashboard.worker.snapshots import JobView

POLL_SECONDS = 0.4
HEARTBEAT_SECONDS = 5.0


def job_panel(run: str, page: str) -> None:
    """Draw a run that is not done; while it lives the panel keeps itself up to date.

    Args:
        run: The run's id.
        page: For the widget keys: the page's name.
    """
    view = lab().get(run)
    if view is not None and view.live:
        _live(run, page)
    elif view is not None:
        _ended(view, page)


@st.fragment(run_every=HEARTBEAT_SECONDS)
def _live(run: str, page: str) -> None:
    """Draw what ticks, and wind it up anew now and then: a browser may lose a timer."""
    _ticking(run, page)


@st.fragment(run_every=POLL_SECONDS)
def _ticking(run: str, page: str) -> None:
    if watches(run):
        lab().touch(run, session_id())
    view = lab().get(run)
    if view is None or not view.live:
        st.rerun()
    with st.container(key=f"{page}_live"):
        _preview(view)
        _progress(view)
        _buttons(view, page)


def _preview(view: JobView) -> None:
    if view.preview:
        alt = f"Preview of x0_pred after evaluation {view.evaluation} of {view.nfe}"
        st.image(view.preview, output_format="PNG", alt=alt)
    else:
        st.container(height=180, border=True).caption("The preview appears with the first step.")


def _progress(view: JobView) -> None:
    st.progress(view.evaluation / view.nfe if view.nfe else 0.0, text=progress_text(view))


def progress_text(view: JobView) -> str:
    """Return the progress of a live run in one line."""
    if view.state == "queued":
        model = lab().status().loading
        wait = f"Loading {model.rpartition('/')[2]}" if model else "Waiting"
        return f"{wait} · place {view.position} in the queue" if view.position else f"{wait} …"
    if view.state in ("decoding", "saving"):
        return f"{view.state.title()} …"
    parts = [f"Evaluation {view.evaluation} of {view.nfe}"]
    if view.rate:
        parts.append(f"{view.rate:.3g} steps/s")
    if view.seconds_left is not None:
        parts.append(f"{readable_seconds(view.seconds_left)} left")
    return " · ".join(parts)


def readable_seconds(seconds: float) -> str:
    """Return a duration such as "4 s", "2 min 5 s" or "1 h 3 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _buttons(view: JobView, page: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if watches(view.id):
            st.button(
                "Cancel",
                key=f"{page}.cancel",
                icon=":material/stop_circle:",
                on_click=_cancel,
                args=(view.id,),
            )
        else:
            st.button("Watch again", key=f"{page}.watch", on_click=come_back, args=(view.id,))
        others = view.shared - watches(view.id)
        if others > 0:
            who = "one other session waits" if others == 1 else f"{others} other sessions wait"
            st.caption(f":material/group: {who} for this run too")


def _cancel(run: str) -> None:
    if lab().cancel(run, session_id()) == "left":
        leave(run)
        st.toast("Others wait for this run, so it goes on without you.", icon=":material/group:")


def _ended(view: JobView, page: str) -> None:
    if view.state == "failed":
        show_error(view.error or "The run failed.")
    elif view.state == "cancelled":
        where = f" after evaluation {view.evaluation} of {view.nfe}" if view.nfe else ""
        st.info(f"Cancelled{where}.", icon=":material/stop_circle:")
    else:
        st.warning(
            "Interrupted: the server stopped before this run was done.",
            icon=":material/power_off:",
        )
    if view.preview:
        st.image(view.preview, output_format="PNG", alt="The last preview of this run")
    if not view.unsaved:
        say_swap(view.experiment.model)
    with st.container(horizontal=True):
        if view.unsaved:
            st.button(
                "Save again",
                key=f"{page}.save_again",
                icon=":material/save:",
                on_click=lab().save_again,
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


def _again(view: JobView) -> None:
    come_back(view.id)
    lab().submit(view.experiment)
