"""The playground's network: what time it is told, and that its seed is its own."""

import math

import pytest
import torch

from sdlab.playground.network import ACTIVATIONS, EMBEDDINGS, PointNetwork, TimeEmbedding


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_sinusoids_are_stable_diffusions():
    from diffusers.models.embeddings import get_timestep_embedding

    steps = torch.tensor([0.0, 7.0, 400.0])
    theirs = get_timestep_embedding(steps, 64, flip_sin_to_cos=True, downscale_freq_shift=0)
    ours = TimeEmbedding("sinusoids", seeded())(steps / 1000)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_other_two_embeddings():
    t = torch.tensor([0.0, 0.5, 1.0])
    assert TimeEmbedding("scalar", seeded())(t).flatten().tolist() == [-1, 0, 1]
    fourier = TimeEmbedding("fourier", seeded())
    turns = fourier.frequencies / (2 * math.pi)
    assert 1 < turns.std() < 3
    torch.testing.assert_close(fourier(t)[1, :32], (math.pi * turns).cos())
    assert len(EMBEDDINGS) == 3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_the_generator_alone_makes_the_weights(activation, embedding):
    one = PointNetwork(activation, embedding, seeded())
    torch.manual_seed(5)
    other = PointNetwork(activation, embedding, seeded(), outputs=2)
    x, t = torch.randn(3, 2), torch.rand(3)
    assert torch.equal(one(x, t), other(x, t)) and one(x, t).shape == (3, 2)
    assert isinstance(one.layers[1], ACTIVATIONS[activation])
    assert not torch.equal(one(x, t), one(x, 1 - t))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'silu'.*SiLU"):
        PointNetwork("silu", "scalar", seeded())
    with pytest.raises(ValueError, match="'fouriers'.*fourier"):
        PointNetwork("SiLU", "fouriers", seeded())
