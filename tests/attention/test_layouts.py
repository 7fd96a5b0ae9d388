"""Which tokens are words and which are places: proved by changing one word or one place.

Attention itself is taken out: it answers with the values of each token's own place. So what one
word or one place changes stays where it is through all blocks, and the recorder must report it
there and nowhere else.
"""

import warnings
from copy import deepcopy

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from sdlab.attention import hooks, layouts
from sdlab.attention.layers import find_layers
from sdlab.attention.layouts_known import LAYOUTS
from sdlab.attention.network_text import bound, latents_size, network_text
from tests.zoo.pipelines import build

# A pipeline for each class of networks.
PIPELINES = {
    "AuraFlowTransformer2DModel": "AuraFlowPipeline",
    "BriaFiboTransformer2DModel": "BriaFiboPipeline",
    "BriaTransformer2DModel": "BriaPipeline",
    "ChromaTransformer2DModel": "ChromaPipeline",
    "CogView3PlusTransformer2DModel": "CogView3PlusPipeline",
    "CogView4Transformer2DModel": "CogView4Pipeline",
    "Flux2Transformer2DModel": "Flux2Pipeline",
    "FluxTransformer2DModel": "FluxPipeline",
    "HunyuanDiT2DModel": "HunyuanDiTPipeline",
    "HunyuanVideoTransformer3DModel": "HunyuanVideoPipeline",
    "LTXVideoTransformer3DModel": "LTXPipeline",
    "Lumina2Transformer2DModel": "Lumina2Pipeline",
    "LuminaNextDiT2DModel": "LuminaPipeline",
    "PixArtTransformer2DModel": "PixArtSigmaPipeline",
    "QwenImageTransformer2DModel": "QwenImagePipeline",
    "SD3Transformer2DModel": "StableDiffusion3Pipeline",
    "SanaTransformer2DModel": "SanaPipeline",
    "WanTransformer3DModel": "WanPipeline",
    "WanVACETransformer3DModel": "WanVACEPipeline",
    "ZImageTransformer2DModel": "ZImagePipeline",
}
FACTORS = (
    "vae_spatial_compression_ratio",
    "vae_spatial_scale_factor",
    "vae_scale_factor_spatial",
    "vae_scale_factor",
)
# Networks that mix places beside attention: by convolutions and linear attention.
MIXING = ("SanaTransformer2DModel",)
HEIGHT, WIDTH, PLACE = 64, 96, (1, 2)


class Still(TorchFunctionMode):
    """Attention that mixes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is not scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, key, value = (dict(zip("qkv", args, strict=False)) | _short(kwargs or {})).values()
        if query.shape[2] != key.shape[2]:
            return query.new_zeros(*query.shape[:3], value.shape[3])
        return value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)


def _short(kwargs):
    return {name[0]: kwargs[name] for name in ("query", "key", "value") if name in kwargs}


@pytest.fixture(params=PIPELINES, scope="module")
def called(request):
    """A network, the arguments of a call of it by its pipeline, and the latents' size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe, words = build(PIPELINES[request.param])
        calls = []

        def keep(_, args, kwargs):
            calls.append(deepcopy((args, kwargs)))

        handle = pipe.transformer.register_forward_pre_hook(keep, with_kwargs=True)
        pipe(**{**words, "height": HEIGHT, "width": WIDTH})
        handle.remove()
    assert type(pipe.transformer).__name__ == request.param
    factor = next(getattr(pipe, name) for name in FACTORS if hasattr(pipe, name))
    factor //= 2 if request.param == "BriaTransformer2DModel" else 1  # counts the packing too
    (args, kwargs), size = calls[0], (HEIGHT // factor, WIDTH // factor)
    assert latents_size(pipe.transformer, bound(pipe.transformer, args, kwargs)) == size
    return pipe.transformer, args, kwargs, size


def test_every_class_is_tried():
    assert set(PIPELINES) == set(LAYOUTS)


def test_a_word_is_where_it_is_said(called):
    network, args, kwargs, size = called
    layers = find_layers(network, size)
    before = heard(network, layers, args, kwargs)
    parts = network_text(network, bound(network, args, kwargs), 0)
    start, alive = 0, 0
    for part in parts:
        for token in (1, len(part) - 2):
            with changed(part, token, token + 1):
                after = heard(network, layers, args, kwargs)
            for layer in layers:
                if layer.cross:
                    found = places_of(before[layer].key, after[layer].key, before[layer].keys)
                    assert found in ([], [start + token, start + token + 1]), layer.name
                    alive += bool(found)
                if layer.of_text:
                    found = places_of(before[layer].query, after[layer].query)
                    assert found in ([], [start + token, start + token + 1]), layer.name
        start += len(part)
    assert alive


def test_a_place_is_where_it_is_said(called):
    network, args, kwargs, size = called
    layers = find_layers(network, size)
    before = heard(network, layers, args, kwargs)
    arguments = bound(network, args, kwargs)
    latents = next(arguments[name] for name in ("hidden_states", "x") if name in arguments)
    latents = latents[0] if isinstance(latents, list) else latents[0]
    layer = layers[0]
    row, column = PLACE
    if latents.ndim == 2:
        index = (row * layer.width + column,)
    else:
        index = tuple(slice(i * layer.share, (i + 1) * layer.share) for i in PLACE)
        index = (Ellipsis, *index)
    old = latents[index].clone()
    latents[index] += torch.randn(old.shape)
    after = heard(network, layers, args, kwargs)
    latents[index] = old
    if type(network).__name__ in MIXING:
        return
    for layer in layers:
        expected = [row * layer.width + column]
        queries = places_of(before[layer].query, after[layer].query)
        keys = places_of(before[layer].key, after[layer].key, before[layer].keys)
        assert layer.height != layer.width
        assert queries == ([] if layer.of_text else expected), layer.name
        assert keys == ([] if layer.cross else expected), layer.name


def test_the_sequence_adds_up(called):
    network, args, kwargs, size = called
    for layer, scores in heard(network, find_layers(network, size), args, kwargs).items():
        assert scores.query.shape[1] == layer.heads == scores.key.shape[1]
        assert scores.query.shape[3] == layouts.head_width(network, layer)


def heard(network, layers, args, kwargs):
    """What the recorder says of each layer."""
    found = {}
    with Still(), torch.no_grad(), hooks.watching(network, layers, found.__setitem__):
        network(*args, **kwargs)
    assert list(found) == layers or set(found) == set(layers)
    return found


class changed:
    """Move two tokens of a text in opposite ways, so that its mean stays."""

    def __init__(self, text, first, second):
        self.text, self.places, self.old = text, (first, second), text.clone()

    def __enter__(self):
        step = torch.randn(self.text.shape[1:])
        for place, sign in zip(self.places, (1, -1), strict=True):
            self.text[place] += sign * step

    def __exit__(self, *_):
        self.text.copy_(self.old)


def places_of(one, other, part=slice(None)):
    """Where two [B, H, N, d] differ in the first row, beyond the rounding of a moved mean."""
    one, other = one[0, :, part], other[0, :, part]
    far = (one - other).abs().amax((0, 2)) > 1e-4 * one.abs().max()
    return far.nonzero().flatten().tolist()
