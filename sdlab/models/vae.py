"""A pipeline's VAE, used as it is, or in float32 where it overflows in half precision.

Some VAEs reach values beyond float16's 65,504 on the way (Stable Diffusion XL's is known for it,
diffusers' ``force_upcast``): from finite latents comes NaN, and postprocessing makes black of that.
Then the same is computed again by a copy in float32. What does not overflow stays the same bit for
bit, and the pipeline is not changed.
"""

import copy
import inspect
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sdlab.models.latent_scale import LatentScale

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Vae:
    """A VAE that tries again in float32 if its numbers overflow.

    Args:
        own: An autoencoder or VQ model of diffusers; never changed. None of a pipeline that draws
            pixels: its latents are the picture.
        family: See ``LatentScale``.
        patched: See ``LatentScale``.

    Attributes:
        overflowed: Whether it has ever had to compute in float32 instead.
    """

    def __init__(self, own: Any, family: str = "", patched: bool = False) -> None:
        self.own = own
        self.overflowed = False
        self._kind = family, patched

    @cached_property
    def scale(self) -> LatentScale:
        """How latents are scaled.

        Raises:
            ModelError: If the VAE does not say it.
        """
        return LatentScale(self.own, *self._kind)

    @property
    def factor(self) -> tuple[float, float] | None:
        """(scaling_factor, shift_factor), if that is how its latents are scaled."""
        return None if self.own is None else self.scale.factor

    @cached_property
    def device(self) -> "torch.device":
        """Where it computes, also if its weights wait elsewhere (offload)."""
        import torch

        hooks = (getattr(module, "_hf_hook", None) for module in self.own.modules())
        places = (getattr(hook, "execution_device", None) for hook in hooks)
        place = next((place for place in places if place is not None), None)
        return torch.device(self.own.device if place is None else place)

    @property
    def note(self) -> str:
        """The note to show with a picture that was computed in float32."""
        dtype = str(self.own.dtype).removeprefix("torch.")
        return f"The VAE overflows in {dtype}; this picture went through it in float32 instead."

    def decode(self, latents: "Tensor", tiled: bool = False) -> "tuple[Tensor, bool]":
        """Return (pixels [B, 3, H, W] in about -1 ... 1, whether float32 had to help).

        Args:
            latents: [B, C, h, w], after the VAE's scaling.
            tiled: See ``Model.decode``.
        """
        if self.own is None:
            return latents, False

        def work(vae: Any) -> "Tensor":
            scale = self._scale_of(vae)
            latent = scale.to_vae(self._film(latents.to(self.device, vae.dtype)))
            # enable_tiling would change the pipeline for everybody; tiled_decode does not.
            by_tiles = (
                tiled and hasattr(vae, "tiled_decode") and not getattr(vae, "use_tiling", False)
            )
            decode = vae.tiled_decode if by_tiles else vae.decode
            out = decode(latent, **_decode_options(vae, latent, by_tiles), return_dict=False)[0]
            decoded: Tensor = out[:, :, 0] if out.ndim == 5 else out
            return decoded * 2 - 1 if type(vae).__name__ == "PaellaVQModel" else decoded

        return self._computed(work, bool(latents.isfinite().all()))

    def encode(self, pixels: "Tensor", seed: int | None = None) -> "tuple[Tensor, bool]":
        """Return (latents before scaling, whether float32 had to help); see ``scaled``.

        Args:
            pixels: [B, 3, H, W] in -1 ... 1.
            seed: Of a draw from the posterior; None for its mean.
        """
        import torch

        if self.own is None:
            return pixels, False

        def work(vae: Any) -> "Tensor":
            encoded = vae.encode(self._film(pixels.to(self.device, vae.dtype)))
            posterior = getattr(encoded, "latent_dist", None)
            if posterior is None:  # it gives one picture's latents, not a spread of them
                latents: Tensor = encoded.latents if "latents" in encoded else encoded.latent
            else:
                latents = posterior.mode()
            if posterior is not None and seed is not None:
                generator = torch.Generator().manual_seed(seed)
                noise = torch.randn(posterior.mean.shape, generator=generator)
                latents = posterior.mean + posterior.std * noise.to(self.device, vae.dtype)
            return latents

        return self._computed(work, True)

    def scaled(self, values: "Tensor") -> "Tensor":
        """Return what ``encode`` gives as the network's latents, [B, C, h, w]."""
        if self.own is None:
            return values
        return self.scale.from_vae(values[:, :, 0] if values.ndim == 5 else values)

    def _film(self, x: "Tensor") -> "Tensor":
        return x[:, :, None] if self.scale.film and x.ndim == 4 else x

    def _scale_of(self, vae: Any) -> LatentScale:
        return self.scale if vae is self.own else LatentScale(vae, *self._kind)

    def _computed(self, work: "Callable[[Any], Tensor]", can_help: bool) -> "tuple[Tensor, bool]":
        import torch

        with torch.no_grad():
            out = work(self.own)
            half = self.own.dtype in (torch.float16, torch.bfloat16)
            if any(weight.is_meta for weight in self.own.parameters()):
                return out, False  # offloaded one by one: there is nothing to copy
            if not (half and can_help) or out.isfinite().all():
                return out, False
            self.overflowed = True
            return work(copy.deepcopy(self.own).float()), True


def _decode_options(vae: Any, latent: "Tensor", tiled: bool) -> dict[str, Any]:
    """Return what a VAE's decoder wants beside latents."""
    if type(vae).__name__ == "VQModel" and not tiled:
        return {"force_not_quantize": True}  # a network's latents are no codes
    if vae.config.get("timestep_conditioning"):  # LTX: how much noise is left; none
        (name,) = {"temb", "timestep"} & set(inspect.signature(vae.decode).parameters)
        return {name: latent.new_zeros(len(latent))}
    return {}
