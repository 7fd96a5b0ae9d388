"""What of a pipeline call's attention is recorded: of which network, layers and rows.

Which rows of a call are which half is taken from the pictures that the call is for, before the
network computes; the scheduler's step tells afterwards whether that was right.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdlab.attention import planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.tracing import batch
from sdlab.tracing.halves import Halves

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.attention.layers import Layer

KINDS = ("UNet2DConditionModel",)


class CallAttention:
    """The attention of one network during a call.

    Args:
        network: The pipeline's name for the network.
        unet: The network itself.
        record: What to keep.
        told: Arguments of the network's first call by name.
        guided: Whether its rows have an unconditional half.
        tables: The token tables of every picture.
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
        network: str,
        unet: Any,
        record: AttentionRecord,
        told: Mapping[str, Any],
        guided: bool,
        tables: "Sequence[Mapping[str, pd.DataFrame]]",
        points: Sequence[tuple[float, int]],
    ) -> None:
        self.network = network
        self._record = record
        sample, text = told["sample"], told["encoder_hidden_states"]
        size, length = (int(sample.shape[2]), int(sample.shape[3])), int(text.shape[1])
        num_steps = points[-1][1] + 1
        self.layers: tuple[Layer, ...] = planning.choose_layers(unet, record, size)
        self.bytes = planning.working_bytes(unet, record, self.layers, length, len(sample))
        self.collectors: list[Collector] = []
        for own in tables:
            counts = {half: planning.count_kept(own, half, record) for half in record.kept_halves}
            now = {half: n for half, n in counts.items() if half == "cond" or guided}
            one = planning.evaluation_bytes(record, self.layers, now, length)
            kept = one * sum(record.keeps(step, num_steps) for _, step in points)
            planning.check_cap(record, kept)
            self.bytes += kept
            self.collectors.append(Collector(record, self.layers, counts, num_steps))

    def parts(self, step: int, guided: bool) -> list[Part]:
        """Return what to record of a call: rows by half, counted from the call's first."""
        count = len(self.collectors)
        parts = []
        for image, collector in enumerate(self.collectors):
            rows = {"cond": count + image, "uncond": image} if guided else {"cond": image}
            kept = {half: row for half, row in rows.items() if half in self._record.kept_halves}
            if collector.wants(step):
                parts.append(Part(collector, kept if guided else rows))
        return parts

    def drop(self) -> None:
        """Forget the maps of the last call."""
        for collector in self.collectors:
            collector.begin()


def is_known(network: Any) -> bool:
    """Return whether a network is of a kind whose attention is read."""
    return type(getattr(network, "_orig_mod", network)).__name__ in KINDS


def is_right(guided: bool, halves: Halves) -> bool:
    """Return whether the rows taken for the halves of a call were those of the step."""
    return halves.cond is not None and not halves.swapped and guided >= (halves.uncond is not None)


def is_guided(
    told: Mapping[str, Any], pipe: Any, given: Mapping[str, Any], pictures: int | None
) -> bool:
    """Return whether the rows of a U-Net's call have an unconditional half.

    Raises:
        Unread: If that cannot be told, or its text is masked.
    """
    if told.get("encoder_attention_mask") is not None:
        raise batch.Unread(
            "masks the text in the U-Net's attention (encoder_attention_mask), which is not read;"
            " its attention is left out"
        )
    return batch.is_guided(pipe, dict(given), len(told["sample"]), pictures)
