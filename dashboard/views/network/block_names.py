"""How blocks are named on the page: in words, with the module's path beside them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdlab.anatomy.network_map import NetworkMap


def block_label(mapped: "NetworkMap", name: str) -> str:
    """Return a block, or a stage of a U-Net, in words with its path, for a choice."""
    return f"{mapped.words(name)} ({name})"


def capital(words: str) -> str:
    """Return words with a capital letter at their beginning."""
    return words[:1].upper() + words[1:]
