"""Short names for layers with long ones."""

from collections.abc import Sequence

_BLOCKS = ("down_blocks", "up_blocks", "attentions", "transformer_blocks")
_ASPECTS = ("picture", "text")


def short_layer(name: str) -> str:
    """Return an attention layer's dotted name in short: 'up 1.0', 'mid 0', 'joint 3, picture'.

    ``up_blocks.1.attentions.0.transformer_blocks.0.attn2`` is the first attention of the second
    block upwards; where a block has several transformers their number follows. The blocks of a
    transformer stand one after the other: ``transformer_blocks.3.attn.picture`` is how the picture
    looks at itself in the fourth.
    """
    parts = name.split(".")
    aspect = f", {parts.pop()}" if parts[-1] in _ASPECTS else ""
    block = parts[0].removesuffix("_blocks").removesuffix("_block")
    if block not in ("down", "mid", "up"):
        own = "" if parts[-1] in ("attn", "attention") else f" {parts[-1]}"
        kind = {"transformer": "block"}.get(block, block.removesuffix("_transformer"))
        return f"{kind} {'.'.join(filter(str.isdigit, parts))}{own}{aspect}"
    numbers = [parts[i + 1] for i, part in enumerate(parts[:-1]) if part in _BLOCKS]
    if len(numbers) > 1 and numbers[-1] == "0":
        numbers = numbers[:-1]
    return f"{block} {'.'.join(numbers)}".strip()


def short_layers(names: Sequence[str]) -> list[str]:
    """Return short names of layers, the whole one where two would be alike."""
    short = [short_layer(name) for name in names]
    pairs = zip(names, short, strict=True)
    return [one if short.count(one) == 1 else name for name, one in pairs]
