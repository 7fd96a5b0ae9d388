"""What the VAE loses of a picture: before and after, PSNR, SSIM, the error map."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.views.latents import seen
from dashboard.widgets.channel_pictures import scale_bar
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import why
from dashboard.widgets.latent_source import Source
from dashboard.widgets.pictures import draw_picture, png
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from PIL import Image

SIDE = 512


def show(page: str, source: Source, model: ModelView) -> None:
    """Draw the section."""
    if source.image is None:
        st.info(
            "A latents file has no picture to compare with: choose a picture.",
            icon=":material/compare:",
        )
        return
    image = source.image
    trip = _round_trip(png(image), model.hash)
    st.markdown("The picture, encoded and decoded again: what is lost here no sampler can draw.")
    for note in trip.notes:
        st.warning(note, icon=":material/warning:")
    _measures(trip)
    _three(image, trip)
    why(seen.WHY_LOSS, *seen.LOSS)
    _tiles(page, trip, model)
    csv_table(
        _table(source, trip), "latents-round-trip", f"{page}.csv_round_trip",
        "What the round trip lost.",
    )  # fmt: skip


@st.cache_data(max_entries=32, show_spinner="Encoding and decoding …")
def _round_trip(picture: bytes, model_hash: str) -> Any:
    import io

    from PIL import Image

    from sdlab.latents.round_trip import round_trip

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return lab().ask(lambda model: round_trip(model, image), model_hash, session_id())


def _measures(trip: Any) -> None:
    alike = trip.likeness
    with st.container(horizontal=True):
        st.metric("PSNR", f"{alike.psnr:.2f} dB", border=True, help=definition("PSNR"))
        ssim = "none below 11 px" if np.isnan(alike.ssim) else f"{alike.ssim:.4f}"
        st.metric("SSIM", ssim, border=True, help=definition("SSIM"))
        st.metric(
            "RMSE",
            f"{alike.rmse:.2f}",
            border=True,
            help=f"{definition('RMSE')} Of pixel values 0 to 255.",
        )
        st.metric("Largest error", f"{alike.error.max():.0f}", border=True, help="Of a pixel.")


def _three(image: "Image.Image", trip: Any) -> None:
    from sdlab.latents.maps import HEAT, heat_map, squares

    error = trip.likeness.error
    limit = max(1.0, float(error.max()))
    with st.grid(3, min_column_width=180, gap="medium"):
        for picture, caption in (
            (squares(image, SIDE), "The picture"),
            (squares(trip.decoded, SIDE), "Encoded and decoded"),
            (heat_map(error, limit, SIDE), "Error of each pixel"),
        ):
            with st.container(gap="xsmall"):
                draw_picture(png(picture), caption)
                st.caption(caption)
    scale_bar(HEAT, "0", f"{limit:.0f} of 255 (mean over R, G, B)")


def _tiles(page: str, trip: Any, model: ModelView) -> None:
    with st.expander("Decode in tiles", icon=":material/grid_on:", key=f"{page}.tiles"):
        st.markdown(
            "For sizes that do not fit into memory, the VAE can decode tiles of its training size "
            "and blend their seams. Each tile is normalised by itself, so colours may shift."
        )
        if bound().toggle("Decode this picture in tiles", key=f"{page}.tiled"):
            tiled, alike = _tiled(trip.latents.numpy(), model.hash)
            draw_picture(tiled, "Decoded in tiles", 384)
            same = np.isinf(alike.psnr)
            st.caption(
                "Equal to decoding at once." if same else
                f"PSNR {alike.psnr:.2f} dB and SSIM {alike.ssim:.4f} against decoding at once."
            )  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Decoding in tiles …")
def _tiled(latents: Any, model_hash: str) -> tuple[bytes, Any]:
    import torch

    from sdlab.latents.maps import squares
    from sdlab.latents.round_trip import likeness

    x = torch.from_numpy(latents)
    tiled = lab().ask(lambda model: model.decode(x, tiled=True), model_hash, session_id())
    whole = lab().ask(lambda model: model.decode(x), model_hash, session_id())
    return png(squares(tiled, SIDE)), likeness(whole, tiled)


def _table(source: Source, trip: Any) -> pd.DataFrame:
    alike, image = trip.likeness, source.image
    assert image is not None
    row = {
        "picture": source.label, "width": image.width, "height": image.height,
        "psnr_db": alike.psnr, "ssim": alike.ssim, "rmse": alike.rmse,
        "mean_error": float(alike.error.mean()), "max_error": float(alike.error.max()),
    }  # fmt: skip
    return pd.DataFrame([row])
