"""A loaded model: a diffusers pipeline, and what the laboratory needs to know of it."""

import hashlib
import logging
import warnings
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sdlab.models.families import check_unet
from sdlab.models.scheduler_config import config_in_force
from sdlab.models.vae import Vae
from sdlab.noise.schedule import NoiseSchedule

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

    from sdlab.models.preview import LinearPreview
    from sdlab.models.tiny import TinyPreview

CACHED_PROMPTS = 64


class Model:
    """A Stable Diffusion pipeline under a name.

    The pipeline is never changed; its scheduler's config says what the network was trained on.
    Changes made to the pipeline afterwards (another scheduler, adapters) are not seen: make a new
    Model then.

    Args:
        pipeline: A ``StableDiffusionPipeline``, weights on their device.
        name: What it was loaded by: "embedded", a path or a hub id.
    """

    def __init__(self, pipeline: Any, name: str) -> None:
        self.pipeline = pipeline
        self.name = name
        self.scheduler_config = config_in_force(pipeline.scheduler)
        self.schedule = NoiseSchedule.from_config(self.scheduler_config)
        self._prompts: OrderedDict[str, Tensor] = OrderedDict()
        self._vae: Vae | None = None

    @cached_property
    def device(self) -> "torch.device":
        """Where the U-Net's weights are; they are not moved after loading."""
        device: torch.device = self.pipeline.unet.device
        return device

    @cached_property
    def dtype(self) -> "torch.dtype":
        """What the U-Net computes in."""
        dtype: torch.dtype = self.pipeline.unet.dtype
        return dtype

    @property
    def family(self) -> str:
        """The family, "sd1" or "sd2", found by the text encoder's width; embedded is "sd1"."""
        return check_unet(self.pipeline.unet.config, self.name)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return int(self.pipeline.unet.config.in_channels)

    @property
    def vae_factor(self) -> int:
        """Pixels per latent pixel, per side."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def default_size(self) -> tuple[int, int]:
        """(width, height) in pixels that the model was trained on."""
        side = self.pipeline.unet.config.sample_size
        height, width = side if isinstance(side, (tuple, list)) else (side, side)
        return width * self.vae_factor, height * self.vae_factor

    @cached_property
    def parameters(self) -> int:
        """Parameters of U-Net, VAE and text encoder."""
        return sum(p.numel() for part in self._parts() for p in part.parameters())

    @cached_property
    def memory_bytes(self) -> int:
        """Bytes that the weights take."""
        return sum(
            p.numel() * p.element_size() for part in self._parts() for p in part.parameters()
        )

    @cached_property
    def hash(self) -> str:
        """16 hex digits of SHA-256 over every weight's name, shape and up to 4,096 values of it.

        The values are taken at even distances and as float32, so that the hash is quick, and the
        same on every device.
        """
        digest = hashlib.sha256()
        for part in self._parts():
            for name, tensor in sorted(part.state_dict().items()):
                digest.update(f"{name}{tuple(tensor.shape)}".encode())
                flat = tensor.detach().reshape(-1)
                sample = flat[:: max(1, flat.numel() // 4096)].float().cpu()
                digest.update(sample.numpy().tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def preview(self) -> "LinearPreview":
        """The fast map from latents to a picture: ``model.preview(x0_pred) -> PIL image``."""
        from sdlab.models.preview import fit_preview

        return fit_preview(self.vae, self.vae_factor)

    @cached_property
    def tiny(self) -> "TinyPreview | None":
        """Previews by the tiny autoencoder in the model's folder; None if it has none."""
        from sdlab.models.tiny import tiny_preview

        return tiny_preview(self)

    def encode_prompt(
        self, prompt: str, negative_prompt: str | None = None
    ) -> "tuple[Tensor, Tensor | None]":
        """Return (cond, uncond) text embeddings, each [1, 77, D]; uncond is None without CFG.

        Args:
            prompt: What to draw.
            negative_prompt: What to steer away from; None when there is no guidance.
        """
        cond = self._encode(prompt)
        return cond, None if negative_prompt is None else self._encode(negative_prompt)

    @property
    def vae(self) -> Vae:
        """The pipeline's VAE, which tries again in float32 where its numbers overflow."""
        if self._vae is None or self._vae.own is not self.pipeline.vae:
            self._vae = Vae(self.pipeline.vae)
        return self._vae

    def decode(self, latents: "Tensor", tiled: bool = False) -> "Image.Image":
        """Return the picture of final latents, [1, C, h, w], as the pipeline decodes them.

        Where the VAE overflows in half precision it is decoded in float32 instead, with a warning.

        Args:
            latents: After the VAE's scaling.
            tiled: Decode in overlapping tiles of the VAE's own training size, whose seams are
                blended: for sizes that memory does not hold at once. Each tile is normalised by
                itself, so colours may shift a little from tile to tile.
        """
        image, notes = self.decode_with_notes(latents, tiled)
        for note in notes:
            warnings.warn(note, stacklevel=2)
        return image

    def decode_with_notes(
        self, latents: "Tensor", tiled: bool = False
    ) -> "tuple[Image.Image, list[str]]":
        """Return what ``decode`` returns, with its warnings as a list of sentences."""
        pixels, upcast = self.vae.decode(latents, tiled)
        notes = [self.vae.note] if upcast else []
        if latents.isfinite().all() and not pixels.isfinite().all():
            notes = ["The VAE makes numbers of these latents that are not finite; they are black."]
        processor = self.pipeline.image_processor
        return processor.postprocess(pixels, output_type="pil", do_denormalize=[True])[0], notes

    def _encode(self, text: str) -> "Tensor":
        import torch

        if text not in self._prompts:
            logger = logging.getLogger("diffusers")
            level = logger.level
            logger.setLevel(logging.ERROR)  # the tokens table shows what was cut
            try:
                with torch.no_grad():
                    embeds, _ = self.pipeline.encode_prompt(text, self.device, 1, False)
            finally:
                logger.setLevel(level)
            self._prompts[text] = embeds
        self._prompts.move_to_end(text)
        if len(self._prompts) > CACHED_PROMPTS:
            self._prompts.popitem(last=False)
        return self._prompts[text]

    def _parts(self) -> tuple[Any, Any, Any]:
        return self.pipeline.unet, self.pipeline.vae, self.pipeline.text_encoder
