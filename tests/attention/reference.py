"""Attention as its definition says: every probability, in float64, by a processor of our own."""

from contextlib import contextmanager
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
    """Return name -> one [B, H, N, L] a call, of every attention layer.

    A call is the U-Net's (arguments, keyword arguments).
    """
    kept, copy = {}, deepcopy(unet)
    for module in copy.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    copy = copy.double()
    copy.set_attn_processor(
        {
            name: Materialising(kept, name.removesuffix(".processor"))
            for name in copy.attn_processors
        }
    )
    with torch.no_grad():
        for args, kwargs in calls:
            copy(*doubled(args), **doubled(kwargs))
    return kept


def doubled(x):
    """Return a nest of values with its floating tensors in float64."""
    if isinstance(x, dict):
        return {name: doubled(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(doubled(value) for value in x)
    return x.double() if torch.is_tensor(x) and x.is_floating_point() else x


@contextmanager
def listening(unet):
    """Yield a list that fills with the (arguments, keyword arguments) of the U-Net's calls."""
    calls = []

    def keep(_, args, kwargs):
        calls.append(deepcopy((args, kwargs)))

    handle = unet.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


def check(maps, reference, rows, tolerance=1e-5):
    """Compare every kept map of a picture with the reference, given its row of each half."""
    for layer in maps.facts.layers:
        for half in maps.halves:
            own = maps.maps(layer, half)
            for place, evaluation in enumerate(maps.evaluations):
                p = reference[layer.name][evaluation][rows[half]]  # [H, N, L]
                expected = p.mT if layer.cross else p
                expected = expected[:, : own.shape[2]].unflatten(-1, (layer.height, layer.width))
                torch.testing.assert_close(own[place].double(), expected, rtol=0, atol=tolerance)


def hook_count(unet):
    """Return how many hooks sit on the U-Net and everything in it."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in unet.modules() for kind in kinds)
