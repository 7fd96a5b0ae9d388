"""Blocks in words, and the code of diffusers that computes them."""

import pytest

from sdlab.anatomy.blocks import blocks_of
from sdlab.anatomy.diffusers_code import diffusers_code
from sdlab.anatomy.naming import in_words, streams_by_block
from sdlab.models.model import Model
from tests import flow
from tests.zoo import pipelines


@pytest.fixture(scope="module")
def flux():
    return pipelines.build("FluxPipeline")[0].transformer


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conv_in", "first convolution"),
        ("down_blocks.0", "first stage down"),
        ("down_blocks.1.downsamplers.0", "second stage down, downsampling"),
        ("mid_block", "middle"),
        ("mid_block.resnets.1", "middle, ResBlock 2 of 2"),
        ("mid_block.attentions.0", "middle, attention"),
        ("up_blocks.2", "last stage up"),
        ("up_blocks.2.resnets.0", "last stage up, ResBlock 1 of 2"),
        ("up_blocks.2.resnets.0 before conv1", "last stage up, ResBlock 1 of 2: before conv1"),
        ("time_embedding.act", "time embedding: act"),
    ],
)
def test_blocks_of_a_unet_in_words(embedded, name, words):
    assert in_words(name, list(blocks_of(embedded.network))) == words
    assert in_words(name.split(" ")[0], list(blocks_of(embedded.network)), resolution="8x8")


def test_blocks_of_a_transformer_in_words(flux):
    streams = streams_by_block(flux)
    blocks = list(blocks_of(flux))
    assert in_words("transformer_blocks.0", blocks, streams) == "joint block 1 of 1"
    assert in_words("single_transformer_blocks.0", blocks, streams) == "single-stream block 1 of 1"
    assert in_words("proj_out", blocks, streams, "8x8") == "last projection, 8x8"
    many = [f"transformer_blocks.{i}" for i in range(24)]
    assert in_words(many[4], many, dict.fromkeys(many, "joint")) == "joint block 5 of 24"
    assert in_words(many[23], many, dict.fromkeys(many, "picture")) == "block 24 of 24"
    refiners = ["context_refiner.0", "context_refiner.1"]
    assert in_words(refiners[1], refiners, {refiners[1]: "text"}) == "text refiner 2 of 2"


def test_two_streams_one_or_the_picture_alone(flux, embedded):
    assert streams_by_block(flux) == {
        "transformer_blocks.0": "joint",
        "single_transformer_blocks.0": "single",
    }
    pixart = pipelines.build("PixArtSigmaPipeline")[0].transformer
    assert set(streams_by_block(pixart).values()) == {"picture"}
    lumina = pipelines.build("Lumina2Pipeline")[0].transformer
    assert streams_by_block(lumina) == {
        "noise_refiner.0": "picture",
        "context_refiner.0": "text",
        "layers.0": "single",
    }
    assert streams_by_block(embedded.network) == {}


def test_the_code_of_a_block_is_diffusers_own_with_attention_and_mlp_marked(flux):
    sd3 = Model(flow.sd3(), "sd3").network
    found = diffusers_code(sd3, "transformer_blocks.0")
    assert found.file == "diffusers/models/attention.py"
    assert found.name == "JointTransformerBlock.forward"
    marked = [found.lines[number - found.first] for number in found.marked]
    assert "self.attn(" in marked[0] and any("self.ff(" in line for line in marked)
    assert any("self.ff_context" in line for line in marked)
    assert found.text().count("# <-- here") == len(marked)
    single = diffusers_code(flux, "single_transformer_blocks.0")
    assert ["self.act_mlp(" in single.text(), "self.attn(" in single.text()] == [True, True]
    assert len(single.marked) == 2


def test_a_layer_of_torch_has_no_code_to_show(flux):
    assert diffusers_code(flux, "proj_out") is None
