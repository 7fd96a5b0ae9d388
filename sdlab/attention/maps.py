"""The attention maps of one picture, with what they were recorded from.

A cross-attention map says, for every place of a layer's grid, what share of that place's attention
goes to a token; over all tokens the shares of a place sum to 1. A self-attention map says where a
place looks.

In a joint layer of a transformer a place shares its attention between text and picture: over all
tokens the shares sum to the text's share, which is a map of its own (``text_share``), and those of
its self-attention to the rest. Word maps are not scaled up by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from sdlab.attention import views, words
from sdlab.attention.layers import Layer, select
from sdlab.attention.planning import count_kept, kept_places
from sdlab.attention.summary import AREA_THRESHOLD
from sdlab.errors import check_keywords, unknown
from sdlab.experiment.attention_record import AttentionRecord

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


def key_of(half: str, layer: Layer) -> str:
    """Return the name under which a layer's maps are stored: 'cond/up_blocks.1...attn2'."""
    return f"{half}/{layer.name}"


def share_key(half: str, layer: Layer) -> str:
    """Return the name under which the text's share of a joint layer is stored."""
    return f"{key_of(half, layer)}/share"


@dataclass(frozen=True)
class MapsSource:
    """What a picture's maps were recorded from.

    Attributes:
        record: What was asked for.
        size: (h, w) of the latents.
        layers: The layers kept, in calling order.
        evaluations: Numbers of the kept evaluations, ascending.
        steps: The solver step of each.
        timesteps: The training timestep of each.
        sigmas: The noise level of each.
        truncated: Whether the cap was reached and later evaluations are missing.
        unguided: Kept evaluations without an unconditional half, where others have one; that
            half's maps are not a number there.
    """

    record: AttentionRecord
    size: tuple[int, int]
    layers: tuple[Layer, ...]
    evaluations: tuple[int, ...]
    steps: tuple[int, ...]
    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]
    truncated: bool = False
    unguided: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; of a U-Net's layers, without what only transformers have."""
        values = asdict(self)
        values["record"] = self.record.to_dict()
        for layer in values["layers"]:
            for name in ("joint", "of_text"):
                if not layer[name]:
                    del layer[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MapsSource":
        """Return the facts of ``to_dict``'s values, also after JSON."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        fields["record"] = AttentionRecord.from_dict(values["record"])
        fields["layers"] = tuple(Layer(**layer) for layer in values["layers"])
        return cls(**fields)


class AttentionMaps:
    """Every kept map of one picture.

    Args:
        facts: What they are of.
        tensors: By ``key_of``: cross [K, H, T, h, w], self [K, H, cells, h, w] (a place, and where
            it looks), of the text [K, H, T, h, w] (a token, and where it looks), and by
            ``share_key`` the text's share [K, H, h, w]; K evaluations, H heads (1 if reduced); may
            load on access.
        tokens: The token table of each half, "cond" and, where there is one, "uncond"; "cond_2"
            and "uncond_2" where a second text encoder was given another prompt.
        table: The ``attention`` table if it is stored already.
    """

    def __init__(
        self,
        facts: MapsSource,
        tensors: "Mapping[str, Tensor]",
        tokens: "Mapping[str, pd.DataFrame]",
        table: Any = None,
    ) -> None:
        self.facts = facts
        self.tensors = tensors
        self.tokens = dict(tokens)
        self._stored_table = table

    def __len__(self) -> int:
        return len(self.facts.evaluations)

    @property
    def record(self) -> AttentionRecord:
        """What was asked for."""
        return self.facts.record

    @property
    def evaluations(self) -> tuple[int, ...]:
        """Numbers of the kept evaluations."""
        return self.facts.evaluations

    @property
    def cross_layers(self) -> tuple[Layer, ...]:
        """The kept cross-attention layers, in calling order."""
        return tuple(layer for layer in self.facts.layers if layer.cross)

    @property
    def self_layers(self) -> tuple[Layer, ...]:
        """The kept self-attention layers, in calling order."""
        kept = self.facts.layers
        return tuple(layer for layer in kept if not layer.cross and not layer.of_text)

    @property
    def text_layers(self) -> tuple[Layer, ...]:
        """The kept joint layers by which the text looks at the picture, in calling order."""
        return tuple(layer for layer in self.facts.layers if layer.of_text)

    @property
    def names(self) -> list[str]:
        """The dotted names of all kept layers."""
        return [layer.name for layer in self.facts.layers]

    @property
    def resolutions(self) -> list[str]:
        """The grids of the kept cross-attention layers, finest first: '16x16', width first."""
        layers = sorted(self.cross_layers, key=lambda layer: layer.share)
        return list(dict.fromkeys(layer.size for layer in layers))

    @property
    def halves(self) -> list[str]:
        """The halves kept: "cond" and perhaps "uncond"."""
        return [h for h in ("cond", "uncond") if any(k.startswith(f"{h}/") for k in self.tensors)]

    @property
    def words(self) -> list[str]:
        """The words of the prompt that were not cut off, in order, repeated ones too."""
        return words.listed(self.tokens["cond"])

    def layer(self, name: str) -> Layer:
        """Return a kept layer by its dotted name.

        Raises:
            ValueError: If it was not kept.
        """
        for layer in self.facts.layers:
            if layer.name == name:
                return layer
        raise ValueError(unknown("recorded attention layer", name, self.names))

    def choose(self, layer: "str | Sequence[str] | None", cross: bool = True) -> list[Layer]:
        """Return the kept layers that a name (or several), as in ``AttentionRecord``, matches.

        None returns all.

        Raises:
            ValueError: If none is kept, or a name matches none.
        """
        kept = self.cross_layers if cross else self.self_layers
        if not kept:
            field = "layers" if cross else "self_layers"
            raise ValueError(
                f"No {'cross' if cross else 'self'}-attention was recorded; ask for it with"
                f" AttentionRecord({field}=('all',))."
            )
        wanted = ["all"] if layer is None else [layer] if isinstance(layer, str) else layer
        return select(kept, wanted)

    def maps(self, layer: "str | Layer", half: str = "cond") -> "Tensor":
        """Return a layer's maps: cross and of the text [K, H, T, h, w], self [K, H, cells, h, w].

        Raises:
            ValueError: If the layer or the half was not kept.
        """
        found = layer if isinstance(layer, Layer) else self.layer(layer)
        self._check_half(half)
        return self.tensors[key_of(half, found)]

    def text_share(self, layer: "str | Layer", half: str = "cond") -> "Tensor":
        """Return the share of each place's attention that goes to the text, [K, H, h, w].

        It counts all tokens of the text, also those whose maps were not kept, and is 1 where the
        text has a softmax of its own.

        Raises:
            ValueError: If the layer or the half was not kept, or it is of self-attention.
        """
        found = layer if isinstance(layer, Layer) else self.layer(layer)
        self._check_half(half)
        if not found.cross:
            raise ValueError(f"{found.name} does not look at the text, so it has no share of it.")
        if found.joint:
            return self.tensors[share_key(half, found)]
        own = self.maps(found, half)
        return own.new_ones(own.shape[0], own.shape[1], *own.shape[3:])

    def positions(
        self, word: "str | int | Sequence[int]", occurrence: int | None = None, half: str = "cond"
    ) -> list[int]:
        """Return the token positions of a word or phrase; positions are returned as they are.

        If a call had ``prompt_2``, a word is looked for in the first prompt, then in the second.

        Args:
            word: "parrot", "red car", a position, or several.
            occurrence: Which one of a repeated word, from 0; None for all together.
            half: Whose tokens.

        Raises:
            ValueError: If the prompt has no such word (the message lists those it has), it was cut
                off, or the position was not kept.
        """
        kept = self.kept_positions(half)
        found = words.positions(self._table_with(word, half), word, occurrence)
        for position in found:
            if position not in kept:
                raise ValueError(
                    f"Position {position} was not recorded, only {_ranges(kept)}; ask for all with"
                    " AttentionRecord(tokens='all')."
                )
        return found

    def kept_tokens(self, half: str = "cond") -> int:
        """Return how many tokens' maps were kept.

        Raises:
            ValueError: If the half was not kept.
        """
        return len(self.kept_positions(half))

    def kept_positions(self, half: str = "cond") -> tuple[int, ...]:
        """Return the positions of the tokens whose maps were kept, in the order of the maps.

        Raises:
            ValueError: If the half was not kept.
        """
        self._check_half(half)
        kept = kept_places(count_kept(self.tokens, half, self.record))
        return kept or tuple(range(int((~self.tokens[half]["cut"]).sum())))

    def indices(self, positions: Sequence[int], half: str = "cond") -> list[int]:
        """Return where the maps of some positions are among those kept."""
        kept = self.kept_positions(half)
        return [kept.index(position) for position in positions]

    def places(
        self,
        step: int | None = None,
        evaluation: int | Sequence[int] | None = None,
        half: str = "cond",
    ) -> list[int]:
        """Return the indices of a step or some evaluations among those kept; None: of all.

        Evaluations without the unconditional half are left out if that half is asked for.

        Raises:
            ValueError: If none of them was kept.
        """
        facts = self.facts
        wanted = [evaluation] if isinstance(evaluation, (int, np.integer)) else evaluation
        pairs = zip(facts.evaluations, facts.steps, strict=True)
        found = [
            place
            for place, (e, s) in enumerate(pairs)
            if (step is None or s == step) and (wanted is None or e in wanted)
            if half == "cond" or e not in facts.unguided
        ]
        if not found:
            raise ValueError(
                f"No attention was kept of step {step}, evaluation {evaluation}; kept evaluations:"
                f" {', '.join(map(str, facts.evaluations)) or 'none'}."
            )
        return found

    def heatmap(
        self, word: "str | int | Sequence[int]", **choice: Unpack[views.HeatmapOptions]
    ) -> np.ndarray:
        """Return a word's heat map, float32 [h, w]; see ``views.heatmap`` for the choices."""
        check_keywords(self.heatmap, choice, views.HeatmapOptions.__annotations__)
        return views.heatmap(self, word, **choice)

    def _table_with(self, word: "str | int | Sequence[int]", half: str) -> "pd.DataFrame":
        first, second = self.tokens[half], self.tokens.get(f"{half}_2")
        if second is None or not isinstance(word, str) or words.holds(first, word):
            return first
        only = words.holds(second, word, cut=True) and not words.holds(first, word, cut=True)
        return second if only or words.holds(second, word) else first

    def _check_half(self, half: str) -> None:
        if half not in self.halves:
            raise ValueError(
                f"The {half!r} half was not recorded (recorded: {', '.join(self.halves)}); ask for"
                " it with AttentionRecord(halves='both') and guidance above 1."
            )

    def summary(self, threshold: float = AREA_THRESHOLD) -> "pd.DataFrame":
        """Return ``table`` with ``area`` above another threshold.

        Args:
            threshold: 0 ... 1, where between a map's least and greatest value ``area`` begins.

        Raises:
            ValueError: If it is not within 0 ... 1.
        """
        from sdlab.attention.summary import table

        if threshold == AREA_THRESHOLD:
            return self.table
        made = table(self, threshold)
        if "run" in self.table:
            made.insert(0, "run", self.table["run"])
        return made

    @cached_property
    def table(self) -> "pd.DataFrame":
        """The ``attention`` table: one row an evaluation, layer, head and token.

        Of a run opened from its folder it has the column ``run`` too, as it is stored.
        """
        from sdlab.attention.summary import table

        return self._stored_table() if self._stored_table else table(self)


def _ranges(kept: Sequence[int]) -> str:
    """Return positions as text: '0 to 8, 77 to 83'."""
    firsts = [place for place in kept if place - 1 not in kept]
    lasts = [place for place in kept if place + 1 not in kept]
    return ", ".join(f"{first} to {last}" for first, last in zip(firsts, lasts, strict=True))
