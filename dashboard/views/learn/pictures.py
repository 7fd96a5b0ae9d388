"""The last stations: latents, the VAE, and what other models do otherwise."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.charts.learn import shares
from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.views.learn.lesson import Lesson
from dashboard.views.learn.station import Equations, Station, Way
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.figure import figure
from dashboard.widgets.pictures import draw_picture, enlarged
from dashboard.widgets.run_ways import latents_of

if TYPE_CHECKING:
    from sdlab.models.model import Model

MODELS = pd.DataFrame(
    [
        ("Stable Diffusion 1.x", "CLIP, 77 x 768", "U-Net", "eps, VP", "4 channels"),
        ("Stable Diffusion 2.x", "OpenCLIP, 77 x 1024", "U-Net", "eps or v, VP", "4 channels"),
        ("Stable Diffusion XL", "two CLIPs, 77 x 2048", "larger U-Net", "eps, VP", "4 channels"),
        ("Stable Diffusion 3", "two CLIPs and T5", "transformer", "velocity, flow", "16 channels"),
        ("Flux", "CLIP's one vector and T5", "transformer", "velocity, flow", "16 channels"),
    ],
    columns=["model", "words", "network", "predicts", "latents"],
)
MOST_CHANNELS = 4


def draw_latents(lesson: Lesson) -> None:
    """Draw the channels of the final latents."""
    channel_grid(lesson.latents[None, :MOST_CHANNELS].numpy(), "the final latents")
    st.caption("Your run's final latents: no channel is a colour; the decoder reads all together.")


def latent_equations(lesson: Lesson) -> Equations:
    """Return the variance of x_t from that of the picture, and as it was measured."""
    signal, noise = lesson.mixture()
    of_picture = float(lesson.latents.var(correction=0))
    measured = float(lesson.x_t.var(correction=0))
    channels, height, width = lesson.latents.shape
    return [
        rf"x_0 \in \mathbb{{R}}^{{{channels} \times {height} \times {width}}}",
        r"\mathrm{var}(x_t) = a^2\,\mathrm{var}(x_0) + b^2",
        rf"{signal**2:.3f} \cdot {of_picture:.3f} + {noise**2:.3f} = "
        rf"{signal**2 * of_picture + noise**2:.3f}",
    ], (
        f"Measured at evaluation {lesson.number}: {measured:.3f}. The two are equal where picture "
        "and noise have nothing in common; late in a run they have a little."
    )


def try_latents(lesson: Lesson) -> Way:
    """Return the way to changing the latents."""
    fields = {**latents_of(lesson.run.id), "latents.section": "Experiments"}
    return Way(
        "Change one channel, and see which part of the picture it carries.",
        "latents", "Change the latents of this run", fields,
    )  # fmt: skip


def draw_vae(lesson: Lesson) -> None:
    """Draw the picture."""
    with st.container(width=380):
        draw_picture(enlarged(lesson.stored.picture), f"The picture of: {lesson.experiment.prompt}")
    st.caption("Decoded from the latents in one call; no noise is left, and no step follows.")


@st.cache_data(max_entries=24, show_spinner=False)
def _lost(model_hash: str, run: str, created: str, _lesson: Lesson) -> float | None:
    """Return the PSNR of the run's picture encoded and decoded again, in decibels."""
    from sdlab.latents.image import encode
    from sdlab.noise.forward import psnr

    image = _lesson.run.image.convert("RGB")

    def again(model: "Model") -> float:
        decoded = model.decode(encode(model, image))
        before, after = (np.asarray(each.convert("RGB"), float) for each in (image, decoded))
        return psnr(before, after, 255.0)

    return lab().ask(again, model_hash, session_id())


def vae_equations(lesson: Lesson) -> Equations:
    """Return encoder and decoder, how much smaller latents are, and what a round trip loses."""
    facts = lesson.stored.manifest
    pixels, values = 3 * facts["width"] * facts["height"], lesson.latents.numel()
    symbols = [
        r"z = s\,\mathrm{E}(\text{picture})",
        r"\mathrm{D}(z / s) \approx \text{picture}",
        rf"\frac{{{pixels}}}{{{values}}} = {pixels / values:.3g}",
    ]
    told = f"{values:,} latent values stand for {pixels:,} pixel values."
    model = lab().status().model
    if model is not None and model.decodes_fast and model.hash == facts["model"].get("hash"):
        psnr = _lost(model.hash, lesson.run.id, str(facts["created"]), lesson)
        told += f" Your picture encoded and decoded again has a PSNR of {psnr:.1f} dB."
    return symbols, told


def try_vae(lesson: Lesson) -> Way:
    """Return the way to the VAE's round trip of the picture."""
    fields = {**latents_of(lesson.run.id), "latents.section": "VAE round trip"}
    return Way(
        "Encode your picture and decode it again, with a map of what is lost; then try a photo.",
        "latents", "Round trip of this picture", fields,
    )  # fmt: skip


def draw_variants(lesson: Lesson) -> None:
    """Draw the same noise levels mixed in two ways, and what else differs."""
    sigma = lesson.run.steps["sigma"].to_numpy(dtype=float)
    with np.errstate(divide="ignore"):
        vp, flow = 1 / np.sqrt(1 + 1 / sigma**2), 1 / (1 + 1 / sigma)
    table = lesson.run.steps.assign(vp_noise=vp, flow_noise=flow)
    figure(shares(table), "Your run's levels: flow matching draws the noise down in a line.")
    st.dataframe(MODELS, hide_index=True, alt="What other models do otherwise", placeholder="")


def variant_equations(lesson: Lesson) -> Equations:
    """Return how the two mixtures come to the same noise level, with the middle one's numbers."""
    sigma = float(lesson.row["sigma"])
    return [
        r"x_t = (1 - t)\,x_0 + t\,\epsilon",
        r"v = \epsilon - x_0",
        r"t = \frac{\sigma}{1 + \sigma} = "
        rf"\frac{{{sigma:.3f}}}{{{1 + sigma:.3f}}} = {sigma / (1 + sigma):.3f}",
    ], f"The noise level of evaluation {lesson.number} as a time of flow matching."


def try_variants(lesson: Lesson) -> Way:
    """Return the way to loading another model."""
    return Way(
        "Load another model, run the same words and seed, and open this page again: all numbers "
        "are then of its run.",
        "models", "Load another model", {},
    )  # fmt: skip


LATENTS = Station(
    "Latents",
    "What is it that the network works on?",
    "A small grid of numbers, an eighth of the picture's height and width, in four channels or "
    "sixteen. Their spread is near that of noise, so both can be mixed by a and b.",
    draw_latents,
    latent_equations,
    ("sampling:sample",),
    try_latents,
)
VAE = Station(
    "VAE",
    "How do numbers become pixels?",
    "A second network, trained before and on its own, draws a patch of pixels for each "
    "latent value and its neighbours. What it loses, no solver brings back.",
    draw_vae,
    vae_equations,
    ("vae:VAE.moments", "vae:VAE.encode", "vae:VAE.decode"),
    try_vae,
)
VARIANTS = Station(
    "Variants",
    "What do newer models do otherwise?",
    "Less than it seems. Text encoders become more and larger, a transformer takes the U-Net's "
    "place, and flow matching mixes picture and noise along a straight line; sampling is the same "
    "loop.",
    draw_variants,
    variant_equations,
    ("losses:flow_loss", "losses:target"),
    try_variants,
)
