"""A pipeline's VAE, used as it is, or in float32 where it overflows in half precision.

Some VAEs reach values beyond float16's 65,504 on the way (Stable Diffusion XL's is known for it,
diffusers' ``force_upcast``): from finite latents comes NaN, and postprocessing makes black of that.
Then the same is computed again by a copy in float32. What does not overflow stays the same bit for
bit, and the pipeline is not changed.
"""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Vae:
    """A VAE that tries again in float32 if its numbers overflow.

    Args:
        own: diffusers ``AutoencoderKL``; never changed.

    Attributes:
        overflowed: Whether it has ever had to compute in float32 instead.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        self.overflowed = False

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

        def work(vae: Any) -> "Tensor":
            scaled = latents.to(vae.device, vae.dtype) / vae.config.scaling_factor
            if vae.config.get("shift_factor"):
                scaled = scaled + vae.config.shift_factor
            # enable_tiling would change the pipeline for everybody; tiled_decode does not.
            decode = vae.tiled_decode if tiled else vae.decode
            decoded: Tensor = decode(scaled, return_dict=False)[0]
            return decoded

        return self._computed(work, bool(latents.isfinite().all()))

    def encode(self, pixels: "Tensor", seed: int | None = None) -> "tuple[Tensor, bool]":
        """Return (latents [B, C, h, w] before scaling, whether float32 had to help).

        Args:
            pixels: [B, 3, H, W] in -1 ... 1.
            seed: Of a draw from the posterior; None for its mean.
        """
        import torch

        def work(vae: Any) -> "Tensor":
            posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
            latents: Tensor = posterior.mode()
            if seed is not None:
                generator = torch.Generator().manual_seed(seed)
                noise = torch.randn(posterior.mean.shape, generator=generator)
                latents = posterior.mean + posterior.std * noise.to(vae.device, vae.dtype)
            return latents

        return self._computed(work, True)

    def _computed(self, work: "Callable[[Any], Tensor]", can_help: bool) -> "tuple[Tensor, bool]":
        import torch

        with torch.no_grad():
            out = work(self.own)
            half = self.own.dtype in (torch.float16, torch.bfloat16)
            if not (half and can_help) or out.isfinite().all():
                return out, False
            self.overflowed = True
            return work(copy.deepcopy(self.own).float()), True
