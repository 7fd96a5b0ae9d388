"""What the padding of a prompt does in a model, in words."""

from typing import TYPE_CHECKING

from sdlab.comparing.words import counted

if TYPE_CHECKING:
    from sdlab.text.tokenized import Tokenized

PADS_ACT = "to guide the picture"


def padding_in_words(encoding: "Tokenized") -> tuple[str, str]:
    """Return what the padding of a prompt does in its model, and more about it or "".

    What the network does with the pads is said of CLIP's only: of other encoders it is not known.
    """
    count = int((encoding.kinds == "pad").sum())
    pads = "the 1 pad is" if count == 1 else f"the {count} pads are"
    if not count:
        return "There is no padding: no position is a pad.", ""
    if encoding.masks_pads is None:
        return "0 on pads.", "Whether this model's pipeline uses it could not be seen."
    if encoding.masks_pads:
        return (
            f"The padding is masked: {pads} hidden from the text encoder by this mask.",
            "Each pad still has a vector.",
        )
    if getattr(encoding, "pooled", False):
        return (
            f"The padding does nothing: {pads} after the end token, and the network is given only "
            "that token's vector. This mask is ignored.",
            "The encoder is causal: the end token never sees what comes after it.",
        )
    if not getattr(encoding, "causal", True):
        return f"The padding is not masked: {pads} read like words. This mask is ignored.", ""
    guide = f"{'helps' if count == 1 else 'help'} {PADS_ACT}"
    return (
        f"Not masked: {pads} read like words and {guide}.",
        "The model ignores this mask. See Toker et al. 2025, arXiv 2501.06751.",
    )


def received_in_words(encoding: "Tokenized") -> str:
    """Return in a sentence which positions there are, each of which becomes a vector."""
    kinds = encoding.kinds
    words, pads = int((kinds == "word").sum()), int((kinds == "pad").sum())
    given = "" if getattr(encoding, "pooled", False) else ", and the network is given these vectors"
    rest = f" and {counted(pads, 'pad')} that fill the rest" if pads else ""
    return (
        f"**What is read:** {len(kinds)} numbers, one a position: the start, "
        f"{counted(words, 'piece')} of words, the end{rest}. The text encoder makes a vector of "
        f"each, pads included{given}."
    )
