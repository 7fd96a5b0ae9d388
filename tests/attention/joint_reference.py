"""Attention of joint transformers as its definition says, in float64, by processors of our own.

The probabilities stand in the order of the sequence: picture, then text in Stable Diffusion 3;
text, then picture in Flux.
"""

from copy import deepcopy

import torch

from tests.attention.reference import doubled


def split(x, heads):
    """[B, N, heads * d] -> [B, heads, N, d]."""
    return x.reshape(*x.shape[:2], heads, -1).permute(0, 2, 1, 3)


def normed(x, norm):
    """x / rms(x) times the weight."""
    if norm is None:
        return x
    return x / (x.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight


def turned(x, rotary):
    """Turn each pair of numbers by its place's angle: (a + ib) e^(i angle)."""
    if rotary is None:
        return x
    cos, sin = (part.double()[..., ::2] for part in rotary)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


class Joint:
    """Computes a joint attention plainly and keeps its probabilities, [B, H, N, N]."""

    def __init__(self, kept, name, text_first):
        self.kept, self.name, self.text_first = kept, name, text_first

    def __call__(
        self,
        attn,
        hidden_states,
        encoder_hidden_states=None,
        attention_mask=None,
        image_rotary_emb=None,
        **_,
    ):
        heads = attn.heads
        own = [
            normed(split(attn.to_q(hidden_states), heads), attn.norm_q),
            normed(split(attn.to_k(hidden_states), heads), attn.norm_k),
            split(attn.to_v(hidden_states), heads),
        ]
        if encoder_hidden_states is None:
            joint, words = own, 0
        else:
            words = encoder_hidden_states.shape[1]
            text = [
                normed(split(attn.add_q_proj(encoder_hidden_states), heads), attn.norm_added_q),
                normed(split(attn.add_k_proj(encoder_hidden_states), heads), attn.norm_added_k),
                split(attn.add_v_proj(encoder_hidden_states), heads),
            ]
            order = (text, own) if self.text_first else (own, text)
            joint = [torch.cat(pair, 2) for pair in zip(*order, strict=True)]
        q, k, v = turned(joint[0], image_rotary_emb), turned(joint[1], image_rotary_emb), joint[2]
        p = (q @ k.mT / q.shape[-1] ** 0.5).exp()
        p = p / p.sum(-1, keepdim=True)
        self.kept.setdefault(self.name, []).append(p)
        out = (p @ v).permute(0, 2, 1, 3).flatten(2)
        if encoder_hidden_states is None:
            return out if attn.to_out is None else attn.to_out[0](out)
        rest = out.shape[1] - words
        text, picture = (
            out.split([words, rest], 1) if self.text_first else out.split([rest, words], 1)[::-1]
        )
        if not attn.context_pre_only:
            text = attn.to_add_out(text)
        return attn.to_out[0](picture), text


def materialised(network, *calls):
    """Return name -> one [B, H, N, N] a call, of every attention module of a joint transformer."""
    kept, copy = {}, deepcopy(network).double()
    text_first = "Flux" in type(network).__name__
    names = [name.removesuffix(".processor") for name in copy.attn_processors]
    for name in names:
        module = copy.get_submodule(name)
        if not hasattr(module, "to_out"):
            module.to_out = None
        module.processor = Joint(kept, name, text_first)
    with torch.no_grad():
        for args, kwargs in calls:
            copy(*doubled(args), **doubled(kwargs))
    return kept
