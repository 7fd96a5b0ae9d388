"""A given picture that the Attention page looks at.

It is encoded, noised and passed through the network once, between the network calls of the runs in
flight.
"""

from typing import Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained
from dashboard.views.attention.recording import PAGE, self_layers
from dashboard.views.attention.subject import PickedPicture, Subject, model_in_memory
from dashboard.widgets.pictures import png
from dashboard.widgets.source_picture import choose_picture
from sdlab.attention import views
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.shipped import SHIPPED


def given_subject() -> Subject | None:
    """Draw the choice of a picture, caption and noise level; return its attention."""
    model = model_in_memory()
    if model is None:
        return None
    chosen = choose_picture(PAGE)
    caption = st.text_input(
        "Caption",
        chosen.label if chosen and chosen.source != "upload" else "",
        key=f"{PAGE}.caption.{chosen.name if chosen else ''}",
        placeholder="what the picture shows",
        help="The words whose attention is looked at.",
    )
    left, right = st.columns(2)
    timestep = bound(left).slider(
        "Noise level (timestep)",
        1,
        999,
        views.best(model.name).given_timestep,
        key=f"{PAGE}.timestep",
        help=_level_help(model.name),
    )
    seed = bound(right).number_input("Seed of the noise", 0, 2**32 - 1, 0, key=f"{PAGE}.noise")
    with explained():
        own = self_layers(model)
    if chosen is None:
        return None
    if not (caption or "").strip():
        st.info("Type a caption: what the picture shows.", icon=":material/edit:")
        return None
    with explained(), st.spinner("Passing the picture through the network …"):
        args = (chosen.digest, caption, timestep, int(seed), own, model.hash)
        maps, picture, size, notes = _given(*args, _png=chosen.png)
    if notes:
        st.caption(f"As the network sees it: {' '.join(notes)}")
    key = f"given {args}"
    name = f"given-{chosen.digest}"
    scene = chosen.scene if model.name in SHIPPED and caption == chosen.label else None
    picked = PickedPicture(chosen.png, timestep, int(seed), scene)
    of = (picture, size, caption, model.name, maps, None, model.path == "flow")
    return Subject(key, name, *of, picked=picked)


def _level_help(name: str) -> str:
    """Return what the noise level means, and why it starts where it does."""
    text = (
        "How much noise is added before the network sees the picture: the training timestep, 0 to "
        "999. With much noise the network cannot see the picture. "
    )
    start = views.best(name).given_timestep
    if name in views.BEST:
        return text + (
            f"It starts at {start}: of the levels measured on scenes with known masks "
            "(benchmarks/attention_truth.py) this model's maps found the objects best there."
        )
    return text + f"It starts at {start}, in the middle; for this model it was not measured."


@st.cache_resource(max_entries=6, show_spinner=False)
def _given(
    digest: str,
    caption: str,
    timestep: int,
    seed: int,
    self_layers: tuple[str, ...],
    model_hash: str,
    _png: bytes,
) -> tuple[Any, bytes, tuple[int, int], tuple[str, ...]]:
    """Return a picture's maps, the picture in the network's size, that size, what fitting took."""
    from sdlab.image_files import read_image
    from sdlab.latents.image import encode, fit
    from sdlab.sampling.picture_attention import picture_attention

    def look(model: Any) -> tuple[Any, bytes, tuple[int, int], tuple[str, ...]]:
        width, height = model.default_size
        fitted = fit(read_image(_png), width, height)
        image = fitted.image
        record = AttentionRecord(heads="all", self_layers=self_layers, dtype="float32")
        maps = picture_attention(
            model, encode(model, image), caption, timestep=timestep, seed=seed, record=record
        )
        return maps, png(image, side=512), image.size, fitted.notes

    return lab().ask(look, model_hash=model_hash)
