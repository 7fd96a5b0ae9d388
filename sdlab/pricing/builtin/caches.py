"""Caches of diffusers: outputs of an evaluation before stand in for those of later ones.

Each hangs on the modules of a copy of the network, with its authors' defaults, and is emptied
before every picture.
"""

from collections.abc import Callable
from typing import Any

from sdlab.errors import ModelError
from sdlab.models.model import Model
from sdlab.pricing.copies import with_networks
from sdlab.pricing.speedup import Changed, speedup

EVERY = {"spatial_attention_block_skip_range": 2, "cross_attention_block_skip_range": 4}


@speedup(
    "attention broadcast",
    "Self-attention computed in every second, cross-attention in every fourth evaluation"
    " between timesteps 800 and 100.",
    source="Pyramid Attention Broadcast, Zhao et al. 2024 (arXiv 2408.12588); diffusers' hook",
)
def attention_broadcast(model: Model) -> Changed:
    """Return the model with attention outputs that are used again."""
    from diffusers.hooks import PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast

    changed = with_networks(model)
    for network in changed.networks.values():
        config = PyramidAttentionBroadcastConfig(**EVERY, current_timestep_callback=_told(network))
        apply_pyramid_attention_broadcast(network, config)
    return _cached(changed)


@speedup(
    "FasterCache",
    "Extrapolates attention, and the unconditional half from the conditional.",
    source="Lv et al. 2024 (arXiv 2410.19355); diffusers' hook",
)
def faster_cache(model: Model) -> Changed:
    """Return the model with FasterCache.

    Raises:
        ModelError: If it is no transformer of diffusers that takes caches.
    """
    from diffusers.hooks import FasterCacheConfig

    changed = with_networks(model)
    for network in changed.networks.values():
        config = FasterCacheConfig(
            current_timestep_callback=_told(network),
            attention_weight_callback=lambda _: 0.5,
            tensor_format="BCHW",
            is_guidance_distilled=bool(getattr(network.config, "guidance_embeds", False)),
        )
        _enable(network, config)
    return _cached(changed)


@speedup(
    "first block cache",
    "Skips the other blocks while the first block's residual changes by less than 5 %.",
    source="ParaAttention's First Block Cache, after TeaCache (arXiv 2411.19108); diffusers' hook",
)
def first_block(model: Model) -> Changed:
    """Return the model with the first block cache.

    Raises:
        ModelError: If it is no transformer of diffusers that takes caches.
    """
    from diffusers.hooks import FirstBlockCacheConfig

    changed = with_networks(model)
    for network in changed.networks.values():
        _enable(network, FirstBlockCacheConfig())
    return _cached(changed)


@speedup(
    "TaylorSeer",
    "Extrapolates each attention's output over four of five evaluations.",
    source="Liu et al. 2025 (arXiv 2503.06923); diffusers' hook",
)
def taylorseer(model: Model) -> Changed:
    """Return the model with TaylorSeer.

    Raises:
        ModelError: If it is no transformer of diffusers that takes caches.
    """
    from diffusers.hooks import TaylorSeerCacheConfig

    changed = with_networks(model)
    for network in changed.networks.values():
        _enable(network, TaylorSeerCacheConfig())
    return _cached(changed)


def _enable(network: Any, config: Any) -> None:
    from diffusers.models.cache_utils import CacheMixin

    if not isinstance(network, CacheMixin):
        kind = type(network).__name__
        raise ModelError(f"diffusers has this cache for its newer transformers, no {kind}.")
    network.enable_cache(config)


def _told(network: Any) -> Callable[[], float]:
    """Let a network note the timestep, 0 ... 1000, that it is called with; return what tells it."""
    import inspect

    own, now = network.forward, [0.0]
    signature = inspect.signature(own)

    def forward(*args: Any, **given: Any) -> Any:
        import torch

        timestep = signature.bind(*args, **given).arguments["timestep"]
        value = float(torch.as_tensor(timestep).flatten()[0])
        now[0] = 1000 * value if value <= 1 else value  # some transformers are told 0 ... 1
        return own(*args, **given)

    network.forward = forward
    return lambda: now[0]


def _cached(model: Model) -> Changed:
    from diffusers.hooks import HookRegistry

    def fresh() -> None:
        for network in model.networks.values():
            registry = HookRegistry.check_if_exists_or_initialize(network)
            registry.reset_stateful_hooks(recurse=True)

    return Changed(model, fresh)
