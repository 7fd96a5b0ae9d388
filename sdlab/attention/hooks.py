"""Hooks that read queries and keys while the network runs, and are removed afterwards.

In a U-Net they are on the projections ``to_q`` and ``to_k`` (fused: ``to_kv``, ``to_qkv``), in a
transformer on what its attention modules give to torch's attention function (``interception``).
They return nothing, so the network computes what it would have computed without them, bit for bit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.attention import probabilities
from sdlab.attention.layers import Layer, check_readable, is_unet, scale_of
from sdlab.attention.probabilities import Scores
from sdlab.errors import ModelError
from sdlab.pauses import under_way

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.collector import Collector

Receive = Callable[[Layer, Scores], None]
Lose = Callable[[ModelError], None]
Call = tuple[tuple[Any, ...], Mapping[str, Any]]


# Queries and keys held before maps are computed; a small network's are held until the call's end.
HELD_BYTES = 16 * 2**20


class Part(NamedTuple):
    """One picture's rows of a network call.

    Attributes:
        collector: Takes the picture's maps.
        rows: Row number by half, "cond" and "uncond".
        more: Whether it belongs to the same evaluation as the call before: the other half, where a
            pipeline calls its network for one after the other.
    """

    collector: "Collector"
    rows: dict[str, int]
    more: bool = False


class Taker(NamedTuple):
    """Where a row of a layer goes: a picture's collector, for one half."""

    collector: "Collector"
    half: str
    row: int


class Held(NamedTuple):
    """A layer's queries and keys of all rows of the call."""

    layer: Layer
    scores: Scores


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
        """Start a call; whatever is left of the last evaluation is dropped.

        Args:
            parts: Which rows go to which collector; empty to keep nothing.
        """
        self._parts = parts
        self._waiting.clear()
        self._bytes = 0
        for part in parts:
            if not part.more:
                part.collector.begin()

    def lose(self, error: ModelError) -> None:
        """Record no more of the pictures of this call, whose attention cannot be read."""
        for part in self._parts:
            part.collector.lose(str(error))
        self.begin(())

    def receive(self, layer: Layer, scores: Scores) -> None:
        """Take a layer's queries and keys of all rows."""
        if not self._parts:
            return
        rows, needed = len(scores.query), 1 + max(max(p.rows.values()) for p in self._parts)
        if rows < needed:
            raise ModelError(
                f"{layer.name} computes {rows} of the call's {needed} rows at a time, which this"
                " recorder does not read. Switch off what changes attention."
            )
        self._waiting.append(Held(layer, scores))
        self._bytes += scores.query.nbytes + scores.key.nbytes
        if self._bytes > HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Compute the maps of the queries and keys held, and give them to their collectors."""
        held, self._waiting, self._bytes = self._waiting, [], 0
        _distribute(held, self._parts)


@contextmanager
def recording(network: Any, parts: "Sequence[Part]", call: Call | None = None) -> Iterator[None]:
    """Record the one call of a network made inside the ``with`` into the collectors of ``parts``.

    Where a transformer's attention cannot be read the collectors are told, see ``Collector.lost``,
    and the call goes on.

    Args:
        network: The U-Net or transformer.
        parts: Which rows go to which collector.
        call: Arguments and keyword arguments of that call, if it is made by ``forward``, which
            calls no hooks of the network's own.

    Raises:
        ModelError: If a U-Net's attention cannot be read.
    """
    layers = list(dict.fromkeys(layer for part in parts for layer in part.collector.layers))
    reader = MapReader()
    reader.begin(parts)
    with watching(network, layers, reader.receive, call, reader.lose):
        yield
    reader.flush()


@contextmanager
def watching(
    network: Any,
    layers: Sequence[Layer],
    receive: Receive,
    call: Call | None = None,
    lose: Lose | None = None,
) -> Iterator[None]:
    """Call ``receive(layer, scores)`` whenever one of the layers is computed.

    Args:
        network: The U-Net or transformer.
        layers: The layers.
        receive: Takes a layer's scores.
        call: Arguments and keyword arguments of the network's call that is being made, if this is
            entered in the middle of one, as by a forward pre-hook.
        lose: Hears why a transformer's attention cannot be read, instead of an error.

    Raises:
        ModelError: If the network's attention cannot be read.
    """
    if not is_unet(network):
        from sdlab.attention.interception import Watch

        with Watch(network, layers, receive, lose).attached(call):
            yield
        return
    modules = check_readable(network, layers)
    handles: list[Any] = []
    try:
        for layer, module in zip(layers, modules, strict=True):
            handles += _attach(layer, module, receive)
        yield
    finally:
        for handle in handles:
            handle.remove()


def _attach(layer: Layer, module: Any, receive: Receive) -> list[Any]:
    held: dict[str, Tensor] = {}
    own = under_way()

    def hook(names: str) -> Callable[[Any, Any, Any], None]:
        def take(_: Any, __: Any, output: "Tensor") -> None:
            if under_way() is not own:
                return  # another's call, while this one pauses
            parts = (output,) if len(names) == 1 else output.chunk(len(names), dim=-1)
            held.update(zip(names, parts, strict=True))
            if "q" in held and "k" in held:
                receive(layer, _scores(layer, module, held.pop("q"), held.pop("k")))
                held.clear()

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


def _scores(layer: Layer, module: Any, query: "Tensor", key: "Tensor") -> Scores:
    """Return the scores of a U-Net's queries [B, N, heads * d] and keys [B, L, heads * d].

    Raises:
        ModelError: If the layer has another number of places than its grid.
    """
    if query.shape[1] != layer.cells:
        raise ModelError(
            f"{layer.name} sees {query.shape[1]} places where latents of this size have"
            f" {layer.width} x {layer.height} = {layer.cells}. If tokens are merged (ToMe) or the"
            " U-Net is patched, switch that off."
        )
    q, k = (x.unflatten(-1, (module.heads, -1)).transpose(1, 2) for x in (query, key))
    return Scores(q, k, scale_of(module), slice(0, key.shape[1]))


def _distribute(held: "Sequence[Held]", parts: "Sequence[Part]") -> None:
    """Compute the maps of all rows that are recorded and give them to their collectors.

    Layers with the same kind, scale, shapes and takers are computed together, unless masked.
    """
    groups: dict[Any, list[Held]] = {}
    for layer, scores in held:
        query, key, scale, keys, mask, texts, total = scores
        alike = query.shape, key.shape, query.dtype, scale, keys.start, keys.stop, texts
        kind = layer.cross, layer.joint, layer.of_text, total is None
        alone = None if mask is None else (layer.name, id(scores.query))
        for how, takers in _takers(layer, parts).items():
            group = groups.setdefault((how, takers, kind, alone, *alike), [])
            group.append(Held(layer, scores))
    if not groups:
        return
    import torch

    device = held[0].scores.query.device.type
    with torch.no_grad(), torch.autocast(device, enabled=False):
        for (how, takers, *_), group in groups.items():
            for some in _pieces(group, len(takers)):
                _compute(some, takers, how)


def _takers(layer: Layer, parts: "Sequence[Part]") -> dict[tuple[str, str], tuple[Taker, ...]]:
    """Return the takers of a layer, by their reduction of the heads and number type."""
    found: dict[tuple[str, str], list[Taker]] = {}
    for collector, rows, _ in parts:
        if layer in collector.layers:
            how = collector.record.heads, collector.record.dtype
            own = found.setdefault(how, [])
            own += [Taker(collector, half, row) for half, row in rows.items()]
    return {how: tuple(takers) for how, takers in found.items()}


def _pieces(held: "list[Held]", rows: int) -> "Iterator[list[Held]]":
    """Yield the layers in groups small enough to hold the scores of these rows at once."""
    query, key = held[0].scores.query, held[0].scores.key
    heads, places = query.shape[1:3]
    scores = rows * heads * places * key.shape[2] * max(4, query.element_size())
    count = max(1, probabilities.CHUNK_BYTES // scores)
    for first in range(0, len(held), count):
        yield held[first : first + count]


def _compute(held: "Sequence[Held]", takers: Sequence[Taker], how: tuple[str, str]) -> None:
    rows, layer = [taker.row for taker in takers], held[0].layer
    scores = probabilities.joined([one.scores.rows(rows) for one in held])
    shares: Iterator[Tensor | None] = repeat(None)
    if layer.cross:
        text = scores.keys.stop - scores.keys.start
        tokens = max(taker.collector.count(taker.half, text) for taker in takers)
        if layer.joint:
            maps, share = probabilities.joint_maps(scores, *how, tokens)
            shares = iter(share)
        else:
            maps = probabilities.cross_maps(scores, *how, tokens)
    else:
        maps = probabilities.self_maps(scores, *how)
    places = iter(maps)
    for one in held:
        for number, taker in enumerate(takers):
            own = next(places)
            if scores.texts is not None and (layer.cross or layer.of_text):
                own = _fitted(own, scores.texts[number])
            taker.collector.take(one.layer, taker.half, own, next(shares))


def _fitted(maps: "Tensor", positions: int) -> "Tensor":
    """Return a row's maps [H, T, cells] of its own text's positions; others get no attention."""
    from torch.nn import functional

    return functional.pad(maps[:, :positions], (0, 0, 0, max(0, positions - maps.shape[1])))
