"""Between latents as networks see them and as a VAE gives and takes them, for each kind of VAE.

Networks want values of about the same spread in every channel. What diffusers' pipelines do for it
is told by the VAE's config:

- a factor: (z - shift_factor) * scaling_factor (Stable Diffusion, Flux, Sana);
- a mean and a spread for each channel, ``latents_mean`` and ``latents_std`` (Wan, Qwen-Image, LTX);
- the statistics of a batch norm, ``vae.bn``, over patches of 2 x 2 latent pixels (Flux.2);
- VQ models take latents as they are (Kandinsky's MoVQ) or times ``scale_factor`` (Cascade).

The order of the operations is the pipelines', so that the same latents give the same bits.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_NO_FILM = "AutoencoderKLTemporalDecoder"  # its frames stand in the batch
_BY_INVERSE = ("AutoencoderKLWan", "AutoencoderKLQwenImage")
_WITHOUT_FACTOR = ("glmimage",)


class LatentScale:
    """The way between a network's latents and a VAE's.

    Args:
        vae: A VAE of diffusers, or a VQ model.
        family: Of its pipeline: some use the same VAE's config in another way.
        patched: Whether the network's latents are patches of 2 x 2, with four times the channels.

    Attributes:
        film: Whether the VAE takes [B, C, frames, h, w].

    Raises:
        ModelError: If the VAE does not say how its latents are scaled.
    """

    def __init__(self, vae: Any, family: str = "", patched: bool = False) -> None:
        self.film = is_film(vae)
        self._vae, self._family, self._patched = vae, family, patched
        self.to_vae, self.from_vae = self._ways()

    def _ways(self) -> "tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]":
        kind, config = type(self._vae).__name__, self._vae.config
        if kind == "VQModel":
            return _same, _same
        if kind == "PaellaVQModel":
            factor = config.scale_factor
            return lambda x: factor * x, lambda z: z / factor
        if hasattr(self._vae, "bn"):
            return self._of_norm, self._to_norm
        if self._moments() is not None:
            return self._of_moments, self._to_moments
        if config.get("scaling_factor"):
            return self._of_factor, self._to_factor
        raise ModelError(
            f"The {kind} does not say how its latents are scaled, so they are decoded only by"
            " its pipeline's own call."
        )

    @property
    def factor(self) -> tuple[float, float] | None:
        """(scaling_factor, shift_factor), if that is all there is to it."""
        config = self._vae.config
        if self.from_vae != self._to_factor:
            return None
        return float(config.scaling_factor), float(config.get("shift_factor") or 0.0)

    def _of_factor(self, x: "Tensor") -> "Tensor":
        config = self._vae.config
        scaled: Tensor = x / config.scaling_factor
        return scaled + config.shift_factor if config.get("shift_factor") else scaled

    def _to_factor(self, z: "Tensor") -> "Tensor":
        config = self._vae.config
        scaled: Tensor = (z - (config.get("shift_factor") or 0.0)) * config.scaling_factor
        return scaled

    def _moments(self) -> "tuple[Any, Any] | None":
        """Return what the VAE says of its channels' mean and spread, if it does."""
        config = self._vae.config
        mean, std = config.get("latents_mean"), config.get("latents_std")
        if mean is None and type(self._vae).__name__.startswith("AutoencoderKLLTX"):
            mean, std = self._vae.latents_mean, self._vae.latents_std
        return None if mean is None or std is None else (mean, std)

    def _as(self, x: "Tensor") -> "tuple[Tensor, Tensor, float | None]":
        """Return (mean, spread, factor), shaped and typed for ``x``."""
        import torch

        moments = self._moments()
        assert moments is not None
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean, std = (torch.as_tensor(values).view(shape) for values in moments)
        factor = self._vae.config.get("scaling_factor")
        if self._family in _WITHOUT_FACTOR or type(self._vae).__name__ in _BY_INVERSE:
            factor = None
        return mean.to(x.device, x.dtype), std.to(x.device), factor

    def _of_moments(self, x: "Tensor") -> "Tensor":
        mean, std, factor = self._as(x)
        if type(self._vae).__name__ in _BY_INVERSE:
            return x / (1.0 / std).to(x.dtype) + mean
        scaled = x * std.to(x.dtype)
        return (scaled / factor if factor else scaled) + mean

    def _to_moments(self, z: "Tensor") -> "Tensor":
        mean, std, factor = self._as(z)
        scaled = z - mean
        return (scaled * factor if factor else scaled) / std.to(z.dtype)

    def _norm(self, x: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        norm, config = self._vae.bn, self._vae.config
        mean = norm.running_mean.view(1, -1, 1, 1).to(x.device, x.dtype)
        variance = norm.running_var.view(1, -1, 1, 1)
        least = config.batch_norm_eps if self._family != "ernieimage" else 1e-5
        return mean, torch.sqrt(variance + least).to(x.device, x.dtype)

    def _of_norm(self, x: "Tensor") -> "Tensor":
        mean, std = self._norm(x)
        return unpatched((x if self._patched else patches(x)) * std + mean)

    def _to_norm(self, z: "Tensor") -> "Tensor":
        z = patches(z)
        mean, std = self._norm(z)
        scaled = (z - mean) / std
        return scaled if self._patched else unpatched(scaled)


def is_film(vae: Any) -> bool:
    """Return whether a VAE takes films, [B, C, frames, h, w]; a picture is a film of one frame."""
    from torch import nn

    if type(vae).__name__ == _NO_FILM:
        return False
    return "z_dim" in vae.config or any(isinstance(module, nn.Conv3d) for module in vae.modules())


def patches(x: "Tensor") -> "Tensor":
    """Return latents [B, C, h, w] as patches of 2 x 2, [B, 4 C, h / 2, w / 2]."""
    b, c, h, w = x.shape
    parts = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(b, 4 * c, h // 2, w // 2)


def unpatched(x: "Tensor") -> "Tensor":
    """Return patches of 2 x 2 as the latents that they are of."""
    b, c, h, w = x.shape
    return x.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, -1, 2 * h, 2 * w)


def _same(x: "Tensor") -> "Tensor":
    return x
