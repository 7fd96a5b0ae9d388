"""What latents hold: maps, and statistics against the noise that a run starts from."""

import streamlit as st

from dashboard.views.latents import seen
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.figure import why
from dashboard.widgets.latent_source import Source, decoded, in_tiles
from dashboard.widgets.latent_statistics import statistics
from dashboard.widgets.pictures import draw_picture
from dashboard.worker.snapshots import ModelView


def show(page: str, source: Source, model: ModelView) -> None:
    """Draw the section."""
    st.header("Channels", anchor=False)
    picture, maps = st.columns([1, 3], gap="medium")
    with picture:
        draw_picture(decoded(source.latents, model), f"Decoded: {source.label}")
        tiles = ", in tiles" if in_tiles(source.latents, model) else ""
        st.caption(f"Decoded by the VAE{tiles}")
    with maps:
        channel_grid(source.latents, source.label)
        st.caption("Every latent channel as a map, all on one scale.")
        why(seen.WHY_CHANNELS, *seen.CODED)
    statistics(page, source.latents)
