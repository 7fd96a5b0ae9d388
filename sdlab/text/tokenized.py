"""A prompt as one text encoder of a pipeline is given it, whatever kind of encoder that is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sdlab.text.parts import text_parts, tokenizer_of, tokenizers
from sdlab.text.pipeline_tokens import prompt_texts
from sdlab.text.reading import read, read_text
from sdlab.text.sequence import segments
from sdlab.text.tokens import token_tensors, tokens


@dataclass(frozen=True, eq=False)
class Tokenized:
    """What an encoder reads of a prompt; n positions (CLIP: 77).

    Attributes:
        part: The text encoder's name.
        prompt: The text.
        tokens: The table of ``sdlab.tokens``.
        ids: Token ids, int64 [n].
        mask: The attention mask, int64 [n].
        masks_pads: Whether the encoder was given the mask, so that pads are hidden; None if that
            is not known.
    """

    part: str
    prompt: str
    tokens: pd.DataFrame
    ids: np.ndarray
    mask: np.ndarray
    masks_pads: bool | None

    @property
    def kinds(self) -> np.ndarray:
        """Kind of each position: "start", "word", "end", "pad" or "template"; [n]."""
        return self.tokens.loc[~self.tokens["cut"], "kind"].to_numpy(str)

    @property
    def end(self) -> int:
        """Last position that is no pad: the end token's, where there is one."""
        return int(self.mask.nonzero()[0].max(initial=0))


@dataclass(frozen=True)
class _Asked:
    """A prompt alone, as an experiment would have it."""

    prompt: str
    negative_prompt: str = ""


def tokenized(source: Any, prompt: str, part: str | None = None) -> Tokenized:
    """Return a prompt as a text encoder is given it.

    CLIP is given what its tokenizer makes. What others are given (lengths, templates, masks) only
    their pipeline knows: it encodes the prompt, and is watched.

    Args:
        source: A loaded model or a diffusers pipeline.
        prompt: Any text.
        part: "text_encoder", "text_encoder_2", ...; the first by default.

    Raises:
        ValueError: If the part is unknown.
        ModelError: If the pipeline has no tokenizer.
    """
    pipeline = getattr(source, "pipeline", source)
    tokenizer = tokenizer_of(pipeline, part)
    names = list(tokenizers(pipeline))
    name = names[0] if part is None else part
    clip = _clips(pipeline, name)
    if clip is not None:
        given = token_tensors(tokenizer, prompt)
        ids, mask = (given[key][0].numpy() for key in ("input_ids", "attention_mask"))
        return Tokenized(name, prompt, tokens(tokenizer, prompt), ids, mask, clip)
    text = prompt_texts(pipeline, _Asked(prompt), read(pipeline, prompt))[names.index(name)]
    kept = text.table[~text.table["cut"]]
    ids, mask = (np.array(kept[column], np.int64) for column in ("id", "mask"))
    seen = None if text.reading is None else text.reading.mask is not None
    return Tokenized(name, prompt, text.table, ids, mask, seen)


def _clips(pipeline: Any, name: str) -> bool | None:
    """Return whether CLIP's pads are masked; None if an encoder is not CLIP's."""
    if getattr(pipeline, name, None) is None:
        return None
    part = text_parts(pipeline, every=True)[name]
    return part.masks_pads if part.is_clip else None


def network_segments(source: Any, prompt: str) -> "tuple[int, pd.DataFrame] | None":
    """Return how many positions the network's text has for a prompt, and which are whose.

    Args:
        source: A loaded model or a diffusers pipeline.
        prompt: Any text.

    Returns:
        The number and ``sequence.segments``; None where the pipeline does not tell.
    """
    pipeline = getattr(source, "pipeline", source)
    heard, text = read_text(pipeline, prompt)
    if text is None:
        return None
    texts = prompt_texts(pipeline, _Asked(prompt), heard)
    return len(text), segments([one for one in texts if not one.negative], text)
