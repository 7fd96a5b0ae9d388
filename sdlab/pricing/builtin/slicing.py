"""Less at once: attention in slices, the VAE in tiles. They save memory, not time."""

from typing import Any

from sdlab.errors import ModelError
from sdlab.models.model import Model
from sdlab.pricing.copies import with_networks, with_vae
from sdlab.pricing.speedup import Changed, speedup


@speedup(
    "attention slicing",
    "Attention one head at a time: less memory for scores.",
    source="diffusers' enable_attention_slicing('max')",
)
def attention_slicing(model: Model) -> Changed:
    """Return the model with sliced attention.

    Raises:
        ModelError: If its network cannot slice.
    """
    if not hasattr(model.network, "set_attention_slice"):
        raise ModelError(f"{type(model.network).__name__} has no attention that can be sliced.")
    changed = with_networks(model)
    for network in changed.networks.values():
        sliced: Any = network
        sliced.set_attention_slice("max")
    return Changed(changed)


@speedup(
    "VAE tiling",
    "Decodes in overlapping tiles; a picture no larger than one tile stays as it is.",
    source="diffusers' enable_tiling()",
)
def vae_tiling(model: Model) -> Changed:
    """Return the model with a VAE that decodes by tiles.

    Raises:
        ModelError: If it has no VAE, or one that cannot.
    """
    changed = with_vae(model)
    own = changed.vae.own
    if not hasattr(own, "enable_tiling"):
        raise ModelError(f"{type(own).__name__} cannot decode by tiles.")
    own.enable_tiling()
    return Changed(changed)
