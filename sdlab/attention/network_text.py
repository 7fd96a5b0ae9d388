"""The text and the size of a transformer's call: its length, its positions, the latents' grid."""

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.attention.layouts_known import Layout
from sdlab.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from sdlab.text.pipeline_tokens import PromptText

Arguments = Mapping[str, Any]
LATENTS = ("hidden_states", "sample", "x")


class Text(NamedTuple):
    """How many tokens of the text, and of other pictures, a call brings into the attention.

    Attributes:
        length: Tokens of the text, of the row that has most.
        rows: Tokens of each row's text, where the rest of the row follows at once.
        given: Positions of the text that each row was given; None for ``length`` of all rows.
        others: Tokens of other pictures, after the picture's own.
    """

    length: int
    rows: tuple[int, ...] | None = None
    given: tuple[int, ...] | None = None
    others: int = 0


def bound(network: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """Return a call's arguments by name."""
    signature = inspect.signature(type(network).forward)
    given = signature.bind_partial(network, *args, **kwargs).arguments
    return {**given, **given.get("kwargs", {})}


def text_of(network: Any, layout: Layout, arguments: Arguments) -> Text:
    """Return how long the text of a call is.

    Args:
        network: The transformer.
        layout: Of its class.
        arguments: Of the call, by name.

    Raises:
        ModelError: If the call has no text, or what else it has cannot be told apart.
    """
    parts = _parts(network, layout, arguments)
    others = _others(layout, arguments)
    if isinstance(parts[0], (list, tuple)):
        if any(isinstance(one, (list, tuple)) for one in parts[0]):
            raise ModelError(
                f"{type(network).__name__} is given several texts for one picture, which the"
                " recorder of attention does not read."
            )
        given = tuple(len(one) for one in parts[0])
        return Text(max(given), given=given, others=others)
    length = sum(int(part.shape[1]) for part in parts)
    mask = arguments.get(layout.mask) if layout.mask else None
    if mask is None:
        return Text(length, others=others)
    rows = tuple(int(count) for count in mask.sum(dim=1).tolist())
    return Text(max(rows), rows, (length,) * len(rows), others)


def network_text(network: Any, arguments: Arguments, row: int) -> "list[Tensor]":
    """Return the text of one row of a call, each part [L, D], in the order of its positions.

    Args:
        network: The transformer.
        arguments: Of the call, by name.
        row: Number of the row.

    Raises:
        ModelError: If its class is not known, or the call has no text.
    """
    from sdlab.attention.layouts import layout_of

    return [part[row] for part in _parts(network, layout_of(network), arguments)]


def network_tokens(
    texts: "Sequence[PromptText]",
    network: Any,
    arguments: Arguments,
    row: int,
    negative: bool = False,
    beside: bool = False,
) -> "pd.DataFrame":
    """Return the token table of one row of a call: a row for each position of the text.

    The words that were cut are after the last position.

    Args:
        texts: The run's prompts, see ``sdlab.text.pipeline_tokens.prompt_texts``.
        network: The transformer.
        arguments: Of the call, by name.
        row: Number of the row.
        negative: Whether that row is the negative prompt's half.
        beside: Whether to return those of another prompt that shares the first's positions.

    Raises:
        ModelError: If its class is not known, or the call has no text.
    """
    import pandas as pd

    from sdlab.text.sequence import text_sequence

    parts = network_text(network, arguments, row)
    tables = [text_sequence(texts, part, negative, beside) for part in parts]
    whole = pd.concat(tables).sort_values("cut", kind="stable", ignore_index=True)
    whole["position"] = range(len(whole))
    return whole


def latents_size(network: Any, arguments: Arguments) -> tuple[int, int]:
    """Return (h, w) of the latents that a call is for, unpacked.

    Args:
        network: The U-Net or transformer.
        arguments: Of the call, by name.

    Raises:
        ModelError: If it is not told.
    """
    from sdlab.attention.layers import is_unet
    from sdlab.attention.layouts import layout_of

    latents: Any = next((arguments[name] for name in LATENTS if name in arguments), None)
    if isinstance(latents, (list, tuple)):
        latents = latents[0]
    if getattr(latents, "ndim", 0) >= 4:
        return int(latents.shape[-2]), int(latents.shape[-1])
    layout = None if is_unet(network) else layout_of(network)
    ids = arguments.get(layout.ids) if layout is not None and layout.ids else None
    if isinstance(ids, (list, tuple)):
        _, height, width = _shapes(ids)[0]
    elif ids is not None:
        places = (ids[0] if ids.ndim == 3 else ids)[: _own(ids), 1:3]
        height, width = (int(side) + 1 for side in (places.amax(0) - places.amin(0)).tolist())
        if height * width != len(places):
            raise ModelError(f"The places that {type(network).__name__} is given are no grid.")
    elif arguments.get("height") and arguments.get("width"):  # of the latents, as LTX is told
        height, width = int(arguments["height"]), int(arguments["width"])
    else:
        raise ModelError(f"{type(network).__name__} is not told how high and wide its picture is.")
    pack = 1 if layout is None else layout.side(network)
    return height * pack, width * pack


def _parts(network: Any, layout: Layout, arguments: Arguments) -> list[Any]:
    parts = [arguments.get(name) for name in layout.text]
    if any(part is None for part in parts):
        names = " and ".join(layout.text)
        raise ModelError(f"{type(network).__name__} was called without {names}, its text.")
    return parts


def _others(layout: Layout, arguments: Arguments) -> int:
    """Return how many tokens of other pictures follow those of the picture.

    Raises:
        ModelError: If they stand elsewhere.
    """
    ids = arguments.get(layout.ids) if layout.ids else None
    if ids is None:
        return 0
    if isinstance(ids, (list, tuple)):
        return sum(frames * height * width for frames, height, width in _shapes(ids)[1:])
    which = (ids[0] if ids.ndim == 3 else ids)[:, 0]
    own = _own(ids)
    if bool((which[:own] != 0).any()):
        raise ModelError(
            "Another picture stands before this one in the sequence, which the recorder of"
            " attention does not read."
        )
    return len(which) - own


def _own(ids: "Tensor") -> int:
    """Return how many places are the picture's own, whose first number is 0."""
    return int(((ids[0] if ids.ndim == 3 else ids)[:, 0] == 0).sum())


def _shapes(ids: Any) -> list[Any]:
    """Return (frames, h, w) of each picture of the first row."""
    first = ids[0]
    return list(first) if isinstance(first[0], (list, tuple)) else [first]
