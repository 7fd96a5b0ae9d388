"""Fast previews: a linear map from latents to RGB, fitted to the loaded model's own decoder.

Latents of blurred random colour fields are decoded once; an affine map [C + 1, 3] from each latent
pixel to the mean colour of its patch is fitted by least squares. It costs a matrix product per
preview where the VAE costs a network.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.vae import Vae

PICTURES, SIDE, CELLS = 8, 128, 16


@dataclass(frozen=True)
class LinearPreview:
    """An affine map from latents to RGB.

    Attributes:
        weight: float64 [C + 1, 3]; the last row is the offset. RGB in [-1, 1].
        r2: Share of the decoder's variance that the map explains, on the pictures it was fitted to.
        factor: The VAE's pixels per latent pixel, per side.
    """

    weight: NDArray[np.float64]
    r2: float
    factor: int = 8

    def __call__(self, latents: "Tensor", scale: int | None = None) -> Image.Image:
        """Return the preview of one latent, enlarged by ``scale`` with nearest neighbour.

        Args:
            latents: [1, C, h, w] or [C, h, w], after the VAE's scaling.
            scale: Pixels per latent pixel; the picture's own size if not given.
        """
        scale = self.factor if scale is None else scale
        values = latents.detach().float().cpu().numpy().astype(np.float64)
        values = values.reshape(values.shape[-3:])
        rgb = np.moveaxis(values, 0, -1) @ self.weight[:-1] + self.weight[-1]
        pixels = np.nan_to_num((rgb + 1) * 127.5, nan=0.0, posinf=255.0, neginf=0.0)
        image = Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))
        height, width = latents.shape[-2:]
        return image.resize((width * scale, height * scale), Image.Resampling.NEAREST)


def fit_preview(vae: "Vae", factor: int) -> LinearPreview:
    """Return the linear preview of a VAE.

    Args:
        vae: A model's ``vae``.
        factor: Pixels per latent pixel.
    """
    import torch
    from torch.nn.functional import avg_pool2d, interpolate

    generator = torch.Generator().manual_seed(0)
    side = max(SIDE, CELLS * factor) if factor > 8 else SIDE  # enough latent pixels to fit to
    fields = []
    for cells in (2, 3, 4, 8):
        colours = torch.rand(PICTURES // 4, 3, cells, cells, generator=generator) * 2 - 1
        fields.append(interpolate(colours, size=(side, side), mode="bicubic").clamp(-1, 1))
    latents = torch.cat([vae.encode(picture[None])[0] for picture in torch.cat(fields)])
    scaled = vae.scaled(latents.cpu().double())
    decoded = torch.cat([vae.decode(z[None])[0] for z in scaled])
    inputs = scaled.movedim(1, -1).reshape(-1, scaled.shape[1]).numpy()
    targets = avg_pool2d(decoded.cpu().double(), factor).movedim(1, -1).reshape(-1, 3).numpy()
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    weight, *_ = np.linalg.lstsq(inputs, targets, rcond=None)
    residual = ((targets - inputs @ weight) ** 2).sum()
    spread = ((targets - targets.mean(0)) ** 2).sum()
    return LinearPreview(weight, float(1 - residual / spread), factor)
