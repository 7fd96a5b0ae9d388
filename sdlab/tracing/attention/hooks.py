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


# Queries and keys held until there is time for them; a small network's wait for the call's end.
HELD_BYTES = 16 * 2**20


class Part(NamedTuple):
    """One picture's rows of a network call: half to row number."""

    collector: "Collector"
    rows: dict[str, int]


class Taker(NamedTuple):
    """Who wants a row of a layer: a picture's collector, for one half."""

    collector: "Collector"
    half: str
    row: int


class Held(NamedTuple):
    """A layer's queries and keys of all rows of the call."""

    layer: Layer
    module: Any
    query: "Tensor"
    key: "Tensor"


@contextmanager
def recording(unet: Any, parts: "Sequence[Part]") -> Iterator[None]:
    """Record the calls of a U-Net made inside into the collectors of ``parts``.

    What is small is computed when the block is left, layers of one shape together, which takes a
    third of the time that it takes in between the network's own work.

    Args:
        unet: Whose calls.
        parts: Who wants what; the same rows in every call made inside.

    Raises:
        ModelError: If the U-Net's attention cannot be read.
    """
    layers = list(dict.fromkeys(layer for part in parts for layer in part.collector.layers))
    for part in parts:
        part.collector.begin()
    waiting: list[Held] = []
    size = 0

    def flush() -> None:
        nonlocal size
        held, size = waiting.copy(), 0
        waiting.clear()
        _distribute(held, parts)

    def receive(layer: Layer, module: Any, query: "Tensor", key: "Tensor") -> None:
        nonlocal size
        _check_places(layer, query)
        waiting.append(Held(layer, module, query, key))
        size += query.nbytes + key.nbytes
        if size > HELD_BYTES:
            flush()

    with watching(unet, layers, receive):
        yield
    flush()


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
            parts = (output,) if len(names) == 1 else output.chunk(len(names), dim=-1)
            held.update(zip(names, parts, strict=True))
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


def _check_places(layer: Layer, query: "Tensor") -> None:
    if query.shape[1] != layer.cells:
        raise ModelError(
            f"{layer.name} sees {query.shape[1]} places where latents of this size have"
            f" {layer.width} x {layer.height} = {layer.cells}. If tokens are merged (ToMe) or the"
            " U-Net is patched, switch that off."
        )


def _distribute(held: "Sequence[Held]", parts: "Sequence[Part]") -> None:
    """Compute the maps of all rows that are wanted, layers of one shape at once, and hand them on.

    All that is computed together has the same heads, scale, shapes and takers.
    """
    groups: dict[Any, list[Held]] = {}
    for one in held:
        module, shapes = one.module, (one.query.shape, one.key.shape, one.query.dtype)
        for how, takers in _takers(one.layer, parts).items():
            kind = (one.layer.cross, how, takers, module.heads, scale_of(module), *shapes)
            groups.setdefault(kind, []).append(one)
    if not groups:
        return
    import torch

    device = held[0].query.device.type
    with torch.no_grad(), torch.autocast(device, enabled=False):
        for (cross, how, takers, heads, scale, *_), layers in groups.items():
            _compute(layers, takers, cross, heads, scale, how)


def _takers(layer: Layer, parts: "Sequence[Part]") -> dict[str, tuple[Taker, ...]]:
    """Return by their reduction of the heads who wants a layer."""
    found: dict[str, list[Taker]] = {}
    for collector, rows in parts:
        if layer in collector.layers:
            own = found.setdefault(collector.record.heads, [])
            own += [Taker(collector, half, row) for half, row in rows.items()]
    return {how: tuple(takers) for how, takers in found.items()}


def _compute(
    layers: "Sequence[Held]",
    takers: Sequence[Taker],
    cross: bool,
    heads: int,
    scale: float,
    how: str,
) -> None:
    rows = [taker.row for taker in takers]
    query = _joined([_rows(one.query, rows) for one in layers])
    key = _joined([_rows(one.key, rows) for one in layers])
    if cross:
        tokens = max(taker.collector.count(taker.half, key.shape[1]) for taker in takers)
        maps = probabilities.cross_maps(query, key, heads, scale, how, tokens)
    else:
        maps = probabilities.self_maps(query, key, heads, scale, how)
    places = iter(maps)
    for one in layers:
        for taker in takers:
            taker.collector.take(one.layer, taker.half, next(places))


def _joined(tensors: "list[Tensor]") -> "Tensor":
    import torch

    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _rows(x: "Tensor", rows: list[int]) -> "Tensor":
    if rows == list(range(rows[0], rows[-1] + 1)):
        return x[rows[0] : rows[-1] + 1]
    return x[rows]
