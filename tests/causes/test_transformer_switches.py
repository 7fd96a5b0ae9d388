"""Switches inside transformers: each against a network changed by hand, and gone afterwards."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sdlab.anatomy.calls import first_call
from sdlab.causes import change
from sdlab.causes.counterfactuals import counterfactuals, running
from sdlab.causes.switches import (
    ActivationReplaced,
    AttentionScaled,
    ChannelsOff,
    TimestepShifted,
)
from sdlab.causes.switching import switched
from sdlab.causes.transformer_switches import (
    BlockSkipped,
    JointAttentionCut,
    MlpScaled,
    ModulationOff,
    WordsHidden,
)
from sdlab.errors import ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.sampling.engine import run
from sdlab.work import finish
from tests import flow
from tests.anatomy.test_network_map import hooks
from tests.causes.test_switching import hooks as hooks_of
from tests.zoo import pipelines
from tests.zoo.experiments import experiment

JOINT, SINGLE = "transformer_blocks.0", "single_transformer_blocks.0"
SIZE = {"width": 32, "height": 32}
ASKED = Experiment(prompt="a red cat", num_steps=3, seed=1, guidance_scale=1.0, **SIZE)


@pytest.fixture(scope="module")
def sd3():
    return Model(flow.sd3(), "sd3")


@pytest.fixture(scope="module")
def flux():
    pipe, words = pipelines.build("FluxPipeline")
    model = Model(pipe, "flux")
    model.asked = experiment(pipe, words)
    return model


@pytest.fixture(scope="module")
def pixart():
    pipe, words = pipelines.build("PixArtSigmaPipeline")
    model = Model(pipe, "pixart")
    model.asked = experiment(pipe, words)
    return model


def answered(model, *switches):
    """What the network answers to its first call, [1, ...]."""
    with first_call(model, getattr(model, "asked", ASKED)) as call:
        with switched(model, switches, guided=False):
            return call.make()[0]


def changed(model, alter):
    """The same model with its network changed by hand."""
    other = Model(copy.deepcopy(model.pipeline), "other")
    other.asked = getattr(model, "asked", ASKED)
    alter(other.network)
    return other


def zero(*linears):
    for linear in linears:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)


def of_kind(block):
    return [
        BlockSkipped(block),
        MlpScaled(block),
        ModulationOff(block),
        AttentionScaled(block, "any"),
        JointAttentionCut(block),
        JointAttentionCut(block, "picture", "picture"),
        ChannelsOff(block, (0, 3)),
        ActivationReplaced("relu", block),
    ]


CASES = [
    *(("sd3", switch) for switch in [*of_kind(JOINT), WordsHidden((2, 3)), TimestepShifted(100.0)]),
    *(("flux", switch) for switch in [*of_kind(SINGLE), BlockSkipped(JOINT)]),
    *(("pixart", switch) for switch in of_kind(JOINT) if not isinstance(switch, JointAttentionCut)),
]


@pytest.mark.parametrize(("name", "switch"), CASES, ids=repr)
def test_a_switch_changes_the_answer_and_is_gone_afterwards(request, name, switch):
    model = request.getfixturevalue(name)
    switch.check(model)
    before, off = answered(model), answered(model, switch)
    assert off.isfinite().all() and not torch.equal(before, off)
    assert hooks_of(model) == 0 and torch.equal(answered(model), before)


@pytest.mark.parametrize(
    ("name", "block"),
    [("sd3", JOINT), ("sd3", "transformer_blocks.1"), ("flux", JOINT), ("flux", SINGLE)],
)
def test_a_skipped_block_is_a_network_without_it(request, name, block):
    def without(network):
        blocks, number = block.split(".")
        kept = [one for i, one in enumerate(getattr(network, blocks)) if i != int(number)]
        setattr(network, blocks, nn.ModuleList(kept))

    model = request.getfixturevalue(name)
    assert torch.equal(answered(model, BlockSkipped(block)), answered(changed(model, without)))


def test_an_mlp_off_is_one_whose_last_layer_answers_0(sd3, pixart):
    def off(network):
        block = network.transformer_blocks[0]
        zero(*(mlp.net[-1] for mlp in (block.ff, getattr(block, "ff_context", None)) if mlp))

    for model in (sd3, pixart):
        assert torch.equal(answered(model, MlpScaled(JOINT)), answered(changed(model, off)))


def test_an_mlp_within_one_projection_is_off_alone(flux):
    """Of Flux's single blocks attention and MLP go through one projection, side by side."""

    def off(network):
        block = network.single_transformer_blocks[0]
        block.proj_out.weight.data[:, -block.mlp_hidden_dim :] = 0.0

    torch.testing.assert_close(answered(flux, MlpScaled(SINGLE)), answered(changed(flux, off)))


def test_attention_off_is_one_whose_projections_answer_0(sd3):
    def off(network):
        attention = network.transformer_blocks[0].attn
        zero(attention.to_out[0], attention.to_add_out)

    assert torch.equal(answered(sd3, AttentionScaled(JOINT)), answered(changed(sd3, off)))


def test_modulation_off_leaves_its_constant(sd3, flux, pixart):
    def constant(network):
        block = network.transformer_blocks[0]
        for norm in (block.norm1, block.norm1_context):
            nn.init.zeros_(norm.linear.weight)

    for model in (sd3, flux):
        off = answered(model, ModulationOff(JOINT))
        torch.testing.assert_close(off, answered(changed(model, constant)))

    def table_alone(network):
        zero(network.adaln_single.linear)  # the time of all blocks: this one has but one

    assert len(pixart.network.transformer_blocks) == 1
    off = answered(pixart, ModulationOff("all"))
    torch.testing.assert_close(off, answered(changed(pixart, table_alone)))


def test_another_activation_is_the_network_built_with_it(sd3):
    def mish(network):
        for module in list(network.transformer_blocks[0].modules()):
            if type(module).__name__ == "GELU":
                module.gelu = functional.mish
            for name, child in module.named_children():
                if isinstance(child, nn.SiLU):
                    setattr(module, name, nn.Mish())

    off = answered(sd3, ActivationReplaced("mish", JOINT))
    assert torch.equal(off, answered(changed(sd3, mish)))


def test_a_network_that_is_told_the_time_from_0_to_1_is_told_a_thousandth(flux):
    def later(_, args, kwargs):
        return args, {**kwargs, "timestep": kwargs["timestep"] - 0.1}

    with first_call(flux, flux.asked) as call:
        handle = flux.network.register_forward_pre_hook(later, with_kwargs=True)
        try:
            by_hand = call.make()[0]
        finally:
            handle.remove()
    torch.testing.assert_close(answered(flux, TimestepShifted(-100.0)), by_hand)


def attended(model, *switches):
    """What the first attention was given and what it gave: picture and text."""
    taken = {}
    module = model.network.get_submodule(JOINT).attn
    with first_call(model, ASKED) as call, switched(model, switches, guided=False):
        handle = module.register_forward_hook(
            lambda _, args, kwargs, output: taken.update(kwargs, output=output), with_kwargs=True
        )
        try:
            call.make()
        finally:
            handle.remove()
    return taken


def test_a_picture_that_does_not_see_the_text_sees_the_picture_alone(sd3):
    plain, cut = attended(sd3), attended(sd3, JointAttentionCut(JOINT, "picture", "text"))
    with torch.no_grad():
        alone = sd3.network.get_submodule(JOINT).attn(hidden_states=plain["hidden_states"])
    torch.testing.assert_close(cut["output"][0], alone)
    torch.testing.assert_close(cut["output"][1], plain["output"][1])


def test_a_text_that_does_not_see_the_picture_changes_the_text_alone(sd3):
    plain, cut = attended(sd3), attended(sd3, JointAttentionCut(JOINT, "text", "picture"))
    torch.testing.assert_close(cut["output"][0], plain["output"][0])
    assert not torch.allclose(cut["output"][1], plain["output"][1])


def test_hidden_words_are_as_if_they_were_others(sd3):
    """Whatever stands at a hidden position, the network's answer is the same."""

    def other(_, args, kwargs):
        text = kwargs["encoder_hidden_states"].clone()
        text[:, 2:4] = 7.0
        return args, {**kwargs, "encoder_hidden_states": text}

    hidden = WordsHidden((2, 3))
    with first_call(sd3, ASKED) as call:
        handle = sd3.network.register_forward_pre_hook(other, with_kwargs=True)
        try:
            seen = call.make()[0]
            with switched(sd3, [hidden], guided=False):
                unseen = call.make()[0]
        finally:
            handle.remove()
    torch.testing.assert_close(unseen, answered(sd3, hidden))
    assert not torch.allclose(seen, answered(sd3))


def test_channels_of_the_picture_are_off_and_the_text_stays(sd3):
    outputs = []
    with first_call(sd3, ASKED) as call:
        for switches in ((), (ChannelsOff(JOINT, (1, 5)),)):
            with switched(sd3, switches, guided=False):
                handle = sd3.network.get_submodule(JOINT).register_forward_hook(
                    lambda _, __, output: outputs.append(output)
                )
                try:
                    call.make()
                finally:
                    handle.remove()
    (text, picture), (same, off) = outputs
    assert torch.equal(text, same) and (off[..., [1, 5]] == 0).all()
    kept = [i for i in range(picture.shape[-1]) if i not in (1, 5)]
    assert torch.equal(picture[..., kept], off[..., kept])


def test_a_switched_run_is_the_pipelines_call_switched(sd3):
    """Step by step in the engine, or around the whole call of the pipeline: the same picture."""
    switches = [
        TimestepShifted(100.0, first=1, last=1),
        BlockSkipped("transformer_blocks.1", first=2),
        JointAttentionCut(JOINT, last=1),
    ]
    asked = ASKED.with_(guidance_scale=4.0)
    stepwise = finish(running(sd3, asked, switches))
    with switched(sd3, switches):
        whole = sd3.pipeline(
            asked.prompt,
            num_inference_steps=3,
            guidance_scale=4.0,
            generator=torch.Generator().manual_seed(1),
            **SIZE,
        ).images[0]
    assert np.array_equal(np.asarray(stepwise.image), np.asarray(whole))
    assert not np.array_equal(np.asarray(whole), np.asarray(run(sd3, asked).image))


def test_plain_runs_stay_the_same_bit_for_bit(sd3):
    asked = ASKED.with_(num_steps=2)
    before = run(sd3, asked)
    changes = [
        change.block_skipped(JOINT, last=0),
        change.mlp_off("all"),
        change.modulation_off(JOINT),
        change.joint_attention_cut(JOINT, "picture", "text"),
        change.guidance(3.0),
        change.word_left_out(sd3, asked, "cat"),
        change.word_left_out(sd3, asked, "cat", how="masked"),
        change.pads(sd3, asked, "masked"),
    ]
    found = finish(counterfactuals(sd3, asked, changes))
    assert torch.equal(found.plain.latents, before.latents)
    assert torch.equal(run(sd3, asked).latents, before.latents)
    assert (found.table()["rms_latents"].iloc[1:] > 0).all()
    assert hooks(sd3.network) == 0 and "forward" not in vars(sd3.network)
    names = [outcome.change.name for outcome in found.changed]
    assert names[:2] == [f"without {JOINT}, evaluations 0 to 0", "MLP of all blocks off"]
    assert names[3] == f"picture does not see text in {JOINT}"


def test_a_word_is_hidden_wherever_an_encoder_put_it(sd3):
    """Both CLIPs of Stable Diffusion 3 put their vectors side by side, so a word has one place."""
    (switch,) = change.word_left_out(sd3, ASKED, "cat", how="masked").switches
    assert switch == WordsHidden((3,))
    (pads,) = change.pads(sd3, ASKED, "masked").switches
    assert min(pads.positions) == 5


@pytest.mark.parametrize(
    ("switch", "error", "said"),
    [
        (BlockSkipped("transformer_blocks.9"), ValueError, "Unknown block.*transformer_blocks.0"),
        (MlpScaled("blocks.0"), ValueError, "Unknown block"),
        (JointAttentionCut(JOINT, "words"), ValueError, "Unknown stream.*picture, text"),
        (JointAttentionCut("nowhere"), ValueError, "block with joint attention"),
        (ChannelsOff(JOINT, (99,)), ValueError, "from 0 to 31"),
        (WordsHidden(()), ValueError, "at least one"),
        (WordsHidden((400,)), ValueError, "positions must be from 0 to"),
    ],
    ids=repr,
)
def test_what_is_not_there_is_refused(sd3, switch, error, said):
    with pytest.raises(error, match=said):
        answered(sd3, switch)
    assert hooks(sd3.network) == 0


def test_what_a_network_has_not_is_refused_with_the_reason(small, pixart):
    with pytest.raises(ModelError, match="share no attention: switch its cross-attention"):
        JointAttentionCut("all").check(pixart)
    for switch in (BlockSkipped("mid_block"), MlpScaled("all"), ModulationOff("all")):
        with pytest.raises(ModelError, match="is a U-Net, whose blocks change size"):
            switch.check(small)
    with pytest.raises(ModelError, match="not Stable Diffusion"):
        change.pads(pixart, ASKED, "empty").switches[0].check(pixart)


class Held:
    """What a switch asks of a model."""

    def __init__(self, *blocks):
        self.network = nn.Module()
        self.network.layers = nn.ModuleList(blocks)


class Block(nn.Module):
    """A block that has attention and is told the time, and nothing else that is known."""

    def __init__(self):
        super().__init__()
        self.attention = nn.Module()
        self.attention.to_q = nn.Linear(4, 4)

    def forward(self, x, temb):
        return x * 2, temb + 1


def test_a_block_of_another_make_is_refused_with_the_reason():
    held = Held(Block())
    with pytest.raises(ModelError, match="layers.0, a Block, has no MLP under a name"):
        MlpScaled("layers.0").check(held)
    with pytest.raises(ModelError, match="has no scales and shifts of its own"):
        ModulationOff("layers.0").check(held)
    with pytest.raises(ModelError, match="no list of blocks with attention"):
        BlockSkipped("layers.0").check(Held(nn.Linear(4, 4)))
    with pytest.raises(ModelError, match="gives 2 things, and its code does not say"):
        from sdlab.causes.transformer_blocks import passed_by

        passed_by(Block(), (1, 2), {}, (2, 3))
