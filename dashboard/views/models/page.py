"""What model is in memory, and the form that loads another."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import show_error
from dashboard.worker.snapshots import LabView, ModelRequest, ModelView
from sdlab.models.memory import readable
from sdlab.shipped import EMBEDDED

DTYPES = ("best for the device", "float32", "bfloat16", "float16")


@st.fragment(run_every=1)
def model_panel() -> None:
    """Draw the model in memory, or what is being loaded, or why that failed."""
    view = lab().status()
    if view.load_error:
        show_error(view.load_error)
    if view.loading:
        st.info(_waiting(view), icon=":material/hourglass_top:")
    if view.model:
        _facts(view.model)
    elif not view.loading:
        st.warning("No model is in memory.", icon=":material/warning:")


def _waiting(view: LabView) -> str:
    if view.running:
        runs = "one run" if view.running == 1 else f"{view.running} runs"
        return f"{view.loading} will be loaded after {runs} of the model in memory."
    return f"Loading {view.loading} …"


def _facts(model: ModelView) -> None:
    with st.container(border=True, key="models_facts"):
        st.header("In memory", anchor=False)
        st.text(model.name)
        width, height = model.default_size
        facts = {
            "Device": model.device_name,
            "Precision": model.dtype,
            "Memory of the weights": readable(model.memory_bytes),
            "Parameters": f"{model.parameters / 1e6:,.1f} M",
            "Trained on": f"{width} x {height} px",
            "Predicts": model.prediction,
            "Family": {"sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x"}.get(
                model.family, model.family
            ),
            "Weights' hash": model.hash,
        }
        with st.grid(4, min_column_width=170):
            for label, value in facts.items():
                with st.container(gap=None):
                    st.caption(label)
                    st.text(value)


def load_form() -> None:
    """Draw the form that asks the worker for another model."""
    with st.form("models.form"):
        st.header("Load another", anchor=False)
        source = st.text_input(
            "Hub id, folder or .safetensors file",
            key="models.source",
            placeholder="stable-diffusion-v1-5/stable-diffusion-v1-5",
            help="A hub id is downloaded by this server; folders and files are on the server's "
            "disk. Weights are read from safetensors only.",
        )
        first, second, third = st.columns(3)
        revision = first.text_input("Revision", key="models.revision", placeholder="main")
        variant = second.text_input("Variant", key="models.variant", placeholder="fp16")
        dtype = third.selectbox("Precision", DTYPES, key="models.dtype")
        token = st.text_input(
            "Access token",
            type="password",
            key="models.token",
            autocomplete="off",
            help="For gated models; it is used once and not stored.",
        )
        asked = st.form_submit_button("Load", icon=":material/download:", type="primary")
    if asked and not (source or "").strip():
        st.warning("Name a hub id, a folder or a file first.", icon=":material/edit:")
    elif asked:
        request = ModelRequest(
            source=source.strip(),
            revision=(revision or "").strip() or None,
            variant=(variant or "").strip() or None,
            dtype=None if dtype == DTYPES[0] else dtype,
            token=(token or "").strip() or None,
        )
        with st.spinner("Looking for it …"):
            waits = lab().load(request)
        if waits:
            st.toast(f"{request.source} is next.", icon=":material/hourglass_top:")
    model = lab().status().model
    if model and model.name != EMBEDDED:
        st.button(
            "Back to the embedded model",
            key="models.embedded",
            icon=":material/undo:",
            on_click=_load_embedded,
        )


def _load_embedded() -> None:
    lab().load(ModelRequest())
