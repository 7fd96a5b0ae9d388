"""The parts alone: activations, time embedding, reference code, the VAE's stages."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sdlab.anatomy.activations import ACTIVATIONS, TURN, curves
from sdlab.anatomy.blocks import blocks_of
from sdlab.anatomy.reference_code import reference_code
from sdlab.anatomy.time_embedding import time_embedding
from sdlab.anatomy.vae_stages import decoder_stages, encoder_stages, shifting_channels
from sdlab.errors import ModelError
from sdlab.latents.edit import shift
from sdlab.reference import unet
from sdlab.work import finish
from tests.anatomy.test_network_map import hooks
from tests.imports import ROOT

TORCH = {
    "SiLU": nn.functional.silu,
    "ReLU": nn.functional.relu,
    "GELU": nn.functional.gelu,
    "Mish": nn.functional.mish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_derivatives_are_torchs(name):
    x = torch.linspace(-9, 9, 400, dtype=torch.float64, requires_grad=True)
    value = TORCH[name](x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    one = ACTIVATIONS[name]
    at = x.detach().numpy()
    np.testing.assert_allclose(one.value(at), value.detach().numpy(), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(one.derivative(at), slope.numpy(), rtol=1e-12, atol=1e-13)


def test_silu_turns_where_it_is_said_to():
    slope = ACTIVATIONS["SiLU"].derivative
    assert slope(np.array([TURN]))[0] == pytest.approx(0, abs=1e-15)
    assert slope(np.array([TURN - 1e-3]))[0] < 0 < slope(np.array([TURN + 1e-3]))[0]


def test_curves_hold_every_activation():
    table = curves(-2, 2, 5)
    assert list(table["activation"].unique()) == list(ACTIVATIONS) and len(table) == 30
    with pytest.raises(ValueError, match="low must be below high, got 1 and 1"):
        curves(1, 1)


def test_the_time_is_told_as_the_reference_tells_it(embedded):
    times = [0.0, 1.0, 500.0, 999.0]
    found = time_embedding(embedded, times)
    network = embedded.network
    reference = unet.TimeEmbedding(96)
    reference.load_state_dict(network.time_embedding.state_dict())
    with torch.no_grad():
        wanted = reference(torch.tensor(times))
    torch.testing.assert_close(found.output, wanted, rtol=1e-5, atol=1e-5)
    # t = 0: every cosine is 1, every sine 0
    assert torch.equal(found.waves[0], torch.cat([torch.ones(48), torch.zeros(48)]))
    assert torch.equal(found.cosines().diagonal().float(), torch.ones(4))
    assert found.module == "time_embedding"


def test_a_network_that_tells_no_time_is_refused(small):
    class Other:
        network, device, dtype = nn.Linear(1, 1), torch.device("cpu"), torch.float32

    with pytest.raises(ModelError, match="Linear tells the time in a way of its own"):
        time_embedding(Other(), [1])
    with pytest.raises(ValueError, match="at least one timestep"):
        time_embedding(small, [])


def test_every_block_of_the_unet_has_its_line_of_the_reference(embedded):
    for block in blocks_of(embedded.network):
        call, *part = reference_code(block)
        text = (ROOT / call.file).read_text().splitlines()
        assert text[call.first - 1].strip() == call.lines[0].strip()
        marked = text[call.marked[0] - 1]
        assert "# <-- here" in call.text() and marked.strip() in call.text()
        first = block.split(".")[0]
        if "sample" not in block and first in ("down_blocks", "mid_block", "up_blocks"):
            assert "layer(" in marked
            wanted = "ResBlock" if "resnets" in block else "Transformer"
            assert [one.name for one in part] == [wanted]
            assert f"class {wanted}" in text[part[0].first - 1]
    assert "torch.cat" in reference_code("up_blocks.1.resnets.0")[0].text()
    assert reference_code("transformer_blocks.3") == ()


def test_stages_of_the_vae_end_in_its_own_results(embedded):
    picture = Image.effect_mandelbrot((128, 128), (-2, -1.5, 1, 1.5), 20).convert("RGB")
    inward = encoder_stages(embedded, picture)
    assert [one.block for one in inward][0] == "encoder.conv_in"
    assert inward[-1].values.shape == (8, 16, 16)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    outward = decoder_stages(embedded, latents)
    assert outward[-1].values.shape == (3, 128, 128)
    pixels = (outward[-1].values / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()
    wanted = np.asarray(embedded.decode(latents))
    assert np.array_equal((pixels * 255).round().astype(np.uint8), wanted)
    assert not hooks(embedded.vae.own)


def test_shifted_channels_are_decoded_one_by_one(small):
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    rows = finish(shifting_channels(small, latents, (-1.0, 1.0)))
    assert [len(row) for row in rows] == [2, 2, 2, 2]
    assert rows[3][0].tobytes() == small.decode(shift(latents, 3, -1.0)).tobytes()
