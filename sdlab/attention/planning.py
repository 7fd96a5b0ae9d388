"""Plans what recording attention will keep, and how much memory it takes, before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.attention.hooks import HELD_BYTES
from sdlab.attention.layers import Layer, check_readable, find_layers, select
from sdlab.attention.probabilities import CHUNK_BYTES
from sdlab.errors import MemoryLimitError
from sdlab.experiment.attention_record import AttentionRecord

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}
READ = ("start", "word", "end")


@dataclass(frozen=True)
class AttentionPlan:
    """What will be kept of one picture.

    Attributes:
        layers: The layers chosen, in calling order.
        counts: Tokens kept of each half; None for all.
        bytes: What the maps will take.
        working_bytes: The memory that computing them takes on top, at most.
    """

    layers: tuple[Layer, ...]
    counts: Mapping[str, int | None]
    bytes: int
    working_bytes: int


def check_unet(unet: Any) -> None:
    """Raise if the attention of a U-Net cannot be read, whichever layers are chosen.

    Raises:
        ModelError: The message says what to switch off.
    """
    check_readable(unet, find_layers(unet, (1, 1)))


def choose_layers(unet: Any, record: AttentionRecord, size: tuple[int, int]) -> tuple[Layer, ...]:
    """Return the layers that a record asks for, in calling order.

    Raises:
        ValueError: If a layer is named that is not there.
        ModelError: If the attention of one cannot be read.
    """
    layers = find_layers(unet, size)
    cross = select([layer for layer in layers if layer.cross], record.layers)
    own = select([layer for layer in layers if not layer.cross], record.self_layers)
    chosen = {*cross, *own}
    check_readable(unet, chosen)
    return tuple(layer for layer in layers if layer in chosen)


def count_tokens(tokens: "pd.DataFrame", record: AttentionRecord) -> int | None:
    """Return how many tokens of a table a record keeps, from the first; None for all."""
    if record.tokens == "all":
        return None
    return int((tokens["kind"].isin(READ) & ~tokens["cut"]).sum())


def count_kept(
    tables: "Mapping[str, pd.DataFrame]", half: str, record: AttentionRecord
) -> int | None:
    """Return how many tokens of a half a record keeps; None for all.

    Args:
        tables: Token table by half; if the second text encoder reads another prompt, its table is
            "cond_2" or "uncond_2": each position then belongs to both prompts.
        half: "cond" or "uncond".
        record: What is kept.
    """
    names = [name for name in (half, f"{half}_2") if name in tables]
    counts = [count_tokens(tables[name], record) or 0 for name in names]
    return max(counts) if all(counts) else None


def evaluation_bytes(
    record: AttentionRecord,
    layers: Sequence[Layer],
    counts: Mapping[str, int | None],
    sequence: int,
) -> int:
    """Return the bytes that one evaluation's maps take.

    Args:
        record: What is kept.
        layers: The layers chosen.
        counts: Tokens kept of each half; None for all.
        sequence: Length of the text, 77.
    """
    numbers = 0
    for layer in layers:
        heads = layer.heads if record.heads == "all" else 1
        for count in counts.values():
            keys = min(count or sequence, sequence) if layer.cross else layer.cells
            numbers += heads * keys * layer.cells
    return numbers * ITEM_BYTES[record.dtype]


def working_bytes(
    unet: Any, record: AttentionRecord, layers: Sequence[Layer], sequence: int, rows: int
) -> int:
    """Return the bytes that computing the maps takes on top of those kept, at most.

    That is the queries and keys held, their joined copies, two pieces of scores, and the maps of
    layers computed together before each picture gets its own.

    Args:
        unet: The U-Net.
        record: What is kept.
        layers: The layers chosen.
        sequence: Length of the text, 77.
        rows: Rows of the batch.
    """
    size = max(4, unet.dtype.itemsize)
    held = maps = 0
    for layer in layers:
        width = unet.get_submodule(layer.name).inner_dim
        keys = sequence if layer.cross else layer.cells
        held = max(held, rows * (layer.cells + keys) * width * size)
        heads = layer.heads if record.heads == "all" else 1
        maps = max(maps, rows * heads * keys * layer.cells * ITEM_BYTES[record.dtype])
    return 2 * (HELD_BYTES + held) + 2 * CHUNK_BYTES + max(CHUNK_BYTES, maps)


def check_cap(record: AttentionRecord, total: int) -> None:
    """Raise if the maps would pass the record's cap.

    Raises:
        MemoryLimitError: With the figures, and what to lower.
    """
    from sdlab.models.memory import readable

    if total > record.max_bytes:
        raise MemoryLimitError(
            f"The attention maps would take {readable(total)}, more than the cap of"
            f" {readable(record.max_bytes)} (max_bytes). Record fewer layers or steps, the mean of"
            " the heads, only the prompt's tokens, or raise the cap."
        )


def plan_attention(
    model: "Model",
    experiment: "Experiment",
    shape: tuple[int, int, int],
    steps: Sequence[int],
    guided: bool,
) -> AttentionPlan | None:
    """Return what an experiment will keep of its attention, or None for nothing.

    Args:
        model: What runs it.
        experiment: Whose ``record.attention`` says what to keep.
        shape: (C, h, w) of the latents.
        steps: The solver step of every evaluation.
        guided: Whether there is an unconditional half.

    Raises:
        ValueError: If a layer is named that is not there.
        ModelError: If the U-Net's attention cannot be read.
        MemoryLimitError: If the maps would pass the record's cap.
    """
    record = experiment.record.attention
    if record is None:
        return None
    from sdlab.text.tokens import tokens

    unet = model.pipeline.unet
    layers = choose_layers(unet, record, (shape[1], shape[2]))
    texts = {"cond": experiment.prompt, "uncond": experiment.negative_prompt}
    tokenizer = model.pipeline.tokenizer
    counts = {
        half: count_tokens(tokens(tokenizer, texts[half]), record)
        for half in record.kept_halves
        if half == "cond" or guided
    }
    length = tokenizer.model_max_length
    one = evaluation_bytes(record, layers, counts, length)
    total = one * sum(record.keeps(step, experiment.num_steps) for step in steps)
    check_cap(record, total)
    working = working_bytes(unet, record, layers, length, 2 if guided else 1)
    return AttentionPlan(layers, counts, total, working)
