"""Plans what recording attention will keep, and how much memory it takes, before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sdlab.attention.hooks import HELD_BYTES
from sdlab.attention.layers import Layer, check_readable, find_layers, is_unet, select
from sdlab.attention.probabilities import CHUNK_BYTES
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.experiment.attention_record import AttentionRecord

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}
READ = ("start", "word", "end")
Kept = int | tuple[int, ...] | None
"""Which tokens of a text are kept: so many from the first, these positions, or None for all."""


@dataclass(frozen=True)
class AttentionPlan:
    """What will be kept of one picture.

    Attributes:
        layers: The layers chosen, in calling order.
        counts: Tokens kept of each half, as ``count_kept`` says.
        bytes: What the maps will take.
        working_bytes: The memory that computing them takes on top, at most.
    """

    layers: tuple[Layer, ...]
    counts: Mapping[str, Kept]
    bytes: int
    working_bytes: int


def check_unet(network: Any) -> None:
    """Raise if the attention of a network cannot be read, whichever layers are chosen.

    Raises:
        ModelError: The message says what to switch off.
    """
    check_readable(network, find_layers(network, (1, 1)))


def unread(network: Any) -> str | None:
    """Return why a network's attention cannot be read, as a sentence; None if it can.

    Example:
        sdlab.attention.planning.unread(model.network)
    """
    try:
        check_unet(network)
    except ModelError as error:
        return str(error)
    except Exception as error:  # a network of a kind that nobody has looked into
        return f"{type(network).__name__}: {error}"
    return None


def choose_layers(
    network: Any, record: AttentionRecord, size: tuple[int, int]
) -> tuple[Layer, ...]:
    """Return the layers that a record asks for, in calling order.

    Args:
        network: The U-Net or transformer.
        record: What to keep.
        size: (h, w) of the latents, unpacked.

    Raises:
        ValueError: If a layer is named that is not there.
        ModelError: If the attention of one cannot be read, or the network has none of words.
    """
    layers = find_layers(network, size)
    cross = [layer for layer in layers if layer.cross]
    if not cross and record.layers:
        raise ModelError(
            f"{type(network).__name__} has no attention to words, so there are no maps of them."
        )
    own = [layer for layer in layers if not layer.cross]
    chosen = {*select(cross, record.layers), *select(own, record.self_layers)}
    found = tuple(layer for layer in layers if layer in chosen)
    check_readable(network, found)
    return found


def count_tokens(tokens: "pd.DataFrame", record: AttentionRecord) -> Kept:
    """Return which tokens of a table a record keeps.

    Start, words and end come first in the text of one tokenizer, so they are a number from the
    first; in a text of several tokenizers, one after the other, they are positions.
    """
    places = tokens.loc[tokens["kind"].isin(READ) & ~tokens["cut"], "position"].tolist()
    if record.tokens == "all" or not places:
        return None
    if places == list(range(len(places))):
        return len(places)
    return tuple(int(place) for place in places)


def count_kept(tables: "Mapping[str, pd.DataFrame]", half: str, record: AttentionRecord) -> Kept:
    """Return which tokens of a half a record keeps.

    Args:
        tables: Token table by half; if the second text encoder reads another prompt, its table is
            "cond_2" or "uncond_2": each position then belongs to both prompts.
        half: "cond" or "uncond".
        record: What is kept.
    """
    names = [name for name in (half, f"{half}_2") if name in tables]
    kept = [count_tokens(tables[name], record) for name in names]
    counts = [one for one in kept if isinstance(one, int)]
    if len(counts) == len(kept):
        return max(counts)
    return None if None in kept else tuple(sorted({*chain.from_iterable(map(kept_places, kept))}))


def kept_places(kept: Kept) -> tuple[int, ...]:
    """Return the positions of the tokens kept, ascending; none for all."""
    return kept if isinstance(kept, tuple) else tuple(range(kept or 0))


def evaluation_bytes(
    record: AttentionRecord,
    layers: Sequence[Layer],
    counts: Mapping[str, Kept],
    sequence: int,
) -> int:
    """Return the bytes that one evaluation's maps take.

    Args:
        record: What is kept.
        layers: The layers chosen.
        counts: Tokens kept of each half, as ``count_kept`` says.
        sequence: Length of the text, 77.
    """
    numbers = 0
    for layer in layers:
        heads = layer.heads if record.heads == "all" else 1
        share = layer.cross and layer.joint
        for kept in counts.values():
            count = len(kept_places(kept)) or sequence
            tokens = layer.cross or layer.of_text
            keys = min(count, sequence) + share if tokens else layer.cells
            numbers += heads * keys * layer.cells
    return numbers * ITEM_BYTES[record.dtype]


def working_bytes(
    network: Any, record: AttentionRecord, layers: Sequence[Layer], sequence: int, rows: int
) -> int:
    """Return the bytes that computing the maps takes on top of those kept, at most.

    That is the queries and keys held, their joined copies, two pieces of scores, and the maps of
    layers computed together before each picture gets its own.

    Args:
        network: The U-Net or transformer.
        record: What is kept.
        layers: The layers chosen.
        sequence: Length of the text, 77.
        rows: Rows of the batch.
    """
    size = max(4, network.dtype.itemsize)
    held = maps = 0
    for layer in layers:
        width = _width(network, layer)
        keys = layer.cells * (layer.joint or not layer.cross) + sequence * (
            layer.joint or layer.cross
        )
        queries = sequence if layer.of_text else layer.cells
        wanted = sequence + layer.joint if layer.cross else layer.cells
        held = max(held, rows * (queries + keys) * width * size)
        heads = layer.heads if record.heads == "all" else 1
        maps = max(maps, rows * heads * wanted * queries * ITEM_BYTES[record.dtype])
    return 2 * (HELD_BYTES + held) + 2 * CHUNK_BYTES + max(CHUNK_BYTES, maps)


def _width(network: Any, layer: Layer) -> int:
    """Return the width of a layer's queries, all heads together."""
    if not is_unet(network):
        from sdlab.attention.layouts import head_width

        return layer.heads * head_width(network, layer)
    return int(network.get_submodule(layer.name).inner_dim)


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

    Of Stable Diffusion 1.x and 2.x the figures are exact. Any other pipeline lays out its text
    itself, so what its tokenizers make of the prompts is an upper bound, and its maps stop at the
    cap.

    Raises:
        ValueError: If a layer is named that is not there.
        ModelError: If the U-Net's attention cannot be read; of another network it is left out.
        MemoryLimitError: If the maps would pass the record's cap.
    """
    record = experiment.record.attention
    if record is None or (not model.plain and unread(model.network) is not None):
        return None
    from sdlab.text.pipeline_tokens import prompt_texts

    layers = choose_layers(model.network, record, (shape[1], shape[2]))
    texts = prompt_texts(model.pipeline, experiment)
    halves = [half for half in record.kept_halves if half == "cond" or guided]
    counts, length = {}, 0
    for half in halves:
        tables = [text.table for text in texts if text.negative == (half == "uncond")]
        length = max(length, sum(int((~table["cut"]).sum()) for table in tables))
        kept = [count_tokens(table, record) for table in tables]
        counts[half] = None if None in kept else sum(len(kept_places(one)) for one in kept)
    one = evaluation_bytes(record, layers, counts, length)
    total = one * sum(record.keeps(step, experiment.num_steps) for step in steps)
    if model.plain:
        check_cap(record, total)
    working = working_bytes(model.network, record, layers, length, 2 if guided else 1)
    return AttentionPlan(layers, counts, min(total, record.max_bytes), working)
