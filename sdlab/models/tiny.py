"""Previews by a tiny autoencoder (TAESD, Bohan 2023), if the model's folder has one.

A folder ``vae_tiny`` or ``taesd`` beside ``unet`` and ``vae``, as diffusers' ``AutoencoderTiny``
saves itself (``config.json`` and safetensors), is taken for the decoder distilled from this model's
VAE. It takes latents at the U-Net's scale. Runs and their pictures never use it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from sdlab.errors import ModelError
from sdlab.models.quiet import building
from sdlab.models.vae import Vae
from sdlab.shipped import place_of

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

FOLDERS = ("vae_tiny", "taesd")


class TinyPreview:
    """The decoder of a tiny autoencoder.

    Args:
        autoencoder: diffusers ``AutoencoderTiny``, on its device.
        folder: Where it was found.
    """

    def __init__(self, autoencoder: Any, folder: Path) -> None:
        self._vae = Vae(autoencoder)
        self.folder = folder

    def __call__(self, latents: "Tensor") -> Image.Image:
        """Return the preview of latents [1, C, h, w], after the VAE's scaling."""
        import numpy as np

        pixels, _ = self._vae.decode(latents)
        values = ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().nan_to_num()[0]
        return Image.fromarray(values.cpu().numpy().astype(np.uint8).transpose(1, 2, 0))


def tiny_preview(model: "Model") -> TinyPreview | None:
    """Return the tiny autoencoder of a model's folder, or None if there is none.

    Raises:
        ModelError: If there is one that cannot be read, or that is for other latents.
    """
    folder = _folder(model.name)
    if folder is None:
        return None
    from diffusers import AutoencoderTiny

    try:
        with building():
            tiny = AutoencoderTiny.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, torch_dtype=model.dtype
            )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"The tiny autoencoder in {folder} cannot be loaded: {reason}") from error
    channels = tiny.config.latent_channels
    if channels != model.latent_channels:
        raise ModelError(
            f"The tiny autoencoder in {folder} is of {channels} latent channels, {model.name} of"
            f" {model.latent_channels}. Put the one made for this model's VAE there."
        )
    return TinyPreview(tiny.to(model.device).eval(), folder)


def _folder(name: str) -> Path | None:

    root = Path(place_of(name)).expanduser()
    found = [root / name for name in FOLDERS if (root / name / "config.json").is_file()]
    return found[0] if found else None
