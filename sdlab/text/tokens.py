"""How CLIP cuts a prompt into tokens.

Byte-pair encoding over 49,408 entries (Radford et al. 2021, arXiv 2103.00020): a start token, the
pieces, an end token, and pads up to 77. What does not fit between start and end is cut off.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.tracing.columns import TOKENS

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.sampling.experiment import Experiment


def tokens(source: "Model | Any", prompt: str) -> pd.DataFrame:
    """Return the table of a prompt's tokens, the cut ones after position 76.

    Args:
        source: A loaded model, or a CLIP tokenizer.
        prompt: Any text.

    Returns:
        The ``tokens`` table of ``sdlab.tracing.columns`` without ``run`` and ``prompt``.
    """
    tokenizer: Any = getattr(getattr(source, "pipeline", None), "tokenizer", source)
    pieces, offsets = _encode(tokenizer, prompt)
    limit = tokenizer.model_max_length
    room = limit - 2
    rows: list[tuple[Any, ...]] = [(tokenizer.bos_token_id, "start", None, False)]
    words, index = _words(tokenizer, pieces)
    rows += [(pieces[i], "word", i, False) for i in range(min(room, len(pieces)))]
    rows.append((tokenizer.eos_token_id, "end", None, False))
    rows += [(tokenizer.pad_token_id, "pad", None, False)] * (limit - len(rows))
    rows += [(pieces[i], "word", i, True) for i in range(room, len(pieces))]
    texts = [_span(prompt, offsets, word) for word in words]
    frame = pd.DataFrame(
        {
            "position": range(len(rows)),
            "id": [row[0] for row in rows],
            "piece": tokenizer.convert_ids_to_tokens([row[0] for row in rows]),
            "word": ["" if row[2] is None else texts[index[row[2]]] for row in rows],
            "word_index": pd.array(
                [None if row[2] is None else index[row[2]] for row in rows], dtype="Int64"
            ),
            "kind": [row[1] for row in rows],
            "mask": [int(row[1] != "pad" and not row[3]) for row in rows],
            "cut": [row[3] for row in rows],
        }
    )
    return frame


def run_tokens(tokenizer: Any, experiment: "Experiment") -> pd.DataFrame:
    """Return the ``tokens`` table of an experiment: prompt, then negative prompt."""
    frames = []
    for which, text in (("prompt", experiment.prompt), ("negative", experiment.negative_prompt)):
        frame = tokens(tokenizer, text)
        frame.insert(0, "run", experiment.id)
        frame.insert(1, "prompt", which)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)[list(TOKENS)]


def _encode(tokenizer: Any, prompt: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the ids of all pieces, uncut, and their character offsets."""
    encoded = tokenizer(
        prompt, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    return list(encoded["input_ids"]), [tuple(span) for span in encoded["offset_mapping"]]


def _words(tokenizer: Any, pieces: list[int]) -> tuple[list[range], list[int]]:
    """Group pieces into words, which end at '</w>'; return the groups and each piece's group."""
    names, special = tokenizer.convert_ids_to_tokens(pieces), set(tokenizer.all_special_ids)
    groups: list[range] = []
    index: list[int] = []
    first = 0
    for i, name in enumerate(names):
        index.append(len(groups))
        if name.endswith("</w>") or pieces[i] in special or i == len(names) - 1:
            groups.append(range(first, i + 1))
            first = i + 1
    return groups, index


def _span(prompt: str, offsets: list[tuple[int, int]], word: range) -> str:
    return prompt[offsets[word[0]][0] : offsets[word[-1]][1]]
