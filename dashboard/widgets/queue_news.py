"""What there is to say of the queue: what goes on after a restart, and what threatens it."""

import time
from collections.abc import Sequence

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, without_places
from dashboard.shell.state import session_id
from dashboard.shell.visitor import visitor
from dashboard.worker.snapshots import RunSnapshot

NEWS_SECONDS = 600.0
STARTED_ANEW = (
    "The worker broke and was started anew; the runs that it was making have begun again. A run "
    "that breaks it twice at the same place is set aside, and listed on the Runs page."
)


@st.fragment(run_every=3)
def queue_news(page: str) -> None:
    """Draw what there is to say of the queue; nothing, as a rule. Keeps itself up to date.

    Args:
        page: For the widget keys: the page's name.
    """
    if trouble := lab().known_runs.queue_trouble():
        st.warning(plain(without_places(trouble)), icon=":material/hard_drive:")
    if time.monotonic() - lab().measures.restarted_at < NEWS_SECONDS:
        st.info(STARTED_ANEW, icon=":material/restart_alt:")
    who = visitor()
    resumed = lab().known_runs.resumed(None if who.operator else who.id)
    if resumed:
        with st.container(
            key=f"{page}_resumed", border=True, horizontal=True, vertical_alignment="center"
        ):
            own = lab().known_runs.resumed(who.id) if who.id else resumed
            st.text(goes_on(len(resumed), len(resumed) - len(own)), width="stretch")
            st.button(
                "Cancel them" if len(resumed) > 1 else "Cancel it",
                key=f"{page}.cancel_resumed",
                icon=":material/stop_circle:",
                type="tertiary",
                on_click=_cancel,
                args=(resumed,),
            )


def goes_on(count: int, others: int = 0) -> str:
    """Return what is said of so many runs that servers before left.

    Args:
        count: How many there are.
        others: How many of them are other people's, as an operator is shown them too.
    """
    whose = (
        f" {others:,} of them {'is' if others == 1 else 'are'} other people's." if others else ""
    )
    if count == 1:
        return "1 run from before the server's restart goes on." + " It is not yours." * others
    return f"{count:,} runs from before the server's restart go on.{whose}"


def _cancel(runs: Sequence[RunSnapshot]) -> None:
    for run in runs:
        lab().cancel(run.id, session_id(), visitor().id)
