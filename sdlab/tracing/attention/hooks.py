"""Hooks that read queries and keys while the network runs, and are gone afterwards.

The hooks sit on the projections ``to_q`` and ``to_k`` (fused: ``to_kv``, ``to_qkv``) and return
nothing, so the network computes what it would have computed without them, bit for bit.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.errors import ModelError
from sdlab.tracing.attention import probabilities
from sdlab.tracing.attention.layers import Layer, check_readable, scale_of

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.tracing.attention.collector import Collector

    Receive = Callable[[Layer, Any, Tensor, Tensor], None]


class Part(NamedTuple):
    """One picture's rows of a network call: half to row number."""

    collector: "Collector"
    rows: dict[str, int]


@contextmanager
def recording(unet: Any, parts: "Sequence[Part]") -> Iterator[None]:
    """Record the calls of a U-Net made inside into the collectors of ``parts``.

    Args:
        unet: Whose calls.
        parts: Who wants what; the same rows in every call made inside.

    Raises:
        ModelError: If the U-Net's attention cannot be read.
    """
    layers = list(dict.fromkeys(layer for part in parts for layer in part.collector.layers))
    for part in parts:
        part.collector.begin()

    def receive(layer: Layer, module: Any, query: "Tensor", key: "Tensor") -> None:
        _distribute(layer, module, query, key, parts)

    with watching(unet, layers, receive):
        yield


@contextmanager
def watching(unet: Any, layers: Sequence[Layer], receive: "Receive") -> Iterator[None]:
    """Call ``receive(layer, module, query, key)`` whenever one of the layers is computed.

    Raises:
        ModelError: If the U-Net's attention cannot be read.
    """
    check_readable(unet, layers)
    handles: list[Any] = []
    try:
        for layer in layers:
            handles += _attach(layer, unet.get_submodule(layer.name), receive)
        yield
    finally:
        for handle in handles:
            handle.remove()


def _attach(layer: Layer, module: Any, receive: "Receive") -> list[Any]:
    held: dict[str, Tensor] = {}

    def hook(names: str) -> Callable[[Any, Any, Any], None]:
        def take(_: Any, __: Any, output: "Tensor") -> None:
            held.update(zip(names, output.chunk(len(names), dim=-1), strict=True))
            if "q" in held and "k" in held:
                query, key = held["q"], held["k"]
                held.clear()
                receive(layer, module, query, key)

        return take

    if not getattr(module, "fused_projections", False):
        places = {"to_q": "q", "to_k": "k"}
    elif module.is_cross_attention:
        places = {"to_q": "q", "to_kv": "kv"}
    else:
        places = {"to_qkv": "qkv"}
    return [
        getattr(module, place).register_forward_hook(hook(names)) for place, names in places.items()
    ]


def _distribute(
    layer: Layer, module: Any, query: "Tensor", key: "Tensor", parts: "Sequence[Part]"
) -> None:
    """Compute the maps of all rows that want this layer and hand each its own."""
    import torch

    if query.shape[1] != layer.cells:
        raise ModelError(
            f"{layer.name} sees {query.shape[1]} places where latents of this size have"
            f" {layer.width} x {layer.height} = {layer.cells}. If tokens are merged (ToMe) or the"
            " U-Net is patched, switch that off."
        )
    takers = [
        (part.collector, half, row)
        for part in parts
        if layer in part.collector.layers
        for half, row in part.rows.items()
    ]
    with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
        for how in dict.fromkeys(collector.record.heads for collector, _, _ in takers):
            group = [taker for taker in takers if taker[0].record.heads == how]
            rows = [row for _, _, row in group]
            q, k = _rows(query, rows), _rows(key, rows)
            scale = scale_of(module)
            if layer.cross:
                tokens = max(c.count(half, key.shape[1]) for c, half, _ in group)
                maps = probabilities.cross_maps(q, k, module.heads, scale, how, tokens)
            else:
                maps = probabilities.self_maps(q, k, module.heads, scale, how)
            for (collector, half, _), own in zip(group, maps, strict=True):
                collector.take(layer, half, own)


def _rows(x: "Tensor", rows: list[int]) -> "Tensor":
    if rows == list(range(rows[0], rows[-1] + 1)):
        return x[rows[0] : rows[-1] + 1]
    return x[rows]
