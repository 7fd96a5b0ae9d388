"""How many bytes a part's work takes beside its weights, estimated from its config.

They follow from the widest feature maps alive at once; attention is fused everywhere, so they grow
with the number of places, not with its square. The factors stand above what is measured: of the
U-Net and the VAE, whose convolutions take room of their own, on the CPU (benchmarks/memory.py); of
transformers and text encoders by counting what is alive at real sizes
(tests/models/test_memory_plan.py): 12 maps in Stable Diffusion 3 and PixArt, 17 in Flux.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

UNET_MAPS = 44
"""Feature maps of the first level's width, per latent pixel."""
TRANSFORMER_MAPS = 24
"""Rows of the width, per token."""
TEXT_MAPS = 32
"""The same of a text encoder: T5 widens fourfold, in float32 too."""
VAE_MAPS = 16
"""Feature maps of the last level's width, per pixel."""
VAE_WIDTH = 128  # where its config does not say


def network_bytes(network: Any, shape: Sequence[int], item: int, text: int = 0) -> int:
    """Return the bytes that one sample of a denoising network's call takes.

    Args:
        network: A U-Net or a transformer, with weights or without.
        shape: (C, h, w) of the latents.
        item: Bytes of a number.
        text: Tokens of the text that go through a transformer with the picture's.
    """
    config = getattr(network, "config", {}) or {}
    _, height, width = shape
    if config.get("block_out_channels"):
        return int(UNET_MAPS * config["block_out_channels"][0] * height * width * item)
    tokens = latent_tokens(network, shape) + text
    return int(TRANSFORMER_MAPS * tokens * transformer_width(network) * item)


def latent_tokens(network: Any, shape: Sequence[int]) -> int:
    """Return the tokens that a transformer makes of latents, at least 1.

    Args:
        network: With weights or without.
        shape: (C, h, w) of the latents.
    """
    channels, height, width = shape
    config = getattr(network, "config", {}) or {}
    return max(1, height * width // _packing(config, channels))


def decoding_bytes(vae: Any, pixels: int, dtype: "torch.dtype", tiled: bool = False) -> int:
    """Return the bytes that decoding one latent takes.

    Args:
        vae: With weights or without.
        pixels: Of the picture.
        dtype: What it computes in.
        tiled: Whether it decodes tile by tile.
    """
    config = vae.config
    upcast = config.get("force_upcast") and str(dtype) == "torch.float16"
    side = getattr(vae, "tile_sample_min_size", None) or getattr(vae, "tile_sample_min_height", 0)
    if tiled and side and hasattr(vae, "enable_tiling"):
        pixels = min(pixels, int(side) ** 2)
    rows = [config.get(name) for name in ("block_out_channels", "decoder_block_out_channels")]
    first = next((row[0] for row in rows if row), config.get("base_dim") or VAE_WIDTH)
    return int(VAE_MAPS * first * pixels * (4 if upcast else dtype.itemsize))


def text_bytes(encoder: Any, positions: int, item: int) -> int:
    """Return the bytes that encoding one prompt takes.

    Args:
        encoder: A text encoder, with weights or without.
        positions: Of its sequence.
        item: Bytes of a number.
    """
    return TEXT_MAPS * positions * _linear_width(encoder) * item


def transformer_width(network: Any) -> int:
    """Return the width of a transformer's rows."""
    config = getattr(network, "config", {}) or {}
    heads, each = config.get("num_attention_heads"), config.get("attention_head_dim")
    if isinstance(heads, int) and isinstance(each, int):
        return heads * each
    return _linear_width(network)


def _packing(config: Mapping[str, Any], channels: int) -> int:
    """Return how many latent pixels make a token: latents packed into channels, or a patch."""
    packed = channels and (config.get("in_channels") or 0) >= 4 * channels
    if packed or config.get("block_out_channels"):
        return 4  # Qwen-Image's config names its patch of 2 x 2 too
    patch = config.get("patch_size") or (config.get("all_patch_size") or [1])[0]
    height, width = patch[-2:] if isinstance(patch, Sequence) else (patch, patch)
    return int(max(1, height * width))


def _linear_width(module: Any) -> int:
    """Return what most of the numbers of a module's linear layers read."""
    from torch import nn

    counted: dict[int, int] = {}
    for one in module.modules():
        if isinstance(one, nn.Linear):
            counted[one.in_features] = counted.get(one.in_features, 0) + one.weight.numel()
    return max(counted, key=lambda width: counted[width], default=0)
