"""The map of a denoising network: its blocks in the order in which they compute, with their cost.

Everything is read from one call of the loaded network itself, whatever its class: what each block
is given and gives, where skips come from, what it multiplies; the time is the median of further
calls, in which nothing else is looked at.
"""

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.anatomy.blocks import blocks_of, kind_of, stage_of
from sdlab.anatomy.calls import FirstCall, first_call
from sdlab.anatomy.costs import OUTSIDE, counting
from sdlab.anatomy.naming import in_words, streams_by_block
from sdlab.anatomy.skips import finding_skips
from sdlab.anatomy.watching import picture_in, tensors_in, timing, watching
from sdlab.attention.layers import find_layers, is_unet
from sdlab.errors import ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.work import Work

if TYPE_CHECKING:
    from torch import nn

    from sdlab.models.model import Model

REPEATS = 7
"""Timed calls."""
WHOLE = ""
"""Under this name stands the whole network."""
COLUMNS = {
    "order": "place in the order of computation, from 0",
    "block": "its dotted name in the network, as diffusers has it",
    "words": "what it is, in words",
    "stage": "the stage of a U-Net that it belongs to; empty outside of the stages",
    "kind": "its kind",
    "streams": "of a transformer's block: joint, where text and picture have weights of their own; "
    "single, where they are one sequence; picture, where the picture is alone",
    "resolution": "width x height of the places it works on; empty where it has none",
    "height": "rows of its places; 0 where it has none",
    "width": "columns of its places; 0 where it has none",
    "channels_in": "numbers a place that it is given, those of the skip among them",
    "channels_out": "numbers a place that it gives",
    "attention": "its attention layers: self, cross or joint, and the heads",
    "skip_from": "the earlier block whose output it is given behind its input; empty for none",
    "skip_channels": "how many of its input's channels the skip is; 0 for none",
    "parameters": "weights",
    "macs": "multiply-adds of one call: each is two floating-point operations",
    "ms": "median milliseconds of its calls in one call of the network",
}
"""The columns of ``NetworkMap.table`` and what they mean."""


@dataclass(frozen=True)
class NetworkMap:
    """A network, block by block.

    Attributes:
        name: The network's class.
        unet: Whether it is a U-Net; else its blocks form a column.
        size: (h, w) of the latents it was called with.
        rows: Samples in the call.
        table: One row a block, see ``COLUMNS``.
        parameters: Of the whole network.
        macs: Multiply-adds of a call, what is computed between the blocks included.
        ms: Median milliseconds of a call.
        repeats: Calls that were timed.
    """

    name: str
    unet: bool
    size: tuple[int, int]
    rows: int
    table: pd.DataFrame
    parameters: int
    macs: int
    ms: float
    repeats: int

    @property
    def blocks(self) -> list[str]:
        """The names of the blocks, in order of computation."""
        return list(self.table["block"])

    def words(self, name: str) -> str:
        """Return what a block, or a stage of a U-Net, is in words, with its places."""
        said, places = (self._column(name) for name in ("words", "resolution"))
        words = said.get(name) or in_words(name, self.blocks)
        inside = [places[one] for one in said if f"{one}.".startswith(f"{name}.") and places[one]]
        return f"{words}, {inside[0]}" if inside else words

    def _column(self, name: str) -> dict[str, str]:
        return dict(zip(self.table["block"], self.table[name], strict=True))


def network_map(
    model: "Model", prompt: str = "", repeats: int = REPEATS, size: tuple[int, int] | None = None
) -> Work[NetworkMap]:
    """Return the map of a model's network, as a computation that yields after each call.

    Args:
        model: The loaded model.
        prompt: The words of the call; they change no figure but the time.
        repeats: Calls to time, at least 1.
        size: (width, height) of the picture in pixels; None for the model's own.

    Raises:
        ValueError: If there is nothing to time, or the model does not draw that size.
        ModelError: If the network is compiled, and so calls no hooks.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    width, height = size or (None, None)
    asked = Experiment(prompt, guidance_scale=1.0, num_steps=4, width=width, height=height)
    with first_call(model, asked) as call:
        found = _looked(call)
        yield 1, repeats + 1
        times = []
        blocks = {name: call.network.get_submodule(name) for name in found["block"]}
        for done in range(repeats):
            with timing({**blocks, WHOLE: call.network}, model.device) as spent:
                call.make()
            times.append(spent)
            yield done + 2, repeats + 1
        found["ms"] = [median(one[name] for one in times) for name in found["block"]]
        outside = int(found.attrs.pop("outside"))
        return NetworkMap(
            type(call.network).__name__,
            is_unet(call.network),
            call.size,
            call.rows,
            found[list(COLUMNS)],
            sum(weight.numel() for weight in call.network.parameters()),
            int(found["macs"].sum()) + outside,
            median(one.get(WHOLE, sum(one.values())) for one in times),
            repeats,
        )


def _looked(call: FirstCall) -> pd.DataFrame:
    """Return the table of one call, without times; what was counted outside is in its attrs."""
    network = call.network
    blocks = blocks_of(network)
    met: dict[str, dict[str, Any]] = {}

    def take(name: str, inputs: tuple[Any, ...], output: Any) -> None:
        if name not in met:
            met[name] = _shapes(inputs, output, call.size)

    with watching(blocks, take), finding_skips(blocks) as skips, counting(blocks) as counts:
        call.make()
    if not met:
        raise ModelError(
            f"The {type(network).__name__} calls no hooks, so its blocks cannot be seen: it is"
            " compiled. Load it without torch.compile."
        )
    attention = _attention(network, call.size)
    streams = streams_by_block(network)
    rows = []
    for order, (name, shapes) in enumerate(met.items()):
        source = skips.get(name, "")
        rows.append(
            {
                "order": order,
                "block": name,
                "words": in_words(name, list(blocks), streams),
                "stage": stage_of(name),
                "kind": kind_of(name, blocks[name]),
                "streams": streams.get(name, ""),
                **shapes,
                "attention": _listed(name, attention),
                "skip_from": source,
                "skip_channels": met[source]["channels_out"] if source else 0,
                "parameters": sum(weight.numel() for weight in blocks[name].parameters()),
                "macs": counts.get(name, 0),
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["outside"] = counts.get(OUTSIDE, 0)
    return table


def _shapes(inputs: tuple[Any, ...], output: Any, size: tuple[int, int]) -> dict[str, Any]:
    given, made = tensors_in(inputs), tensors_in(output)
    picture = picture_in(output, size)
    height, width = (0, 0) if picture is None else tuple(picture.shape[2:])

    def channels(tensor: Any) -> int:
        return int(tensor.shape[1 if tensor.ndim == 4 else -1]) if tensor.ndim else 1

    return {
        "resolution": f"{width}x{height}" if height else "",
        "height": height,
        "width": width,
        "channels_in": channels(given[0]) if given else 0,
        "channels_out": channels(picture if picture is not None else made[-1]) if made else 0,
    }


def _attention(network: "nn.Module", size: tuple[int, int]) -> dict[str, list[str]]:
    """Return the kinds of attention by module, "self (4 heads)"; none of an unknown class."""
    try:
        layers = find_layers(network, size)
    except ModelError:
        return {}
    found: dict[str, list[str]] = {}
    for layer in layers:
        kind = "joint" if layer.joint else "cross" if layer.cross else "self"
        said = f"{kind} ({layer.heads} heads)"
        if said not in found.setdefault(layer.module, []):
            found[layer.module].append(said)
    return found


def _listed(block: str, attention: dict[str, list[str]]) -> str:
    inside = [kinds for name, kinds in attention.items() if f"{name}.".startswith(f"{block}.")]
    return ", ".join(dict.fromkeys(kind for kinds in inside for kind in kinds))
