"""The map says what the network does: counts against torch's own and against sums by hand."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sdlab.anatomy.blocks import blocks_of
from sdlab.anatomy.calls import first_call
from sdlab.anatomy.costs import OUTSIDE, counting
from sdlab.anatomy.network_map import COLUMNS, network_map
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.work import finish
from tests import flow

ONE_SAMPLE = Experiment(guidance_scale=1.0, num_steps=4)


def hooks(network):
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in network.modules())


@pytest.fixture(scope="module")
def mapped(embedded):
    return finish(network_map(embedded, repeats=1))


@pytest.fixture(scope="module")
def sd3():
    return Model(flow.sd3(), "sd3")


def counted_by_torch(model):
    # of attention torch counts the products alone, which its fused kernels on a CPU do not show
    with (
        first_call(model, ONE_SAMPLE) as call,
        FlopCounterMode(display=False) as flops,
        sdpa_kernel(SDPBackend.MATH),
    ):
        call.make()
    return flops.get_total_flops()


def test_multiply_adds_are_half_of_torchs_operations(embedded, mapped):
    assert 2 * mapped.macs == counted_by_torch(embedded)


def test_they_are_of_a_transformer_too(sd3):
    assert 2 * finish(network_map(sd3, repeats=1)).macs == counted_by_torch(sd3)


def test_multiply_adds_of_layers_small_enough_to_count_by_hand():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3, padding=1, stride=2)
            self.grouped = nn.Conv2d(4, 6, 1, groups=2)
            self.up = nn.ConvTranspose2d(2, 7, 4, stride=2)
            self.linear = nn.Linear(10, 11)

    two = Two()
    blocks = dict(two.named_children())
    q, kv = torch.zeros(1, 2, 6, 4), torch.zeros(1, 2, 9, 4)
    with counting(blocks) as counts:
        two.conv(torch.zeros(1, 3, 8, 8))
        two.grouped(torch.zeros(2, 4, 3, 3))
        two.up(torch.zeros(1, 2, 5, 5))
        two.linear(torch.zeros(3, 10))
        nn.functional.scaled_dot_product_attention(q, kv, kv)
    assert counts == {
        "conv": 4 * 4 * 5 * 3 * 9,  # places x out x in x kernel
        "grouped": 2 * 3 * 3 * 6 * 2,
        "up": 5 * 5 * 2 * 7 * 16,
        "linear": 3 * 10 * 11,
        OUTSIDE: 2 * (2 * 6 * 9 * 4),  # heads x queries x keys x width, twice
    }
    assert not hooks(two)


def test_every_weight_of_the_unet_is_in_one_block(embedded, mapped):
    table = mapped.table
    assert list(table.columns) == list(COLUMNS)
    assert table["parameters"].sum() == mapped.parameters
    assert mapped.parameters == sum(p.numel() for p in embedded.network.parameters())
    assert set(table["block"]) == set(blocks_of(embedded.network))
    assert list(table["order"]) == list(range(len(table)))
    assert mapped.unet and mapped.size == (16, 16) and mapped.rows == 1
    assert (table["ms"] > 0).all() and mapped.ms > 0


def test_skips_come_from_where_the_unet_takes_them(mapped):
    """As UNet2DConditionModel pops them: the last that was made first."""
    skips = mapped.table[mapped.table["skip_from"] != ""]
    assert dict(zip(skips["block"], skips["skip_from"], strict=True)) == {
        "up_blocks.0.resnets.0": "down_blocks.2.resnets.0",
        "up_blocks.0.resnets.1": "down_blocks.1.downsamplers.0",
        "up_blocks.1.resnets.0": "down_blocks.1.attentions.0",
        "up_blocks.1.resnets.1": "down_blocks.0.downsamplers.0",
        "up_blocks.2.resnets.0": "down_blocks.0.attentions.0",
        "up_blocks.2.resnets.1": "conv_in",
    }
    assert list(skips["skip_channels"]) == [192, 160, 160, 96, 96, 96]


def test_a_row_says_what_the_block_is(mapped):
    rows = mapped.table.set_index("block")
    attention = rows.loc["down_blocks.1.attentions.0"]
    assert attention["kind"] == "attention" and attention["stage"] == "down 1"
    assert attention["attention"] == "self (4 heads), cross (4 heads)"
    assert attention["resolution"] == "8x8"
    resnet = rows.loc["up_blocks.0.resnets.1"]
    assert (resnet["channels_in"], resnet["channels_out"]) == (352, 192)
    assert rows.loc["conv_in", "macs"] == 16 * 16 * 96 * 4 * 9


def test_a_transformer_is_a_column_of_layers(sd3):
    found = finish(network_map(sd3, repeats=1))
    assert not found.unet and not (found.table["skip_from"] != "").any()
    layers = found.table[found.table["kind"] == "transformer layer"]
    assert list(layers["block"]) == ["transformer_blocks.0", "transformer_blocks.1"]
    assert set(layers["attention"]) == {"joint (4 heads)"}
    assert set(layers["resolution"]) == {"32x32"}


def test_mapping_leaves_no_hook(embedded, mapped, sd3):
    assert not hooks(embedded.network)
    work = network_map(sd3, repeats=1)
    next(work)
    work.close()
    assert not hooks(sd3.network) and "forward" not in vars(sd3.network)


def test_a_map_that_times_nothing_is_refused(small):
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        finish(network_map(small, repeats=0))
