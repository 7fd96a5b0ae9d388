"""Between two latents: pictures on the straight line and on the great circle, and their norms."""

from typing import Any

import numpy as np
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.widgets.latent_source import Latents, Source, another_sample, choose_source
from dashboard.widgets.latent_statistics import norms
from dashboard.widgets.pictures import draw_picture, png
from dashboard.worker.snapshots import ModelView

SIDE = 160
WAYS = {"spherical": "along the great circle", "linear": "straight through"}
CHUNK = 4


def show(page: str, source: Source, model: ModelView) -> None:
    """Draw the section."""
    second, way = st.columns([2, 3], gap="medium")
    with second:
        st.markdown("**The other end**")
        another_sample(f"{page}.second")
        other = choose_source(f"{page}.second", model)
    with way:
        count = bound().slider("Pictures along the way", 3, 15, 7, key=f"{page}.walk_count")
        st.markdown("From one picture's latents to another's, on two ways.")
    if other is None:
        st.info("Choose another picture or latents file above.", icon=":material/image:")
        return
    if other.latents.shape != source.latents.shape:
        raise ValueError(
            f"both latents must have one size, got {_size(source.latents)} and"
            f" {_size(other.latents)}; choose pictures of one size."
        )
    shares = tuple(np.linspace(0, 1, int(count)).tolist())
    for walk in ("spherical", "linear"):
        strip = _strip(source.latents, other.latents, shares, walk, model.hash)
        st.markdown(f"**{walk.title()}**, {WAYS[walk]}")
        draw_picture(
            strip, f"{count} pictures on the {walk} way from {source.label} to {other.label}"
        )
    norms(page, source.latents, other.latents)


@st.cache_data(max_entries=32, show_spinner="Decoding the way …")
def _strip(
    first: Latents, second: Latents, shares: tuple[float, ...], walk: str, model_hash: str
) -> bytes:
    import torch

    from sdlab.latents.edit import between
    from sdlab.latents.film import strip

    rows = between(torch.from_numpy(first), torch.from_numpy(second), shares, walk).split(1)

    def decode(chunk: Any) -> Any:
        return lab().ask(lambda model: [model.decode(x) for x in chunk], model_hash, session_id())

    frames = [f for at in range(0, len(rows), CHUNK) for f in decode(rows[at : at + CHUNK])]
    for frame in frames:
        frame.thumbnail((SIDE, SIDE))
    return png(strip(frames, len(frames)))


def _size(latents: Latents) -> str:
    return " x ".join(str(side) for side in latents.shape[1:])
