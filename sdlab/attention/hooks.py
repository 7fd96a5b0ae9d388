"""Hooks that read queries and keys while the network runs, and are removed afterwards.

The hooks are on the projections ``to_q`` and ``to_k`` (fused: ``to_kv``, ``to_qkv``) and return
nothing, so the network computes what it would have computed without them, bit for bit.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.attention import probabilities
from sdlab.attention.layers import Layer, check_readable, scale_of
from sdlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.collector import Collector

    Receive = Callable[[Layer, Any, Tensor, Tensor], None]


# Queries and keys held before maps are computed; a small network's are held until the call's end.
HELD_BYTES = 16 * 2**20


class Part(NamedTuple):
    """One picture's rows of a network call: ``rows`` maps "cond" and "uncond" to row numbers."""

    collector: "Collector"
    rows: dict[str, int]


class Taker(NamedTuple):
    """Where a row of a layer goes: a picture's collector, for one half."""

    collector: "Collector"
    half: str
    row: int


class Held(NamedTuple):
    """A layer's queries and keys of all rows of the call."""

    layer: Layer
    module: Any
    query: "Tensor"
    key: "Tensor"


class MapReader:
    """Takes the queries and keys of one network call after another, and computes maps from them.

    Small layers are computed at the end of a call, those of one shape together, which takes a third
    of the time that it takes between the network's own work.
    """

    def __init__(self) -> None:
        self._parts: Sequence[Part] = ()
        self._waiting: list[Held] = []
        self._bytes = 0

    def begin(self, parts: "Sequence[Part]") -> None:
        """Start a call; whatever is left of the last one is dropped.

        Args:
            parts: Which rows go to which collector; empty to keep nothing.
        """
        self._parts = parts
        self._waiting.clear()
        self._bytes = 0
        for part in parts:
            part.collector.begin()

    def receive(self, layer: Layer, module: Any, query: "Tensor", key: "Tensor") -> None:
        """Take a layer's queries [B, N, heads * d] and keys [B, L, heads * d].

        Raises:
            ModelError: If the layer has another number of places than its grid.
        """
        if not self._parts:
            return
        _check_places(layer, query)
        self._waiting.append(Held(layer, module, query, key))
        self._bytes += query.nbytes + key.nbytes
        if self._bytes > HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Compute the maps of the queries and keys held, and give them to their collectors."""
        held, self._waiting, self._bytes = self._waiting, [], 0
        _distribute(held, self._parts)


@contextmanager
def recording(unet: Any, parts: "Sequence[Part]") -> Iterator[None]:
    """Record the one call of a U-Net made inside the ``with`` into the collectors of ``parts``.

    Args:
        unet: The U-Net.
        parts: Which rows go to which collector.

    Raises:
        ModelError: If the U-Net's attention cannot be read.
    """
    layers = list(dict.fromkeys(layer for part in parts for layer in part.collector.layers))
    reader = MapReader()
    with watching(unet, layers, reader.receive):
        reader.begin(parts)
        yield
    reader.flush()


@contextmanager
def watching(unet: Any, layers: Sequence[Layer], receive: "Receive") -> Iterator[None]:
    """Call ``receive(layer, module, query, key)`` whenever one of the layers is computed.

    Raises:
        ModelError: If the U-Net's attention cannot be read.
    """
    modules = check_readable(unet, layers)
    handles: list[Any] = []
    try:
        for layer, module in zip(layers, modules, strict=True):
            handles += _attach(layer, module, receive)
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
    """Compute the maps of all rows that are recorded and give them to their collectors.

    Layers with the same heads, scale, shapes and takers are computed together.
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
            for some in _pieces(layers, heads * len(takers)):
                _compute(some, takers, cross, heads, scale, how)


def _takers(layer: Layer, parts: "Sequence[Part]") -> dict[tuple[str, str], tuple[Taker, ...]]:
    """Return the takers of a layer, by their reduction of the heads and number type."""
    found: dict[tuple[str, str], list[Taker]] = {}
    for collector, rows in parts:
        if layer in collector.layers:
            how = collector.record.heads, collector.record.dtype
            own = found.setdefault(how, [])
            own += [Taker(collector, half, row) for half, row in rows.items()]
    return {how: tuple(takers) for how, takers in found.items()}


def _pieces(layers: "list[Held]", maps: int) -> "Iterator[list[Held]]":
    """Yield the layers in groups small enough to hold their scores, ``maps`` a layer, at once."""
    one = layers[0]
    scores = maps * one.query.shape[1] * one.key.shape[1] * max(4, one.query.element_size())
    count = max(1, probabilities.CHUNK_BYTES // scores)
    for first in range(0, len(layers), count):
        yield layers[first : first + count]


def _compute(
    layers: "Sequence[Held]",
    takers: Sequence[Taker],
    cross: bool,
    heads: int,
    scale: float,
    how: tuple[str, str],
) -> None:
    rows = [taker.row for taker in takers]
    query = _joined([_rows(one.query, rows) for one in layers])
    key = _joined([_rows(one.key, rows) for one in layers])
    if cross:
        tokens = max(taker.collector.count(taker.half, key.shape[1]) for taker in takers)
        maps = probabilities.cross_maps(query, key, heads, scale, *how, tokens)
    else:
        maps = probabilities.self_maps(query, key, heads, scale, *how)
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
