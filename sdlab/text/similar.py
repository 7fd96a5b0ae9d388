"""Which positions of a prompt are alike, and which vocabulary entries are nearest to a vector.

Similarity is the cosine. The vocabulary has a vector for each entry only before the encoder: the
rows of the token embedding. A contextual embedding is compared with those rows too, with care:
the encoder was never trained to return to them.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.errors import unknown
from sdlab.text.encoder import Encoding
from sdlab.text.parts import text_part
from sdlab.text.pieces import piece_text, writes_bytes
from sdlab.text.tokens import labels

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

SPACES = ("contextual", "token")
CHUNK = 8192
ALIKE = 1e-5


def cosines(encoding: Encoding, space: str = "contextual") -> np.ndarray:
    """Return the cosine between every two positions, float32 [n, n].

    Args:
        encoding: Of a prompt.
        space: "contextual", what the network is given, or "token", rows of the embedding table.

    Raises:
        ValueError: If the space is another.
    """
    vectors = _vectors(encoding, space)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines: np.ndarray = unit @ unit.T
    return cosines


def cosine_table(
    encoding: Encoding, space: str = "contextual", last: int | None = None
) -> pd.DataFrame:
    """Return the cosines as a table: ``row``, ``column``, their labels, ``cosine``.

    Args:
        encoding: Of a prompt.
        space: "contextual" or "token".
        last: The last position to list; None for all.
    """
    matrix = cosines(encoding, space)
    n = len(matrix) if last is None else last + 1
    names = np.array(labels(encoding.tokens))
    row, column = np.indices((n, n)).reshape(2, -1)
    return pd.DataFrame(
        {
            "row": row,
            "column": column,
            "row_label": names[row],
            "column_label": names[column],
            "cosine": matrix[row, column],
        }
    )


def nearest(
    source: "Model | Any",
    encoding: Encoding,
    position: int,
    space: str = "contextual",
    count: int = 10,
) -> pd.DataFrame:
    """Return the vocabulary entries whose token embedding is nearest to a position's vector.

    Args:
        source: The model or pipeline that made the encoding.
        encoding: Of a prompt.
        position: Whose vector, from 0 (CLIP: to 76).
        space: Which of its vectors, "contextual" or "token"; the entries are token embeddings
            either way.
        count: How many to list.

    Returns:
        ``rank`` from 1, ``id``, ``piece``, ``text``, ``cosine``, and ``alike``: how many entries
        have exactly this row and are not listed (untrained ones often do).

    Raises:
        ValueError: If the position, the space or the count is not valid.
    """
    if not 0 <= position < len(encoding.ids):
        raise ValueError(f"position must be from 0 to {len(encoding.ids) - 1}, got {position}.")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}.")
    vector = _vectors(encoding, space)[position]
    part = text_part(source, encoding.part)
    rows = part.table.weight
    ids, scores, alike = _top(rows, vector, count, int(encoding.ids[position]))
    bytes_ = writes_bytes(part.tokenizer)
    pieces = [piece or "" for piece in part.tokenizer.convert_ids_to_tokens(ids)]
    return pd.DataFrame(
        {
            "rank": range(1, len(ids) + 1),
            "id": ids,
            "piece": pieces,
            "text": [piece_text(piece, bytes_) for piece in pieces],
            "cosine": scores,
            "alike": alike,
        }
    )


def _top(
    rows: "Tensor", vector: np.ndarray, count: int, own: int
) -> tuple[list[int], list[float], list[int]]:
    """Return ids, cosines and counts of equal rows of the nearest; of equal rows ``own`` is first.

    The table may be in half precision and on another device; a chunk at a time is made float32.
    """
    import torch

    target = torch.from_numpy(vector).to(rows.device)
    target = target / target.norm().clamp_min(1e-12)
    parts = []
    for chunk in rows.detach().split(CHUNK):
        chunk = chunk.float()
        parts.append(chunk @ target / chunk.norm(dim=1).clamp_min(1e-12))
    scores = torch.cat(parts)
    ids, best, alike = [], [], []
    left = scores.clone()
    for _ in range(min(count, len(left))):
        first = int(left.argmax())
        if left[first] == -torch.inf:
            break
        close = torch.nonzero((left - left[first]).abs() < ALIKE)[:, 0]
        twins = close[(rows[close] == rows[first]).all(dim=1)]
        shown = own if own in twins else first
        ids.append(shown)
        best.append(float(scores[shown]))
        alike.append(len(twins) - 1)
        left[twins] = -torch.inf
    return ids, best, alike


def _vectors(encoding: Encoding, space: str) -> np.ndarray:
    if space not in SPACES:
        raise ValueError(unknown("space", space, SPACES))
    vectors: np.ndarray = getattr(encoding, space)
    return vectors
