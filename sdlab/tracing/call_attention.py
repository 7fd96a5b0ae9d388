"""What of a pipeline call's attention is recorded: of which network, layers and rows.

Which rows of a call are which half the scheduler's step tells only after the network has computed.
A U-Net's are taken for [uncond, cond]; those of any other network are kept under numbers until the
first step has told, and by what it told from then on. Every step is asked whether that was right.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdlab.attention import layouts, planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part
from sdlab.attention.layers import is_unet
from sdlab.attention.network_text import latents_size, network_tokens
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.tracing import batch
from sdlab.tracing.halves import Halves

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.attention.layers import Layer
    from sdlab.text.pipeline_tokens import PromptText

    Tables = dict[str, pd.DataFrame]

UNETS = ("UNet2DConditionModel",)


class CallAttention:
    """The attention of one network during a call.

    Args:
        name: The pipeline's name for the network.
        network: The network itself.
        record: What to keep.
        told: Arguments of the network's first call by name.
        guided: Whether its rows have an unconditional half.
        tables: The token tables of every picture; of a U-Net only.
        texts: The prompts of every picture as its tokenizers cut them; only of a transformer.
        points: (sigma, step) of every evaluation expected.

    Attributes:
        layers: The layers chosen.
        collectors: One a picture.
        bytes: What the maps and the work on them will take.

    Raises:
        ModelError: If the attention cannot be read.
        MemoryLimitError: If the maps would pass the record's cap.
        ValueError: If a layer is named that is not there.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        record: AttentionRecord,
        told: Mapping[str, Any],
        guided: bool,
        tables: "Sequence[Tables]",
        texts: "Sequence[Sequence[PromptText]]",
        points: Sequence[tuple[float, int]],
    ) -> None:
        self.name, self.network = name, network
        self._record, self._texts = record, texts
        self._unet = is_unet(network)
        self.tables: list[Tables] = list(tables) if self._unet else [{}] * len(texts)
        # What the blocks of rows of an evaluation are, by how many its first call has.
        self._orders = {1: ("cond",), 2: ("uncond", "cond")} if self._unet else {}
        self._blocks: list[tuple[Mapping[str, Any], int]] = []  # arguments and first row of each
        self._first = 0
        self.layers: tuple[Layer, ...] = planning.choose_layers(
            network, record, latents_size(network, told)
        )
        rows, length = batch.rows(told), self._length(told)
        self.bytes = planning.working_bytes(network, record, self.layers, length, rows)
        self.collectors: list[Collector] = []
        num_steps = points[-1][1] + 1
        evaluations = sum(record.keeps(step, num_steps) for _, step in points)
        for image, own in enumerate(self.tables):
            counts = self._counts(own) if self._unet else self._likely_counts(image)
            now = {half: n for half, n in counts.items() if half == "cond" or guided}
            kept = planning.evaluation_bytes(record, self.layers, now, length) * evaluations
            planning.check_cap(record, kept)
            self.bytes += kept
            if not self._unet:  # the first evaluation, all of whose rows are kept until its step
                both = {"cond": None, "uncond": None}
                self.bytes += planning.evaluation_bytes(record, self.layers, both, length)
                counts = {}
            self.collectors.append(Collector(record, self.layers, counts, num_steps))

    def parts(self, told: Mapping[str, Any], step: int) -> list[Part]:
        """Return what to record of a call: rows by half, counted from the call's first.

        Args:
            told: The call's arguments by name.
            step: The solver step.
        """
        count, before = len(self.collectors), len(self._blocks)
        blocks = batch.rows(told) // count
        self._first = self._first if before else blocks
        self._blocks += [(told, place * count) for place in range(blocks)]
        names = {before + place: self._named(before + place) for place in range(blocks)}
        parts = []
        for image, collector in enumerate(self.collectors):
            rows = {
                name: (number - before) * count + image
                for number, name in names.items()
                if not name.isalpha() or name in self._record.kept_halves
            }
            if collector.wants(step) and rows:
                parts.append(Part(collector, rows, more=before > 0))
        return parts

    def settle(self, halves: Halves) -> bool:
        """Learn from a step which blocks of rows were which half; return whether that is known.

        Args:
            halves: As the step told them.
        """
        blocks, self._blocks = self._blocks, []
        if not blocks:
            return True
        order = _order(len(blocks), halves)
        known = self._orders.get(self._first, ())
        if not order or any(a != b for a, b in zip(order, known, strict=False) if a and b):
            return False
        if len(order) > len(known):
            if self._unet:  # calls it twice
                return False
            self._orders[self._first] = order
            kept = self._record.kept_halves
            names = {str(number): half for number, half in enumerate(order) if half in kept}
            names |= {half: half for half in kept}
            for image, collector in enumerate(self.collectors):
                self.tables[image] = self._read(blocks, order, image)
                collector.settle(names, self._counts(self.tables[image]))
        return True

    @property
    def lost(self) -> str:
        """Why the attention of the last call could not be read; empty if it could."""
        return next((one.lost for one in self.collectors if one.lost), "")

    def drop(self) -> None:
        """Forget the maps of the last call."""
        self._blocks = []
        for collector in self.collectors:
            collector.begin()

    def _named(self, block: int) -> str:
        """Return the half of a block of rows of an evaluation, or its number if not known yet."""
        order = self._orders.get(self._first, ())
        return order[block] or "none" if block < len(order) else str(block)

    def _counts(self, tables: "Tables") -> dict[str, planning.Kept]:
        halves = [half for half in self._record.kept_halves if half in tables]
        return {half: planning.count_kept(tables, half, self._record) for half in halves}

    def _likely_counts(self, image: int) -> dict[str, planning.Kept]:
        """Return how many tokens may be kept of each half, by what the tokenizers made of it."""
        counts: dict[str, planning.Kept] = {}
        for half in self._record.kept_halves:
            own = [one for one in self._texts[image] if one.negative == (half == "uncond")]
            kept = [planning.count_tokens(one.table, self._record) for one in own]
            whole = not kept or None in kept
            counts[half] = None if whole else sum(len(planning.kept_places(one)) for one in kept)
        return counts

    def _length(self, told: Mapping[str, Any]) -> int:
        if self._unet:
            return int(told["encoder_hidden_states"].shape[1])
        return layouts.text_of_call(self.network, (), told).length

    def _read(
        self, blocks: Sequence[tuple[Mapping[str, Any], int]], order: Sequence[str], image: int
    ) -> "dict[str, pd.DataFrame]":
        """Return the token tables of a picture as its network was given the text."""
        tables = {}
        for half, (told, row) in zip(order, blocks, strict=True):
            if half:
                given = (self._texts[image], self.network, told, row + image, half == "uncond")
                tables[half] = network_tokens(*given)
                second = network_tokens(*given, beside=True)
                if (second["kind"] == "word").any():
                    tables[f"{half}_2"] = second
        return tables


def _order(blocks: int, halves: Halves) -> tuple[str, ...]:
    """Return the half of each block of rows, "" for none; () where it cannot be told."""
    if halves.cond is None or blocks > 3:
        return ()
    if blocks == 1:
        return ("cond",)
    other = "" if halves.uncond is None else "uncond"
    first = ("cond", other) if halves.swapped else (other, "cond")
    return first if blocks == 2 else (*first, "")


def is_known(network: Any) -> bool:
    """Return whether a network is of a kind whose attention is read."""
    plain = getattr(network, "_orig_mod", network)
    return type(plain).__name__ in UNETS if is_unet(plain) else layouts.is_known(plain)


def is_guided(
    told: Mapping[str, Any], pipe: Any, given: Mapping[str, Any], pictures: int | None
) -> bool:
    """Return whether the rows of a network's call have an unconditional half.

    Raises:
        Unread: If that cannot be told, or a U-Net's text is masked.
    """
    if "sample" in told and told.get("encoder_attention_mask") is not None:
        raise batch.Unread(
            "masks the text in the U-Net's attention (encoder_attention_mask), which is not read;"
            " its attention is left out"
        )
    return batch.is_guided(pipe, dict(given), batch.rows(told), pictures)
