"""A loaded model: a diffusers pipeline, and what the laboratory needs to know of it."""

import hashlib
import logging
import warnings
from collections import OrderedDict
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError, check_types
from sdlab.models import inputs, pipelines
from sdlab.models.scheduler_config import config_in_force
from sdlab.models.vae import Vae
from sdlab.models.waiting_weights import weights
from sdlab.noise.flow import is_flow
from sdlab.noise.schedule import NoiseSchedule

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor, nn

    from sdlab.models.preview import LinearPreview
    from sdlab.models.tiny import TinyPreview

CACHED_PROMPTS = 64


class Model:
    """A diffusers pipeline under a name.

    The pipeline is never changed; its scheduler's config says what the network was trained on.
    Changes made to the pipeline afterwards (another scheduler, adapters) are not seen: make a new
    Model then.

    Args:
        pipeline: A ``DiffusionPipeline`` with a denoising network, weights on their device.
        name: What it was loaded by: "embedded", a path or a hub id.

    Attributes:
        loading: Further arguments that ``sdlab.load`` was given, of
            ``sdlab.models.loaded_by.LOADED_BY``.

    Raises:
        ModelError: If no denoising network is found in it.
        TypeError: If it is no pipeline.
    """

    def __init__(self, pipeline: Any, name: str) -> None:
        if not hasattr(pipeline, "components"):
            raise TypeError(
                f"pipeline of Model() must be a diffusers pipeline, got {type(pipeline).__name__};"
                " sdlab.load(...) makes a Model of a folder or a name."
            )
        self.pipeline = pipeline
        self.name = name
        self.loading: dict[str, Any] = {}
        self.networks = pipelines.networks(pipeline)
        self.scheduler_config = config_in_force(pipeline.scheduler)
        self._prompts: OrderedDict[str, Tensor] = OrderedDict()
        self._vae: Vae | None = None

    @property
    def network(self) -> "nn.Module":
        """The main denoising network: a U-Net or a transformer."""
        return next(iter(self.networks.values()))

    @property
    def parts(self) -> "dict[str, nn.Module]":
        """All modules of the pipeline by name."""
        return pipelines.parts(self.pipeline)

    @cached_property
    def plain(self) -> bool:
        """Whether it is Stable Diffusion 1.x or 2.x that draws from words alone."""
        return pipelines.is_plain(self.pipeline)

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Fields of an experiment that its pipeline, or a sibling over its parts, takes.

        Of those that not every model takes: seed, steps, solver and curve are not listed.
        """
        cls: type = type(self.pipeline)
        return inputs.fields(cls) - inputs.without_effect(self.pipeline)

    @cached_property
    def options(self) -> tuple[str, ...]:
        """Further arguments of the pipeline's call, for an experiment's ``pipeline_options``."""
        cls: type = type(self.pipeline)
        return inputs.options(cls)

    @cached_property
    def draws(self) -> tuple[str, ...]:
        """What it draws from: "from words", "after a picture", "inside a mask", and so on."""
        masked = "mask_image" not in inputs.without_effect(self.pipeline)
        return inputs.draws(type(self.pipeline), "controlnet" in self.parts, masked)

    @cached_property
    def path(self) -> str | None:
        """How noise is added: "vp", "flow" (x_t = (1 - t) x0 + t n), or None if it is neither."""
        if is_flow(self.scheduler_config):
            return "flow"
        scheduler = self.pipeline.scheduler
        ours = not type(scheduler).__module__.startswith("diffusers.")
        return "vp" if ours or hasattr(scheduler, "alphas_cumprod") else None

    @cached_property
    def schedule(self) -> NoiseSchedule:
        """The noise schedule that the network was trained on.

        Raises:
            ModelError: If the scheduler does not say it.
        """
        if self.path is None:
            raise ModelError(
                f"The {type(self.pipeline.scheduler).__name__} of {self.name} adds noise neither as"
                " Stable Diffusion nor as flow matching does, so its noise levels are not known."
            )
        return NoiseSchedule.from_config(self.scheduler_config)

    @cached_property
    def device(self) -> "torch.device":
        """Where it computes; its weights are there too unless it is offloaded."""
        device: torch.device = self.pipeline._execution_device
        return device

    @cached_property
    def dtype(self) -> "torch.dtype":
        """What the main network computes in."""
        dtype: torch.dtype = self.network.dtype  # type: ignore[assignment]
        return dtype

    @property
    def family(self) -> str:
        """The family: "sd1" and "sd2" by the text encoder's width, else by the class: "flux"."""
        return pipelines.family(self.pipeline)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents, as they are recorded."""
        return pipelines.latent_channels(self.pipeline) * (4 if self._patched else 1)

    @property
    def vae_factor(self) -> int:
        """Pixels per latent pixel, per side."""
        if self._patched:
            return int(2 ** len(self.pipeline.vae.config.block_out_channels))
        return pipelines.vae_factor(self.pipeline)

    @property
    def size_multiple(self) -> int:
        """What width and height must be multiples of, in pixels."""
        return pipelines.size_multiple(self.pipeline)

    @property
    def default_size(self) -> tuple[int, int]:
        """(width, height) in pixels that the model was trained on."""
        return pipelines.default_size(self.pipeline)

    @cached_property
    def _patched(self) -> bool:
        return pipelines.is_patched(self.pipeline)

    @cached_property
    def parameters(self) -> int:
        """Parameters of all parts; of plain models of U-Net, VAE and text encoder."""
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
            for name, tensor in sorted(weights(part), key=itemgetter(0)):
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
        own = pipelines.autoencoder(self.pipeline)
        if self._vae is None or self._vae.own is not own:
            self._vae = Vae(own, self.family, self._patched)
        return self._vae

    @cached_property
    def processor(self) -> Any:
        """What turns pictures into pixels from -1 to 1, and back: the pipeline's own, if any."""
        for name in ("image_processor", "video_processor"):
            found = getattr(self.pipeline, name, None)
            if hasattr(found, "postprocess") and hasattr(found, "preprocess"):
                return found
        from diffusers.image_processor import VaeImageProcessor

        return VaeImageProcessor(vae_scale_factor=self.vae_factor)

    def decode(self, latents: "Tensor", tiled: bool = False) -> "Image.Image":
        """Return the picture of final latents, [1, C, h, w], as the pipeline decodes them.

        Where the VAE overflows in half precision it is decoded in float32 instead, with a warning.

        Args:
            latents: After the VAE's scaling.
            tiled: Decode in overlapping tiles of the VAE's own training size, whose seams are
                blended: for sizes that memory does not hold at once. Each tile is normalised by
                itself, so colours may shift a little from tile to tile.

        Raises:
            TypeError: If ``latents`` is no tensor.
        """
        import torch

        check_types(Model.decode, latents=(latents, torch.Tensor))
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
        pictures = self.processor.postprocess(pixels, output_type="pil", do_denormalize=[True])
        return pictures[0], notes

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

    def _parts(self) -> "list[nn.Module]":
        if self.plain:
            return [self.pipeline.unet, self.pipeline.vae, self.pipeline.text_encoder]
        found = self.parts
        return [found[name] for name in sorted(found) if name != "safety_checker"]
