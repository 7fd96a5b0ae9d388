"""Attention maps of two layers, made by hand."""

import torch

from sdlab.attention.layers import Layer
from sdlab.attention.maps import AttentionMaps, MapsSource, key_of
from sdlab.experiment.attention_record import AttentionRecord

PROMPT = "A red car, and a blue-ish car on xylophonists' grass"


FINE = Layer("up_blocks.1.attn2", True, 2, 4, 8, 1)


COARSE = Layer("mid_block.attn2", True, 2, 2, 4, 2)


OWN = Layer("up_blocks.1.attn1", False, 2, 4, 8, 1)


def make(text, heads="all", kept="prompt"):
    """Random maps of three evaluations in which every place's shares sum to 1."""
    generator = torch.Generator().manual_seed(0)
    record = AttentionRecord(
        heads=heads, self_layers=("all",), dtype="float32", tokens=kept, halves="cond"
    )
    times = (900.0, 500.0, 3.0), (9.0, 2.0, 0.1)
    facts = MapsSource(record, (4, 8), (FINE, COARSE, OWN), (0, 1, 4), (0, 0, 2), *times)
    count = 77 if kept == "all" else int((text["mask"] == 1).sum())
    tensors = {}
    for layer in facts.layers:
        keys = 77 if layer.cross else layer.cells
        p = torch.rand(3, 2, layer.height, layer.width, keys, generator=generator) ** 3
        p = (p / p.sum(-1, keepdim=True)).movedim(-1, 2)
        if heads == "mean":
            p = p.mean(1, keepdim=True)
        if not layer.cross:
            p = p.flatten(3).mT.unflatten(-1, (layer.height, layer.width))
        tensors[key_of("cond", layer)] = p[:, :, :count] if layer.cross else p
    return AttentionMaps(facts, tensors, {"cond": text})
