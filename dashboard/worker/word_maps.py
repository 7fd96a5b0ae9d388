"""Where the words of a run are read, at every evaluation: small grey maps on one sheet.

The sheet has all maps of the first word, then those of the next, row by row. White is a word's
largest share of any evaluation, black is 0.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sdlab.errors import StoreError
from sdlab.runs.attention import ATTENTION
from sdlab.runs.png import png_bytes

if TYPE_CHECKING:
    from sdlab.attention.maps import AttentionMaps

log = logging.getLogger(__name__)

MAX_CELLS = 4_000_000
MAX_WIDTH = 8192


@dataclass(frozen=True)
class WordMaps:
    """What lies on the sheet.

    Attributes:
        words: The words of the prompt; of two that are equal the second is "cat (2)".
        tokens: The token positions of each.
        evaluations: The evaluation of each map of a word.
        size: (width, height) of one map, in cells.
        layers: The layers whose mean it is, as in ``AttentionRecord``; None for all.
    """

    words: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    evaluations: tuple[int, ...]
    size: tuple[int, int]
    layers: str | None

    @property
    def columns(self) -> int:
        """Maps in a row of the sheet."""
        return max(1, min(len(self.words) * len(self.evaluations), MAX_WIDTH // self.size[0]))


def read_word_maps(folder: Path, model: str) -> WordMaps | None:
    """Return what the sheet of a run will hold; None if it recorded no words, or none readable.

    Args:
        folder: The run's folder.
        model: The name of its model, for the layers that find its objects best.
    """
    path = folder / ATTENTION
    try:
        return _facts(path, path.stat().st_mtime, model)
    except FileNotFoundError:
        return None
    except (OSError, StoreError, ValueError) as error:
        log.warning("cannot read the attention of %s: %s", folder.name, error)
        return None


def word_sheet(folder: Path, model: str) -> bytes | None:
    """Return the sheet as PNG; None where there is nothing to draw, as in ``read_word_maps``."""
    facts = read_word_maps(folder, model)
    if facts is None:
        return None
    path = folder / ATTENTION
    return _drawn(path, path.stat().st_mtime, facts)


@lru_cache(maxsize=64)
def _facts(path: Path, changed: float, model: str) -> WordMaps | None:
    from sdlab.attention import views
    from sdlab.attention.words import labelled
    from sdlab.runs.attention import open_attention

    maps = open_attention(path)
    if not maps.cross_layers or not len(maps):
        return None
    kept = set(maps.kept_positions())
    words = [(label, tuple(at)) for label, at in labelled(maps.tokens["cond"]) if kept >= {*at}]
    if not words:
        return None
    layers = _chosen(maps, views.best(model).layers)
    finest = min(maps.choose(layers), key=lambda layer: layer.share)
    cells = len(words) * len(maps) * finest.width * finest.height
    shrink = min(1.0, (MAX_CELLS / cells) ** 0.5)
    size = max(1, round(finest.width * shrink)), max(1, round(finest.height * shrink))
    labels, tokens = zip(*words, strict=True)
    return WordMaps(labels, tokens, maps.evaluations, size, layers)


def _chosen(maps: "AttentionMaps", layers: str | None) -> str | None:
    """Return the layers if they were recorded; None for all that were."""
    try:
        maps.choose(layers)
    except ValueError:
        return None
    return layers


@lru_cache(maxsize=8)
def _drawn(path: Path, changed: float, facts: WordMaps) -> bytes:
    import numpy as np
    from PIL import Image

    from sdlab.attention import views
    from sdlab.latents.frames import side_by_side
    from sdlab.runs.attention import open_attention

    maps, (width, height) = open_attention(path), facts.size
    every = []
    for tokens in facts.tokens:
        choice: views.ChoiceOptions = {"layer": facts.layers, "size": (height, width)}
        own = views.frames(maps, list(tokens), "evaluation", **choice)[1]
        top = float(np.nan_to_num(own).max())
        every.append(np.nan_to_num(own / top if top > 0 else own * 0.0))
    grey = np.round(255 * np.concatenate(every)).astype(np.uint8)
    return png_bytes(Image.fromarray(side_by_side(grey, facts.columns)), quick=True)
