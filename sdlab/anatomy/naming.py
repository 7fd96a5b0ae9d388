"""What a block of a network is in words: "last stage up, ResBlock 1 of 2", "joint block 5 of 24".

The dotted name is the module's path, which code needs; these words are for reading.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sdlab.attention.layers import is_unet
from sdlab.causes.parts import joint_blocks
from sdlab.causes.transformer_blocks import (
    JOINT,
    PICTURE,
    SINGLE,
    TEXT,
    is_text,
    streams_of,
    transformer_blocks,
)
from sdlab.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
)  # fmt: skip
STAGES = {"down_blocks": "down", "up_blocks": "up"}
MIDDLE = "mid_block"
PARTS = {
    "resnets": "ResBlock",
    "attentions": "attention",
    "motion_modules": "motion module",
    "downsamplers": "downsampling",
    "upsamplers": "upsampling",
}
LISTS = {
    JOINT: "joint block",
    SINGLE: "single-stream block",
    TEXT: "text block",
}
ALONE = {
    "conv_in": "first convolution",
    "conv_out": "last convolution",
    "conv_norm_out": "last normalisation",
    "norm_out": "last normalisation",
    "proj_out": "last projection",
    "time_embedding": "time embedding",
    "time_text_embed": "time and text embedding",
    "adaln_single": "time embedding",
    "context_embedder": "text embedding",
    "caption_projection": "text embedding",
    "add_embedding": "text and size embedding",
    "x_embedder": "picture embedding",
    "patch_embed": "picture embedding",
    "pos_embed": "picture embedding",
}


def in_words(
    name: str,
    blocks: Sequence[str],
    streams: Mapping[str, str] | None = None,
    resolution: str = "",
) -> str:
    """Return what a block, a stage of a U-Net, or something inside a block is, in words.

    Args:
        name: Its dotted name; after a space may follow what is meant of it.
        blocks: The names of all blocks of the network, as ``blocks_of`` gives them.
        streams: What each block of a transformer works on, as ``streams_of`` gives it.
        resolution: Its places, "16x16"; "" to leave them out.
    """
    own = max((one for one in blocks if _inside(name, one)), key=len, default="")
    words = _block(own, blocks, (streams or {}).get(own, "")) if own else _stage(name, blocks)
    if resolution:
        words += f", {resolution}"
    rest = name[len(own) :].strip(". ") if own else ""
    return f"{words}: {rest}" if rest else words


def streams_by_block(network: "nn.Module") -> dict[str, str]:
    """Return what each block of a transformer works on; nothing of other networks.

    Where text and picture share an attention but only one sequence comes out, they came in as one.
    """
    if is_unet(network):
        return {}
    try:
        found = {name: streams_of(one) for name, one in transformer_blocks(network).items()}
    except ModelError:
        return {}
    shared = joint_blocks(network)

    def known(name: str, streams: str) -> str:
        if streams != PICTURE:
            return streams
        return TEXT if is_text(name.split(".")[0]) else SINGLE if name in shared else PICTURE

    return {name: known(name, streams) for name, streams in found.items()}


def _inside(name: str, block: str) -> bool:
    return name == block or name.startswith((f"{block}.", f"{block} "))


def _block(name: str, blocks: Sequence[str], streams: str) -> str:
    parts = name.split(".")
    if parts[0] in STAGES or parts[0] == MIDDLE:
        return f"{_stage(name, blocks)}, {_part(parts[-2:], name, blocks)}"
    if not parts[-1].isdigit():
        return ALONE.get(name, name.replace("_", " "))
    return f"{_list_words(parts[-2], streams)} {_of(name, blocks)}"


def _stage(name: str, blocks: Sequence[str]) -> str:
    """Return which stage of a U-Net a dotted name lies in."""
    parts = name.split(".")
    if parts[0] == MIDDLE:
        return "middle"
    if parts[0] not in STAGES or len(parts) < 2:
        return name.replace("_", " ")
    count = len({one.split(".")[1] for one in blocks if one.startswith(f"{parts[0]}.")})
    return f"{_ordinal(int(parts[1]), count)} stage {STAGES[parts[0]]}"


def _part(ending: Sequence[str], name: str, blocks: Sequence[str]) -> str:
    kind, number = ending
    if not number.isdigit():
        return number.replace("_", " ")
    alone = sum(_siblings(name, one) for one in blocks) == 1
    return PARTS.get(kind, kind) + ("" if alone else f" {_of(name, blocks)}")


def _list_words(name: str, streams: str) -> str:
    """Return what the items of a list of a transformer are."""
    if "refiner" in name:
        return name.replace("context", "text").replace("_", " ")
    if not streams and name.startswith("single"):
        return LISTS[SINGLE]
    return LISTS.get(streams, "block")


def _of(name: str, blocks: Sequence[str]) -> str:
    own = [one for one in blocks if _siblings(name, one)]
    return f"{own.index(name) + 1} of {len(own)}"


def _siblings(name: str, other: str) -> bool:
    return name.rpartition(".")[0] == other.rpartition(".")[0]


def _ordinal(number: int, count: int) -> str:
    if number == count - 1 and count > 1:
        return "last"
    return ORDINALS[number] if number < len(ORDINALS) else f"{number + 1}th"
