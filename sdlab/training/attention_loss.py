"""Cross-attention that keeps its maps, and the loss that holds them to the words' true masks.

The loss is TokenCompose's (Wang et al. 2023, arXiv 2312.03626, eq. 4): of the attention that a
word's token receives over the picture, the share outside the word's mask is squared. It teaches
to read each word where its object is, which tells two objects apart sooner than the denoising loss
alone does. All words with an exact mask take part, at all timesteps: in the strongest noise only
the caption can place a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention


class KeepingProcessor:
    """Attention for training: plain softmax that keeps its maps, or the fastest one on a CPU.

    A cross-attention layer appends its probabilities [B, pixels, tokens], the mean of its heads.
    """

    def __init__(self, kept: list[torch.Tensor] | None) -> None:
        """Keep maps in the list given; None for self-attention, whose maps nobody needs."""
        self.kept = kept

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what diffusers' own processor returns, up to rounding."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            layer(source).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer, source in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        if self.kept is None and (query.is_cuda or query.shape[2] > 64):
            # On a CPU torch 2.13 has no fast bfloat16 backward: float32 takes 60 % of its time.
            kind = value.dtype if query.is_cuda else torch.float32
            parts = (part.to(kind) for part in (query, key, value))
            mixed = F.scaled_dot_product_attention(*parts).to(value.dtype)
        else:
            probabilities = (query @ key.transpose(-1, -2) * attn.scale).softmax(-1)
            mixed = probabilities.to(value.dtype) @ value
            if self.kept is not None:
                self.kept.append(probabilities.float().mean(1))
        out: torch.Tensor = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out


@contextmanager
def keep_maps(unet: UNet2DConditionModel) -> Iterator[list[torch.Tensor]]:
    """Yield a list that fills with every cross-attention map of the next call; restores after."""
    kept: list[torch.Tensor] = []
    before = unet.attn_processors
    keeping = {name: KeepingProcessor(kept if "attn2" in name else None) for name in before}
    unet.set_attn_processor(keeping)
    try:
        yield kept
    finally:
        unet.set_attn_processor(before)


def grounding_loss(
    maps: list[torch.Tensor], words: torch.Tensor, masks: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Return the mean squared share of attention outside the words' masks, 0 to 1.

    Args:
        maps: Cross-attention maps, each [B, pixels, 77].
        words: Token position of each of W words, int64 [B, W]; 0 where there is none.
        masks: Coverage of each word, float [B, W, 16, 16].
        weight: Of each picture, float [B].
    """
    total = weight.new_zeros(())
    valid = (words > 0) * weight[:, None]
    for probabilities in maps:
        side = round(probabilities.shape[1] ** 0.5)
        inside = F.adaptive_avg_pool2d(masks, side).flatten(2)
        index = words[:, None, :].expand(-1, probabilities.shape[1], -1)
        chosen = probabilities.gather(2, index).transpose(1, 2)
        share = (chosen * inside).sum(-1) / chosen.sum(-1).clamp(min=1e-6)
        total = total + ((1 - share).square() * valid).sum() / valid.sum().clamp(min=1)
    return total / len(maps)
