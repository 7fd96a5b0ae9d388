"""The ablation of the small U-Net: what is exchanged in it, and that a seed is a seed."""

import pytest
import torch
from torch import nn

from sdlab.playground.network import ACTIVATIONS
from tests.imports import ROOT


@pytest.fixture(scope="module")
def ablation():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import unet_activations

        yield unet_activations


@pytest.mark.parametrize(("activation", "embedding"), [("tanh", "scalar"), ("SiLU", "fourier")])
def test_every_silu_and_the_time_are_exchanged(ablation, activation, embedding):
    unet = ablation.network(ablation.Training(activation, embedding, 0))
    kinds = [type(m) for m in unet.modules() if type(m) in ACTIVATIONS.values()]
    assert set(kinds) == {ACTIVATIONS[activation]} and len(kinds) > 10
    assert unet.time_proj.embedding.kind == embedding
    x, context = torch.randn(2, 4, 16, 16), torch.randn(2, 77, 128)
    with torch.no_grad():
        early, late = (unet(x, torch.tensor([t, t]), context).sample for t in (100, 900))
    assert early.shape == x.shape and not torch.allclose(early, late)


def test_the_widths_are_a_quarter(ablation):
    unet = ablation.network(ablation.Training("SiLU", "sinusoids", 0))
    assert unet.config.block_out_channels == (24, 40, 48)
    heads = {m.heads for m in unet.modules() if hasattr(m, "heads")}
    assert heads == {1} and isinstance(unet.conv_act, nn.SiLU)


@pytest.mark.every
def test_a_seed_is_a_seed(ablation):
    training = ablation.Training("SiLU", "sinusoids", 3, steps=2)
    once, again = (ablation.row(training, 16, 8, 2) for _ in range(2))
    assert once == again and 0 < float(once["loss"]) and 0 <= float(once["score"]) <= 1
