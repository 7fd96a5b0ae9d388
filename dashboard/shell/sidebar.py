"""The sidebar panel that every page has: the model, its device, and the queue."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.model_choice import in_words
from dashboard.worker.snapshots import LabView, ModelView
from sdlab.models.memory import readable

POLL_SECONDS = 2
GOES_ON = (
    "It goes on while you are on another page, and is there when you come back with the same "
    "fields. What is no run ends a little after the browser's tab is closed."
)
_OVERFLOWS = "Its VAE overflows in {}; pictures that do so go through it in float32."


@st.fragment(run_every=POLL_SECONDS)
def device_panel() -> None:
    """Draw the model, its device and the queue; keeps itself up to date."""
    view = lab().status()
    with st.container(key="sidebar_panel", gap="xsmall"):
        if view.model:
            _model(view.model)
            if view.vae_overflows:
                st.caption(f":material/warning: {_OVERFLOWS.format(view.model.dtype)}")
        _activity(view)


def _model(model: ModelView) -> None:
    st.markdown(f":material/deployed_code: **{plain(in_words(model.name))}**")
    st.caption(
        f"{plain(model.origin)}  \n"
        f"{plain(model.device_name)} · {model.dtype}  \n"
        f"{model.parameters / 1e6:,.1f} M parameters · {readable(model.memory_bytes)}"
    )


def _going(view: LabView) -> str:
    """Return what is being computed: "2 runs", "1 computation", or both."""
    counts = ((view.running, "run"), (view.studies, "computation"))
    return " and ".join(f"{n} {word}{'s' * (n > 1)}" for n, word in counts if n)


def _activity(view: LabView) -> None:
    if view.stopped:
        st.badge("worker stopped: restart the server", icon=":material/error:", color="red")
    elif view.loading:
        st.badge(
            f"loading {plain(in_words(view.loading))}",
            icon=":material/hourglass_top:",
            color="orange",
        )
    elif view.running or view.studies:
        st.badge(f"{_going(view)} going", icon=":material/bolt:", color="green", help=GOES_ON)
    elif view.model:
        st.badge("idle", icon=":material/check_circle:", color="gray")
    else:
        st.badge("no model", icon=":material/error:", color="red")
    if view.queued:
        st.badge(f"{view.queued} waiting", icon=":material/schedule:", color="blue")
