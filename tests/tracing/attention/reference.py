"""Attention as its definition says: every probability, in float64, by a processor of our own."""

from copy import deepcopy

import torch


class Materialising:
    """Computes softmax(q k^T / sqrt(d)) v plainly and keeps the probabilities [B, H, N, L]."""

    def __init__(self, kept, name):
        self.kept, self.name = kept, name

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            layer(source).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer, source in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        probabilities = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        self.kept.setdefault(self.name, []).append(probabilities)
        return attn.to_out[0]((probabilities @ v).transpose(1, 2).flatten(2))


def materialised(unet, *calls):
    """Return name -> [B, H, N, L] of every attention layer for each call (x, timestep, text)."""
    kept, copy = {}, deepcopy(unet).double()
    copy.set_attn_processor(
        {f"{n}": Materialising(kept, n.removesuffix(".processor")) for n in copy.attn_processors}
    )
    with torch.no_grad():
        for x, timestep, text in calls:
            copy(x.double(), timestep, encoder_hidden_states=text.double())
    return kept


def hook_count(unet):
    """Return how many hooks sit on the U-Net and everything in it."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in unet.modules() for kind in kinds)
