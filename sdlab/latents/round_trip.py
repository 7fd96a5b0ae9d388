"""What the VAE loses: a picture encoded, decoded and compared with the original.

PSNR counts every pixel equally; SSIM (Wang et al. 2004, IEEE TIP 13(4), with their Gaussian window
of 1.5 px) compares means, contrasts and structure in windows of 11 px.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdlab.latents.image import ReadImage, encode_with_notes
from sdlab.noise.forward import psnr

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

SSIM_WINDOW = 11


@dataclass(frozen=True)
class Likeness:
    """How similar two pictures are.

    Attributes:
        psnr: Decibels; inf if they are equal.
        ssim: -1 ... 1; 1 if they are equal, NaN for pictures below 11 px a side.
        rmse: Root of the mean squared difference, 0 ... 255.
        error: Mean absolute difference over R, G and B at each pixel, float64 [H, W], 0 ... 255.
    """

    psnr: float
    ssim: float
    rmse: float
    error: NDArray[np.float64]


@dataclass(frozen=True)
class RoundTrip:
    """A picture encoded and decoded by the VAE.

    Attributes:
        latents: What it was encoded to, float32 [1, C, h, w].
        decoded: The decoded picture.
        likeness: Of the picture and the decoded one.
        notes: Sentences about the VAE: whether it overflowed, and what was done.
    """

    latents: "Tensor"
    decoded: Image.Image
    likeness: Likeness
    notes: tuple[str, ...] = ()


def round_trip(
    model: "Model", picture: ReadImage | Image.Image, *, sample: bool = False, seed: int = 0
) -> RoundTrip:
    """Return a picture encoded and decoded by a model's VAE.

    Args:
        model: Whose VAE.
        picture: Both sides multiples of ``model.vae_factor``; see ``sdlab.latents.image.fit``.
        sample: Whether to draw from the encoder's posterior instead of taking its mean.
        seed: Of that draw.

    Raises:
        ValueError: If the size does not fit or the latents are not finite.
    """
    image = picture.image if isinstance(picture, ReadImage) else picture.convert("RGB")
    latents, there = encode_with_notes(model, image, sample=sample, seed=seed)
    decoded, back = model.decode_with_notes(latents)
    notes = tuple(dict.fromkeys([*there, *back]))
    return RoundTrip(latents.cpu(), decoded, likeness(image, decoded), notes)


def likeness(first: Image.Image, second: Image.Image) -> Likeness:
    """Return how similar two pictures of one size are.

    Raises:
        ValueError: If their sizes differ.
    """
    a, b = (np.asarray(image.convert("RGB"), dtype=np.float64) for image in (first, second))
    if a.shape != b.shape:
        raise ValueError(
            f"pictures must have one size, got {first.width} x {first.height} and"
            f" {second.width} x {second.height} px."
        )
    error = np.abs(a - b)
    rmse = float(np.sqrt((error**2).mean()))
    return Likeness(psnr(a, b, 255.0), _ssim(a, b), rmse, error.mean(-1))


def _ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from skimage.metrics import structural_similarity

    if min(a.shape[:2]) < SSIM_WINDOW:
        return float("nan")
    return float(
        structural_similarity(
            a,
            b,
            data_range=255.0,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
