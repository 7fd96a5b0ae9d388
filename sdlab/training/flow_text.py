"""What Stable Diffusion 3's pipeline feeds its transformer from a caption, whole and shortened.

The pipeline lays the second-last hidden states of two CLIP towers side by side, 77 tokens, and puts
zeros after them where a T5 would speak; the pooled embeddings of both towers go in beside the time.
In training the padding behind the caption is read in four pieces and the zeros as one token, each
counted as many times as it stands for (``counted_attention``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import CLIPTextModel, CLIPTextModelWithProjection

T5_TOKENS = (32, 256)
"""Zeros in place of the T5's tokens: ``max_sequence_length`` as it is meant to be given, and the
pipeline's own default. Training sees both."""
KEPT = 24
"""Tokens that are kept one by one; the longest caption of the world has 22."""
PIECES = (KEPT, 32, 42, 54, 77)
"""Where the pieces of the padding begin and end; the later, the less their states differ."""


def counts(zeros: int) -> torch.Tensor:
    """Return how many tokens each shortened token stands for, [29]; the last are the zeros."""
    return torch.tensor([1] * KEPT + [b - a for a, b in pairwise(PIECES)] + [zeros])


class Read(NamedTuple):
    """What one tower says of B captions.

    Attributes:
        hidden: Second-last hidden states, float [B, T, W].
        pooled: The pooled embedding, float [B, P].
    """

    hidden: torch.Tensor
    pooled: torch.Tensor


def read(tower: CLIPTextModel | CLIPTextModelWithProjection, ids: torch.Tensor) -> Read:
    """Return what the pipeline takes from a tower; ``ids`` int64 [B, 77].

    A tower without a projection is taken for one whose projection changes nothing.
    """
    out = tower(input_ids=ids, output_hidden_states=True)
    pooled = out.text_embeds if "text_embeds" in out else out.pooler_output
    return Read(out.hidden_states[-2], pooled)


def shortened(hidden: torch.Tensor) -> torch.Tensor:
    """Return hidden states [B, 77, W] with the padding's pieces averaged, [B, 28, W]."""
    pieces = [hidden[:, a:b].mean(1, keepdim=True) for a, b in pairwise(PIECES)]
    return torch.cat((hidden[:, :KEPT], *pieces), 1)


def joined(first: Read, second: Read, zeros: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the transformer reads: tokens [B, T + zeros, W1 + W2] and pooled [B, P1 + P2]."""
    hidden = torch.cat((first.hidden, second.hidden), -1)
    return F.pad(hidden, (0, 0, 0, zeros)), torch.cat((first.pooled, second.pooled), -1)
