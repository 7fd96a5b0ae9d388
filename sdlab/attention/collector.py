"""Collects one picture's attention maps during a run, evaluation by evaluation, within the cap."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sdlab.attention.layers import Layer
from sdlab.attention.maps import AttentionMaps, MapsSource, key_of, share_key
from sdlab.attention.planning import Kept
from sdlab.experiment.attention_record import AttentionRecord

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


class Point(NamedTuple):
    """A kept evaluation: its number, step and noise level."""

    evaluation: int
    step: int
    timestep: float
    sigma: float


class Collector:
    """Takes the maps of one picture; ``finish`` returns them as one ``AttentionMaps``.

    The maps of a network call are held apart until ``commit``, so that a call that fails and is
    repeated is counted once.

    Args:
        record: What to keep.
        layers: The layers chosen.
        counts: Which tokens to keep of each half, as ``planning.count_kept`` says.
        num_steps: Steps of the run; the last one is always kept.

    Attributes:
        truncated: Whether the cap was reached and later evaluations are missing.
        lost: Why the attention could not be read any further; empty if it could.
    """

    def __init__(
        self,
        record: AttentionRecord,
        layers: Sequence[Layer],
        counts: Mapping[str, Kept],
        num_steps: int,
    ) -> None:
        self.record = record
        self.layers = dict.fromkeys(layers)
        self.truncated = False
        self.lost = ""
        self._counts = dict(counts)
        self._num_steps = num_steps
        self._points: list[Point] = []
        self._kept: dict[str, dict[int, Tensor]] = {}
        self._pending: dict[str, Tensor] = {}
        self._bytes = 0

    def count(self, half: str, keys: int) -> int:
        """Return how many of a layer's text keys, from the first, hold all that are kept."""
        wanted = self._counts.get(half)
        if wanted is None:
            return keys
        return min(wanted if isinstance(wanted, int) else wanted[-1] + 1, keys)

    def wants(self, step: int) -> bool:
        """Return whether the evaluations of this step are kept."""
        return not self.truncated and not self.lost and self.record.keeps(step, self._num_steps)

    def begin(self) -> None:
        """Drop the maps of a call that failed."""
        self._pending.clear()

    def lose(self, why: str) -> None:
        """Take nothing from now on, because the attention cannot be read."""
        self.lost = why
        self.begin()

    def settle(self, halves: Mapping[str, str], counts: Mapping[str, Kept]) -> None:
        """Learn which halves the maps were of that were taken under other names.

        Args:
            halves: Half by the name that was taken for it; what has none is dropped.
            counts: Which tokens to keep of each half from now on.
        """
        self._counts = dict(counts)
        pending, self._pending = self._pending, {}
        layers = {layer.name: layer for layer in self.layers}
        for key, maps in pending.items():
            name, _, rest = key.partition("/")
            if name not in halves:
                continue
            layer = layers.get(rest)  # None for a text's share, which has no tokens
            if layer is not None and (layer.cross or layer.of_text):
                maps = self._selected(halves[name], maps).clone()
            self._pending[f"{halves[name]}/{rest}"] = maps

    def take(self, layer: Layer, half: str, maps: "Tensor", share: "Tensor | None" = None) -> None:
        """Take a layer's maps.

        Args:
            layer: The layer.
            half: "cond" or "uncond".
            maps: Cross and of the text [H, T or more, cells], self [H, cells, cells].
            share: The text's share of attention in a joint layer, [H, cells].
        """
        import torch

        if layer.cross or layer.of_text:
            maps = self._selected(half, maps)
        maps = maps.to(getattr(torch, self.record.dtype))
        if maps.untyped_storage().nbytes() > maps.nbytes:  # a slice would keep the whole in memory
            maps = maps.clone()
        grid = layer.height, layer.width
        self._pending[key_of(half, layer)] = maps.unflatten(-1, grid)
        if share is not None:
            own = share.to(maps.dtype).clone()
            self._pending[share_key(half, layer)] = own.unflatten(-1, grid)

    def commit(self, evaluation: int, step: int, timestep: float, sigma: float) -> None:
        """Keep the maps of the last call, if there are any and the cap allows it."""
        pending, self._pending = self._pending, {}
        if not pending or self.truncated:
            return
        size = sum(maps.nbytes for maps in pending.values())
        if self._bytes + size > self.record.max_bytes:
            self.truncated = True
            return
        self._bytes += size
        self._points.append(Point(evaluation, step, timestep, sigma))
        for key, maps in pending.items():
            self._kept.setdefault(key, {})[len(self._points) - 1] = maps

    def _selected(self, half: str, maps: "Tensor") -> "Tensor":
        wanted = self._counts.get(half)
        if isinstance(wanted, tuple):
            return maps[:, [place for place in wanted if place < maps.shape[1]]]
        return maps[:, : self.count(half, maps.shape[1])]

    def finish(self, size: tuple[int, int], tokens: "Mapping[str, pd.DataFrame]") -> AttentionMaps:
        """Return the maps on the CPU.

        Args:
            size: (h, w) of the latents.
            tokens: The token table of each half.
        """
        import torch

        tensors, count = {}, len(self._points)
        unguided: set[int] = set()
        for key in list(self._kept):
            parts = self._kept.pop(key)
            shape, dtype = next((maps.shape, maps.dtype) for maps in parts.values())
            whole = torch.empty((count, *shape), dtype=dtype)
            for place in range(count):
                if place not in parts:
                    unguided.add(place)
                # Freed at once, so that little is held twice.
                whole[place] = parts.pop(place, torch.nan)
            tensors[key] = whole
        facts = MapsSource(
            record=self.record,
            size=size,
            layers=tuple(self.layers),
            evaluations=tuple(point.evaluation for point in self._points),
            steps=tuple(point.step for point in self._points),
            timesteps=tuple(point.timestep for point in self._points),
            sigmas=tuple(point.sigma for point in self._points),
            truncated=self.truncated,
            unguided=tuple(self._points[place].evaluation for place in sorted(unguided)),
        )
        return AttentionMaps(facts, tensors, tokens)
