"""Experiments: change the latents by hand, decode, compare, save."""

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.downloads import file_button
from dashboard.widgets.latent_source import Latents, Source, decoded
from dashboard.widgets.latent_statistics import statistics
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.typed import parse_seed
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from torch import Tensor

EXPERIMENTS = {
    "Zero a channel": "What does the picture lose without one channel?",
    "Scale a channel": "One channel times a factor: more or less of what it carries.",
    "Shift a channel": "A constant added to one channel.",
    "Swap two channels": "Two channels exchanged: each means something else to the decoder.",
    "Add noise": "Latents plus sigma times standard normal noise of a seed.",
    "Crop": "A rectangle of the latents; the decoder does not mind the size.",
    "Flip": "Mirrored latents decode to nearly, not exactly, the mirrored picture.",
    "Roll": "Moved by whole latent pixels; what leaves enters on the opposite side.",
}


def show(page: str, source: Source, model: ModelView) -> None:
    """Draw the section."""
    name = bound().selectbox("Experiment", list(EXPERIMENTS), key=f"{page}.experiment")
    st.caption(EXPERIMENTS[name])
    changed = _changed(page, name, source.latents)
    before, after = st.columns(2, gap="medium")
    for column, latents, caption in (
        (before, source.latents, "Before"),
        (after, changed, f"After: {name.lower()}"),
    ):
        with column:
            draw_picture(decoded(latents, model), caption)
        column.caption(caption)
    _difference(source.latents, changed)
    _save(page, changed, f"{source.label}: {name.lower()}", model)
    st.header("Channels after", anchor=False)
    channel_grid(changed, f"{source.label} after: {name.lower()}")
    statistics(page, changed)


def _changed(page: str, name: str, latents: Latents) -> Latents:
    import torch

    x = torch.from_numpy(latents)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        out = _edited(page, name, x)
    return np.ascontiguousarray(out.numpy())


def _edited(page: str, name: str, x: "Tensor") -> "Tensor":
    from sdlab.latents import edit

    if name == "Zero a channel":
        return edit.zero(x, _channel(page, x))
    if name == "Scale a channel":
        channel = _channel(page, x)
        return edit.scale(x, channel, _number(page, "Factor", -10.0, 10.0, 2.0, 0.25))
    if name == "Shift a channel":
        channel = _channel(page, x)
        return edit.shift(x, channel, _number(page, "Amount", -10.0, 10.0, 1.0, 0.25))
    if name == "Swap two channels":
        first = _channel(page, x)
        return edit.swap(x, first, _channel(page, x, "With channel", min(1, x.shape[1] - 1)))
    if name == "Add noise":
        sigma = _number(page, "Sigma", 0.0, 100.0, 0.5, 0.1)
        text = bound().text_input("Seed", "7", key=f"{page}.noise_seed", width=140)
        return edit.add_noise(x, sigma, parse_seed(text or ""))
    if name == "Crop":
        return _cropped(page, x)
    if name == "Flip":
        way = bound().segmented_control(
            "Direction", ("Left to right", "Top to bottom"), key=f"{page}.flip"
        )
        return edit.flip(x, vertical=way == "Top to bottom")
    height, width = x.shape[-2:]
    down = _whole(page, "Down", -height, height, 0)
    return edit.roll(x, down, _whole(page, "Right", -width, width, width // 4))


def _cropped(page: str, x: "Tensor") -> "Tensor":
    from sdlab.latents.edit import crop

    height, width = x.shape[-2:]
    top = _whole(page, "Top", 0, height - 1, 0)
    left = _whole(page, "Left", 0, width - 1, 0)
    tall = _whole(page, "Height", 1, height, max(1, height // 2))
    wide = _whole(page, "Width", 1, width, max(1, width // 2))
    return crop(x, top, left, tall, wide)


def _channel(page: str, x: "Tensor", label: str = "Channel", default: int = 0) -> int:
    return _whole(page, label, 0, x.shape[1] - 1, default)


def _whole(page: str, label: str, low: int, high: int, default: int) -> int:
    key = f"{page}.{label.lower().replace(' ', '_')}"
    value = bound().number_input(label, low, high, default, key=key, width=130)
    return int(value)


def _number(page: str, label: str, low: float, high: float, default: float, step: float) -> float:
    key = f"{page}.{label.lower()}"
    return float(bound().number_input(label, low, high, default, step, key=key, width=140))


def _difference(before: Latents, after: Latents) -> None:
    if before.shape != after.shape:
        st.caption(f"Of another size: {after.shape[3]} x {after.shape[2]} latent pixels.")
        return
    rms = float(np.sqrt(np.mean((after - before) ** 2)))
    size = float(np.sqrt(np.mean(before**2))) or 1.0
    st.caption(
        f"RMS difference of the latents: {rms:.4g}, which is {rms / size:.1%} of their own RMS."
    )


def _save(page: str, latents: Latents, note: str, model: ModelView) -> None:
    file_button(
        "Save latents (safetensors)",
        _file(latents, note, model.hash),
        "latents.safetensors",
        f"{page}.save",
        "save",
        "With the model's hash and scaling; open it again on the left.",
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _file(latents: Latents, note: str, model_hash: str) -> bytes:
    def run(model: Any) -> bytes:
        import torch

        from sdlab.latents.files import latents_bytes

        return latents_bytes(model, torch.from_numpy(latents), note)

    return lab().ask(run, model_hash, session_id())
