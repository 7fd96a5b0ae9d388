"""The VAE's stages, and what each latent channel carries."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.navigation import link_to
from dashboard.shell.state import session_id
from dashboard.views.network import seen
from dashboard.views.network.subject import studied
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import why
from dashboard.widgets.latent_source import Latents, Source, choose_source
from dashboard.widgets.pictures import draw_picture, png
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.anatomy.features import FeatureMaps
    from sdlab.models.model import Model
    from sdlab.work import Work

SIDE = 168


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    left, right = st.columns([3, 9], gap="medium")
    with left:
        source = choose_source(f"{page}.vae", model)
    with right:
        if source is None:
            st.info("Choose a picture on the left.", icon=":material/image:")
            return
        stages = _stages(source, model)
        if source.image is not None:
            st.header("From the picture to its latents", anchor=False)
            _row(stages["encoder"])
        st.header("From the latents to the picture", anchor=False)
        _row(stages["decoder"])
        why(seen.WHY_VAE)
        _numbers(page, stages)
    _carried(page, source, model)


def _row(stages: "tuple[FeatureMaps, ...]") -> None:
    with st.grid(min(7, len(stages)), min_column_width=80, gap="small"):
        for maps in stages:
            picture, said, whole = _drawn(maps.block, float(maps.values.double().sum()), maps)
            with st.container(gap="xsmall"):
                draw_picture(picture, whole)
                st.caption(said, help=whole)


@st.cache_data(max_entries=128, show_spinner=False)
def _drawn(block: str, digest: float, _maps: "FeatureMaps") -> tuple[bytes, str, str]:
    found = _maps.components()
    channels, height, width = _maps.values.shape
    name = block.partition(".")[2].replace("_blocks.", " ").replace("_", " ")
    whole = (
        f"{block}: {channels} channels of {width} x {height}; the three colours carry "
        f"{sum(found.shares):.0%} of their variance."
    )
    return png(found.image(), SIDE), f"{name}: {channels} x {width} x {height}", whole


def _stages(source: Source, model: ModelView) -> "dict[str, tuple[FeatureMaps, ...]]":
    picture = None if source.image is None else png(source.image)
    return _computed(source.digest, picture, model.hash, source.latents)


@st.cache_data(max_entries=16, show_spinner="Passing it through the VAE …")
def _computed(
    digest: str, picture: bytes | None, model_hash: str, _latents: Latents
) -> "dict[str, tuple[FeatureMaps, ...]]":
    import io

    import torch
    from PIL import Image

    from sdlab.anatomy.vae_stages import decoder_stages, encoder_stages

    def pass_through(model: Any) -> "dict[str, tuple[FeatureMaps, ...]]":
        found = {"decoder": decoder_stages(model, torch.from_numpy(_latents))}
        if picture is not None:
            found["encoder"] = encoder_stages(model, Image.open(io.BytesIO(picture)))
        return found

    return lab().ask(pass_through, model_hash, session_id())


def _numbers(page: str, stages: "dict[str, tuple[FeatureMaps, ...]]") -> None:
    import pandas as pd

    from sdlab.anatomy.features import statistics

    rows: list[dict[str, Any]] = []
    for half in ("encoder", "decoder"):
        for maps in stages.get(half, ()):
            channels, height, width = maps.values.shape
            size = {"stage": maps.block, "channels": channels, "height": height, "width": width}
            rows.append(size | statistics(maps.values))
    about = "What each stage puts out: size, mean, spread, range, dead channels."
    csv_table(pd.DataFrame(rows), "vae-stages", f"{page}.csv_vae", about, shown=False)


def _carried(page: str, source: Source, model: ModelView) -> None:
    from sdlab.anatomy.vae_stages import SHIFTS

    st.header("What each latent channel carries", anchor=False)
    about = (source.digest, SHIFTS)
    make = partial(_shifted, source.latents)
    channels = source.latents.shape[1]
    rows = studied(f"{page}.shift", "Change each channel", about, make) if channels <= 8 else None
    if channels > 8:
        channel_grid(source.latents, source.label)
    if rows is not None:
        names = ", ".join(f"{amount:+g}" for amount in SHIFTS)
        with st.grid(2, min_column_width=330, gap="medium"):
            for channel, (strip, differences) in enumerate(rows):
                with st.container(gap="xsmall"):
                    said = f"Channel {channel} with {names} added"
                    draw_picture(strip, said)
                    st.caption(
                        f"{said}: the picture changes by {differences[-1]:.0f} of 255 (RMS)."
                    )
        table = _changes(rows, SHIFTS)
        csv_table(
            table, "latent-channels", f"{page}.csv_shift",
            "How much the picture changes with each channel.", shown=False,
        )  # fmt: skip
    link_to("latents", "Change them by hand")


def _changes(rows: Any, shifts: tuple[float, ...]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {"channel": channel, "added": amount, "rms": rms}
            for channel, (_, differences) in enumerate(rows)
            for amount, rms in zip(shifts, differences, strict=True)
        ]
    )


def _shifted(latents: Latents, model: "Model") -> "Work[list[tuple[bytes, list[float]]]]":
    """Return for each channel a strip of its pictures and their RMS differences, 0 ... 255."""
    import torch

    from sdlab.anatomy.vae_stages import shifting_channels
    from sdlab.latents.film import strip

    x = torch.from_numpy(latents)
    rows = yield from shifting_channels(model, x)
    plain = np.asarray(model.decode(x), float)
    found = []
    for row in rows:
        gaps = [float(np.sqrt(((np.asarray(one, float) - plain) ** 2).mean())) for one in row]
        for one in row:
            one.thumbnail((SIDE, SIDE))
        found.append((png(strip(row, len(row))), gaps))
    return found
