"""Of what a round trip loses: what is the VAE's, and what DDIM's."""

from typing import TYPE_CHECKING

import numpy as np

from sdlab.noise.forward import psnr

if TYPE_CHECKING:
    from PIL import Image

PEAK = 255.0
BEFORE = "Before DDIM"
"""What the picture is called that went through the VAE alone."""


def whose_loss(
    image: "Image.Image | None", before: "Image.Image", after: "Image.Image", own: bool
) -> str:
    """Return which picture is before the VAE and which after it, and whose loss is how large.

    Args:
        image: What was encoded; None for a latents file.
        before: Its latents, decoded.
        after: The latents that came back, decoded.
        own: Whether the latents are a run's own, from which the image was decoded.
    """
    ddim = _decibels(before, after)
    said = (
        f"Both pictures are **after the VAE**: *{BEFORE}* is the latents decoded, *There and back* "
        f"the latents that DDIM brought back, decoded too. So their difference is **DDIM's: "
        f"{ddim}**."
    )
    if image is None:
        return f"{said} What the VAE lost is not known of a latents file."
    if own:
        return f"{said} The run's picture was decoded from these latents: the VAE takes no part."
    vae, both = _decibels(image, before), _decibels(image, after)
    return f"{said} Your picture against *{BEFORE}* is **the VAE's: {vae}**; both together: {both}."


def _decibels(first: "Image.Image", second: "Image.Image") -> str:
    if first.size != second.size:
        return "not comparable, other sizes"
    one, other = (np.asarray(each.convert("RGB"), dtype=np.float64) for each in (first, second))
    found = psnr(one, other, PEAK)
    return "none, they are equal" if found == float("inf") else f"PSNR {found:.1f} dB"
