"""Heat maps: attention maps resized to one size and averaged, also along one axis.

The heat map of a word is the share of each place's attention that goes to it: the sum over the
word's tokens, the mean over evaluations and heads, and the mean over layers, each layer resized to
the size asked for first (bilinear where it grows, area mean where it shrinks), every layer counting
the same. ``method="daam"`` is DAAM's (Tang et al. 2022, arXiv 2210.04885, as published in
castorini/daam): each head's map is summed over the evaluations, brought to the latents' size by
bicubic interpolation, clamped at 0, then averaged over heads and layers, and over a word's tokens.
The middle block is left out, as there, unless layers are named. Clamping acts head by head, so
parity with it needs a record of ``heads="all"``; of reduced heads it acts on their mean or max.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from sdlab.attention.layers import Layer
from sdlab.errors import check_keywords, unknown
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from sdlab.attention.maps import AttentionMaps

AXES = ("evaluation", "layer", "head")
MIDDLE = "mid_block."
METHODS = ("mean", "daam")
Word = str | int | Sequence[int]


@dataclass(frozen=True)
class Choice:
    """Which of a picture's maps to look at; a field that is None takes all and averages them.

    Attributes:
        occurrence: Which one of a repeated word, from 0; None for all together.
        step: One solver step.
        evaluation: One evaluation, or several.
        layer: Layers, named as in ``AttentionRecord``.
        head: One head, where all were kept.
        size: (h, w) of the result; None for the grid of the finest layer chosen.
        half: "cond" or "uncond".
    """

    occurrence: int | None = None
    step: int | None = None
    evaluation: int | Sequence[int] | None = None
    layer: str | Sequence[str] | None = None
    head: int | None = None
    size: tuple[int, int] | None = None
    half: str = "cond"

    @classmethod
    def of(cls, function: Callable[..., Any], options: Mapping[str, Any]) -> "Choice":
        """Return the choice that a function's ``**choice`` makes.

        Raises:
            TypeError: If one of them is no field; it names the function and what that takes.
        """
        check_keywords(function, options, ChoiceOptions.__annotations__)
        return cls(**options)


class ChoiceOptions(TypedDict, total=False):
    """The fields of ``Choice`` by name, as the functions that take one have them."""

    occurrence: int | None
    step: int | None
    evaluation: int | Sequence[int] | None
    layer: str | Sequence[str] | None
    head: int | None
    size: tuple[int, int] | None
    half: str


class HeatmapOptions(ChoiceOptions, total=False):
    """What a heat map takes by name: the fields of ``Choice``, and ``method`` of ``heatmap``."""

    method: str


@dataclass(frozen=True)
class Best:
    """Where to start looking: the layers and steps whose maps find a model's objects best.

    Attributes:
        layers: For a run, named as in ``AttentionRecord``; None for all.
        span: First and last of a run's evaluations, as shares of them, 0 ... 1.
        given_layers: For a given picture, likewise.
        given_timestep: The timestep to noise a given picture to.
    """

    layers: str | None = None
    span: tuple[float, float] = (0.0, 1.0)
    given_layers: str | None = None
    given_timestep: int = 400


# Measured against masks (benchmarks/attention_truth.py; its last row says if it still holds).
_SHARPEST = "up_blocks.2.attentions.0.transformer_blocks.0.attn2"
BEST = {EMBEDDED: Best(_SHARPEST, (0.8, 1.0), _SHARPEST, 50)}


def best(model: str) -> Best:
    """Return where to start looking at a model's maps; all of them if it was not measured."""
    return BEST.get(model, Best())


def span_places(count: int, span: tuple[float, float]) -> slice:
    """Return the slice of ``count`` evaluations that a span of shares covers, at least one."""
    first = min(round(span[0] * count), count - 1)
    return slice(first, max(round(span[1] * count), first + 1))


def heatmap(
    maps: "AttentionMaps", word: Word, *, method: str = "mean", **choice: Unpack[ChoiceOptions]
) -> "np.ndarray":
    """Return a word's heat map, float32 [h, w].

    Args:
        maps: The picture's maps.
        word: "parrot", "red car", or token positions.
        method: "mean", or "daam", whose scale is its own and whose size is the latents'; without
            ``layer`` it takes all but the middle block's, as DAAM does.
        choice: Fields of ``Choice``.

    Raises:
        ValueError: If the prompt has no such word, or what was asked for was not kept.
    """
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    chosen = Choice.of(heatmap, choice)
    positions = maps.positions(word, chosen.occurrence, chosen.half)
    layers = maps.choose(chosen.layer)
    if method == "daam":
        named = layers if chosen.layer is not None else _without_middle(layers)
        return _daam(maps, named, positions, chosen)
    own = [_word(maps, one, positions, chosen).mean((0, 1)) for one in layers]
    return _mean_over_layers(own, layers, chosen.size or _finest(layers))


def text_share(maps: "AttentionMaps", **choice: Unpack[ChoiceOptions]) -> "np.ndarray":
    """Return how much each place looks at the words at all, float32 [h, w], from 0 to 1.

    It is the sum of all tokens' heat maps, also of those not kept; 1 everywhere in a U-Net.

    Args:
        maps: The picture's maps.
        choice: Fields of ``Choice``.

    Raises:
        ValueError: If what was asked for was not kept.
    """
    chosen = Choice.of(text_share, choice)
    layers = maps.choose(chosen.layer)
    own = [share_of(maps, one, chosen).mean((0, 1)) for one in layers]
    return _mean_over_layers(own, layers, chosen.size or _finest(layers))


def share_of(maps: "AttentionMaps", layer: Layer, chosen: Choice) -> "Tensor":
    """Return the text's share of attention in a layer, float32 [K, heads, h, w]."""
    places = maps.places(chosen.step, chosen.evaluation, chosen.half)
    own = maps.text_share(layer, chosen.half)[places].float()
    return pick_head(own, chosen.head, layer)


def frames(
    maps: "AttentionMaps", word: Word, over: str, **choice: Unpack[ChoiceOptions]
) -> "tuple[list[Any], np.ndarray]":
    """Return a word's heat maps along one axis, averaged over the others.

    Args:
        maps: The picture's maps.
        word: "parrot", "red car", or token positions.
        over: "evaluation", "layer" or "head" (one layer only: heads of different layers have
            nothing in common).
        choice: Fields of ``Choice``.

    Returns:
        The numbers of the evaluations or heads, or the names of the layers; and the maps, float32
        [n, h, w], of one size and scale.

    Raises:
        ValueError: As ``heatmap``; if ``over`` is unknown, or "head" with several layers.
    """
    if over not in AXES:
        raise ValueError(unknown("axis", over, AXES))
    chosen = Choice.of(frames, choice)
    positions = maps.positions(word, chosen.occurrence, chosen.half)
    layers = maps.choose(chosen.layer)
    size = chosen.size or _finest(layers)
    own = [_word(maps, one, positions, chosen) for one in layers]
    if over == "layer":
        import numpy as np

        means = [_resize(one.mean((0, 1))[None], size)[0].numpy() for one in own]
        return [one.name for one in layers], np.stack(means)
    if over == "evaluation":
        places = maps.places(chosen.step, chosen.evaluation, chosen.half)
        labels = [maps.evaluations[place] for place in places]
        return labels, _mean_over_layers([one.mean(1) for one in own], layers, size)
    if len(layers) > 1:
        raise ValueError(f"over='head' needs one layer, got {len(layers)}; name one of them.")
    heads = own[0].mean(0)
    numbers = list(range(len(heads))) if chosen.head is None else [chosen.head]
    return numbers, _resize(heads, size).numpy()


def self_map(
    maps: "AttentionMaps", x: float, y: float, **choice: Unpack[ChoiceOptions]
) -> "np.ndarray":
    """Return where a place of the picture looks (self-attention), float32 [h, w].

    At the layer's own size it sums to 1; in a joint transformer, where a place looks at words too,
    to what the words leave.

    Args:
        maps: The picture's maps, with self-attention.
        x: 0 ... 1 from the left; each layer's cell that holds the place is taken.
        y: 0 ... 1 from the top.
        choice: Fields of ``Choice``; ``layer`` among the self-attention layers.

    Raises:
        ValueError: If no self-attention was kept, or the place lies outside.
    """
    chosen = Choice.of(self_map, choice)
    layers = maps.choose(chosen.layer, cross=False)
    places = maps.places(chosen.step, chosen.evaluation, chosen.half)
    own = []
    for one in layers:
        row, column = cell(one, x, y)
        found = maps.maps(one, chosen.half)[places][:, :, row * one.width + column].float()
        own.append(pick_head(found, chosen.head, one).mean((0, 1)))
    return _mean_over_layers(own, layers, chosen.size or _finest(layers))


def cell(layer: Layer, x: float, y: float) -> tuple[int, int]:
    """Return (row, column) of the cell of a layer's grid that holds a place.

    Raises:
        ValueError: If x or y is not within 0 ... 1.
    """
    for name, value in (("x", x), ("y", y)):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} must be from 0 to 1, a share of the picture, got {value}.")
    return min(int(y * layer.height), layer.height - 1), min(int(x * layer.width), layer.width - 1)


def pick_head(own: "Tensor", head: int | None, layer: Layer) -> "Tensor":
    """Return [K, H, ...] or, of one head, [K, 1, ...].

    Raises:
        ValueError: If that head was not kept.
    """
    if head is None:
        return own
    if not 0 <= head < own.shape[1]:
        kept = f"0 to {own.shape[1] - 1}" if own.shape[1] > 1 else "their mean or max only"
        raise ValueError(f"head must be one that was kept of {layer.name} ({kept}), got {head}.")
    return own[:, head : head + 1]


def _word(maps: "AttentionMaps", layer: Layer, positions: list[int], chosen: Choice) -> "Tensor":
    """Return a word's share of attention in a layer, float32 [K, heads, h, w]."""
    return _pieces(maps, layer, positions, chosen).sum(2)


def _pieces(maps: "AttentionMaps", layer: Layer, positions: list[int], chosen: Choice) -> "Tensor":
    """Return the maps of some tokens in a layer, float32 [K, heads, tokens, h, w]."""
    places = maps.places(chosen.step, chosen.evaluation, chosen.half)
    tokens = maps.indices(positions, chosen.half)
    own = maps.maps(layer, chosen.half)[places][:, :, tokens].float()
    return pick_head(own, chosen.head, layer)


def _finest(layers: Sequence[Layer]) -> tuple[int, int]:
    finest = min(layers, key=lambda layer: layer.share)
    return finest.height, finest.width


def _mean_over_layers(
    own: "Sequence[Tensor]", layers: Sequence[Layer], size: tuple[int, int]
) -> "np.ndarray":
    """Return the layers' mean, [..., h, w]; those of one grid are added before they are resized."""
    sums: dict[tuple[int, int], Tensor] = {}
    for one, layer in zip(own, layers, strict=True):
        grid = (layer.height, layer.width)
        sums[grid] = sums[grid] + one if grid in sums else one
    import torch

    return torch.stack([_resize(one, size) for one in sums.values()]).sum(0).numpy() / len(layers)


def _resize(own: "Tensor", size: tuple[int, int]) -> "Tensor":
    from torch.nn import functional

    flat = own.reshape(1, -1, *own.shape[-2:])
    if tuple(flat.shape[-2:]) == tuple(size):
        return own
    if size[0] <= flat.shape[-2] and size[1] <= flat.shape[-1]:
        flat = functional.interpolate(flat, size=size, mode="area")
    else:
        flat = functional.interpolate(flat, size=size, mode="bilinear")
    return flat.reshape(*own.shape[:-2], *size)


def _without_middle(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers that DAAM looks at by default.

    Raises:
        ValueError: If there is none.
    """
    found = [layer for layer in layers if not layer.name.startswith(MIDDLE)]
    if not found:
        raise ValueError(
            "method='daam' leaves the middle block out, and only its layers were recorded; name"
            " them with layer='mid_block'."
        )
    return found


def _daam(
    maps: "AttentionMaps", layers: Sequence[Layer], positions: list[int], chosen: Choice
) -> "np.ndarray":
    import torch
    from torch.nn import functional

    size = chosen.size or maps.facts.size
    merged = []
    for layer in layers:
        summed = _pieces(maps, layer, positions, chosen).sum(0)  # [heads, tokens, h, w]
        merged.append(functional.interpolate(summed, size=size, mode="bicubic").clamp_(min=0))
    return torch.cat(merged).mean((0, 1)).numpy()
