"""What models are in memory, and the form that loads another."""

import streamlit as st

from dashboard.shell.keyboard import RUN
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, show_error
from dashboard.shell.model_choice import in_words, offer_use
from dashboard.shell.presses import Press, press_of
from dashboard.views.models.listing import load
from dashboard.views.models.way_on import way_on
from dashboard.widgets.load_progress import load_progress
from dashboard.worker.snapshots import LabView, ModelRequest, ModelView
from sdlab.models.families import label
from sdlab.models.memory import readable

_PATHS = {"vp": "variance preserving", "flow": "flow matching", "": "its scheduler's own"}
_TOKEN, _ONCE = "models.token", "models.token_once"
OFFLOADS = ("all on the device", "model", "sequential")
NO_OFFLOAD = "needs CUDA; this is the CPU"
DTYPES = ("best for the device", "float32", "bfloat16", "float16")


@st.fragment(run_every=1)
def model_panel() -> None:
    """Draw the models in memory, or what is being loaded, or why that failed."""
    view = lab().status()
    if view.load_cancelled and not view.loading:
        st.info(plain(view.load_error), icon=":material/stop_circle:")
    elif view.load_error:
        show_error(view.load_error)
    if view.loading:
        load_progress("models", view)
    if view.model:
        _facts(view.model)
        _others(view)
    elif not view.loading:
        st.warning("No model is in memory.", icon=":material/warning:")


def _others(view: LabView) -> None:
    """Draw the other models in memory, with the way to work with them."""
    others = [held for held in view.held if view.model and held.name != view.model.name]
    for place, held in enumerate(others):
        with st.container(
            horizontal=True, vertical_alignment="center", key=f"models_other_{place}"
        ):
            st.markdown(
                f":material/memory: **{plain(in_words(held.name))}** is in memory too, "
                f"{readable(held.memory_bytes)} of weights on {plain(held.device_name)}.",
                width="stretch",
            )
            offer_use(held.name, f"models.other_{place}")


def _facts(model: ModelView) -> None:
    with st.container(border=True, key="models_facts"):
        st.header("In memory", anchor=False)
        st.text(model.name)
        st.caption(plain(f"From: {model.origin}"))
        width, height = model.default_size
        facts = {
            "Family": label(model.family),
            "Pipeline": model.pipeline,
            "Noise": _PATHS[model.path],
            "Predicts": model.prediction,
            "Device": model.device_name,
            "Precision": model.dtype,
            "Memory of the weights": readable(model.memory_bytes),
            "Parameters": f"{model.parameters / 1e6:,.1f} M",
            "Drawn if not told": f"{width} x {height} px",
            "Weights' hash": model.hash,
        }
        with st.grid(5, min_column_width=170):
            for name, value in facts.items():
                with st.container(gap=None):
                    st.caption(name)
                    st.text(value)
        st.markdown("\n".join(f"- {line}" for line in abilities(model)))
        way_on(model)
        with st.expander(f"Its {len(model.parts)} parts", icon=":material/account_tree:"):
            _parts(model)


def abilities(model: ModelView) -> list[str]:
    """Return in sentences what a model can do, and what cannot be done with it."""
    drawing = f"Draws {_listed(model.draws)}." if model.draws else "Draws by its pipeline's call."
    runs = (
        "Runs on the laboratory's own sampling path, with every solver."
        if model.plain
        else "Runs by its pipeline's own call; steps and statistics are read from it."
    )
    attention = (
        f"Its attention cannot be read: {model.unread}"
        if model.unread
        else "Its attention can be read."
    )
    return [plain(drawing), runs, plain(attention)]


def _listed(words: tuple[str, ...]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _parts(model: ModelView) -> None:
    rows = [
        {
            "Part": part.name,
            "Class": part.kind,
            "Parameters": f"{part.parameters:,}",
            "Memory": readable(part.memory_bytes),
            "Precision": part.dtype,
            "Device": part.device,
        }
        for part in model.parts
    ]
    st.dataframe(rows, hide_index=True, alt="The parts of the model in memory")


def load_form() -> None:
    """Draw the form that asks the worker for another model."""
    press = press_of("models.load")
    with st.form("models.form"):
        st.header("Load another", anchor=False)
        source = st.text_input(
            "Hub id, folder or .safetensors file",
            key="models.source",
            placeholder="stable-diffusion-v1-5/stable-diffusion-v1-5",
            help="Any text-to-image pipeline of diffusers. A hub id is downloaded by this server; "
            "folders and files are on the server's disk. Weights are read from safetensors only, "
            "and code that comes with a model is never run.",
        )
        with st.expander(
            "Revision, precision, gated models, little memory", icon=":material/tune:"
        ):
            first, second, third = st.columns(3)
            revision = first.text_input("Revision", key="models.revision", placeholder="main")
            variant = second.text_input("Variant", key="models.variant", placeholder="fp16")
            dtype = third.selectbox("Precision", DTYPES, key="models.dtype")
            st.text_input(
                "Access token",
                type="password",
                key=_TOKEN,
                autocomplete="off",
                help="For gated models: it is used for this load and then forgotten.",
            )
            config = st.text_input(
                "Configs for a file",
                key="models.config",
                help="A folder of the pipeline that a .safetensors file is of, with its configs "
                "and tokenizers: for what is not Stable Diffusion 1.x, 2.x or XL, or of another "
                "size.",
            )
            offload, tiled = _for_little_memory()
        st.form_submit_button(
            "Load",
            icon=":material/download:",
            type="primary",
            shortcut=RUN,
            on_click=_note,
            args=(press,),
        )
    if press.wanted() and not (source or "").strip():
        st.warning("Name a hub id, a folder or a file first.", icon=":material/edit:")
        _token_once()
        press.end()
    elif press.wanted():
        request = ModelRequest(
            source=source.strip(),
            revision=(revision or "").strip() or None,
            variant=(variant or "").strip() or None,
            dtype=None if dtype == DTYPES[0] else dtype,
            token=_token_once(),
            config=(config or "").strip() or None,
            offload=offload,
            tiled=tiled,
        )
        load(request, press)


def _note(press: Press) -> None:
    """Note a press, and move the token out of its field, which is empty from now on."""
    press.note()
    st.session_state[_ONCE] = (st.session_state.get(_TOKEN) or "").strip()
    st.session_state[_TOKEN] = ""


def _token_once() -> str | None:
    """Return the token that was given with the press, which the session then no longer has."""
    return st.session_state.pop(_ONCE, "") or None


def _for_little_memory() -> tuple[str | None, bool]:
    """Draw what saves memory; return (offload, whether to tile)."""
    apart = _device() != "cpu"
    first, second = st.columns(2, vertical_alignment="center")
    offload = first.selectbox(
        "Offload",
        OFFLOADS if apart else (NO_OFFLOAD,),
        key="models.offload" if apart else "models.no_offload",
        disabled=not apart,
        help="For a model whose weights do not fit on the GPU: they wait in the machine's memory. "
        "**model**: one part at a time is on the GPU, so the largest part must fit; a little "
        "slower. **sequential**: one layer at a time, for a part that does not fit even alone; "
        "many times slower. Pictures are the same, bit for bit.",
    )
    tiled = second.checkbox(
        "Decode large pictures in tiles",
        key="models.tiled",
        help="For a run that has its steps but no memory left to decode: the VAE then needs that "
        "of one tile, not of the whole picture. Only pictures larger than the VAE's own size "
        "are tiled; colours may shift a little from tile to tile.",
    )
    return (offload if offload in OFFLOADS[1:] else None), tiled


def _device() -> str:
    """Return where the model in memory computes; without one, where the next will."""
    view = lab().status().model
    if view is not None:
        return view.device
    from sdlab.models.devices import choose_device

    return choose_device(None).type
