"""Watching a run changes nothing of it, and shows what the blocks put out."""

import numpy as np
import pytest
import torch

from sdlab.anatomy.activations import TURN
from sdlab.anatomy.features import FeatureMaps, statistics
from sdlab.anatomy.observing import can_call_again, look_again, observing
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.sampling.engine import run
from sdlab.work import finish
from tests import flow
from tests.anatomy.test_network_map import hooks

ASKED = Experiment(prompt="a red car", num_steps=3, seed=5, width=128, height=128)
BLOCK = "mid_block.resnets.0"


@pytest.fixture(scope="module")
def plain(small):
    return run(small, ASKED)


@pytest.fixture(scope="module")
def observed(small):
    return finish(observing(small, ASKED, keep=[BLOCK]))


def test_the_picture_stays_the_same_bit_for_bit(small, plain, observed):
    assert np.array_equal(np.asarray(observed.run.image), np.asarray(plain.image))
    assert torch.equal(observed.run.latents, plain.latents)
    assert not hooks(small.network)


def test_so_it_does_in_a_pipeline_of_another_kind():
    model, asked = Model(flow.sd3(), "sd3"), Experiment(prompt="a cat", num_steps=2, seed=1)
    keep = "transformer_blocks.1"
    seen = finish(observing(model, asked, evaluations=[1], keep=[keep]))
    assert torch.equal(seen.run.latents, run(model, asked).latents)
    assert seen.features[keep, 1].values.shape == (32, 32, 32)
    assert set(seen.blocks["evaluation"]) == {1}
    assert not hooks(model.network) and "forward" not in vars(model.network)


def test_feature_maps_are_what_the_block_puts_out(small, plain, observed):
    """Against a hook set by hand on the plain call of the network."""
    kept = []
    handle = small.network.get_submodule(BLOCK).register_forward_hook(
        lambda module, args, output: kept.append(output[-1].clone())
    )
    try:
        run(small, ASKED)
    finally:
        handle.remove()
    assert len(kept) == 3
    for number, values in enumerate(kept):
        assert torch.equal(observed.features[BLOCK, number].values, values)


def test_a_recorded_evaluation_called_again_gives_the_same(small, plain, observed):
    assert can_call_again(small, plain)
    for number in (0, 2):
        seen = look_again(small, plain, number, keep=[BLOCK])
        assert torch.equal(
            seen.features[BLOCK, number].values, observed.features[BLOCK, number].values
        )
        whole = observed.blocks[observed.blocks["evaluation"] == number].reset_index(drop=True)
        assert seen.blocks.equals(whole)
    assert not hooks(small.network)


def test_inputs_of_silu_are_read_by_use(small, observed):
    first = observed.silus[observed.silus["evaluation"] == 0]
    layers = list(first["layer"])
    assert layers[0] == "time_embedding.act" and layers[-1] == "conv_act"
    assert f"{BLOCK} before conv1" in layers and f"{BLOCK} time" in layers
    assert len(layers) == 2 + 3 * sum("conv2" in layer for layer in layers)
    shares = observed.histograms.groupby(["evaluation", "layer"])["share"].sum()
    np.testing.assert_allclose(shares, 1.0, atol=1e-12)


def test_the_falling_share_is_that_of_the_inputs_themselves(small, plain, observed):
    given = []
    handle = small.network.conv_act.register_forward_pre_hook(
        lambda module, args: given.append(args[0][-1].clone())
    )
    try:
        run(small, ASKED)
    finally:
        handle.remove()
    rows = observed.silus[observed.silus["layer"] == "conv_act"]
    assert list(rows["falling"]) == [float((x < TURN).double().mean()) for x in given]


def test_a_block_that_is_not_there_is_named(small, plain):
    with pytest.raises(
        ValueError, match=r"Unknown block 'mid_block.resnet.0'. Did you mean 'mid_block.resnets.0'"
    ):
        look_again(small, plain, 0, keep=["mid_block.resnet.0"])
    with pytest.raises(ValueError, match=r"evaluation 7 was not recorded \(recorded: 0, 1, 2\)"):
        look_again(small, plain, 7)


def test_statistics_of_numbers_known_by_hand():
    values = torch.zeros(3, 1, 4)
    values[0, 0] = torch.tensor([1.0, -1.0, 3.0, -3.0])
    values[1] = 2.0  # says the same everywhere: dead
    values[2, 0, 0] = 1.0
    found = statistics(values)
    assert found["min"] == -3 and found["max"] == 3 and found["mean"] == 9 / 12
    assert found["dead"] == pytest.approx(1 / 3)
    table = FeatureMaps("x", 0, values).channels()
    assert list(table["dead"]) == [False, True, False]
    assert table["std"][0] == pytest.approx(5**0.5)


def test_principal_components_of_maps_made_of_two():
    x, y = np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 8))
    mixed = np.stack([3 * x, -6 * x, y + 1, 2 * y])  # 2 directions: variances 45 and 5
    found = FeatureMaps("x", 0, torch.from_numpy(mixed).float()).components()
    np.testing.assert_allclose(found.shares, (0.9, 0.1, 0.0), atol=1e-6)
    assert abs(np.corrcoef(found.maps[0].ravel(), x.ravel())[0, 1]) == pytest.approx(1)
    assert found.image().size == (8, 8)
    flat = FeatureMaps("x", 0, torch.ones(4, 2, 2)).components()
    assert flat.shares == (0, 0, 0) and flat.image().getpixel((0, 0)) == (128, 128, 128)
