"""Short names for layers with long ones."""

from collections.abc import Sequence


def short_layer(name: str) -> str:
    """Return an attention layer's dotted name in short: 'up 1.0', 'mid 0', 'down 0.1'.

    ``up_blocks.1.attentions.0.transformer_blocks.0.attn2`` is the first attention of the second
    block upwards; where a block has several transformers their number follows.
    """
    parts = name.split(".")
    numbers = [
        parts[place + 1]
        for place, part in enumerate(parts[:-1])
        if part in ("down_blocks", "up_blocks", "attentions", "transformer_blocks")
    ]
    block = parts[0].removesuffix("_blocks").removesuffix("_block")
    if len(numbers) > 1 and numbers[-1] == "0":
        numbers = numbers[:-1]
    return f"{block} {'.'.join(numbers)}".strip()


def short_layers(names: Sequence[str]) -> list[str]:
    """Return short names of layers, the whole one where two would be alike."""
    short = [short_layer(name) for name in names]
    pairs = zip(names, short, strict=True)
    return [one if short.count(one) == 1 else name for name, one in pairs]
