"""Every switch does what it says in the network, in its evaluations only, and leaves no trace."""

import copy

import pytest
import torch
from torch import nn

from sdlab.causes.parts import activations, attention_blocks, attentions, blocks, up_blocks
from sdlab.causes.switches import (
    ActivationReplaced,
    AttentionScaled,
    AttentionSwapped,
    ChannelsOff,
    SkipScaled,
    TextChanged,
    TimestepHeld,
    TimestepShifted,
)
from sdlab.causes.switching import switched
from sdlab.denoisers.network import Sample, evaluate
from sdlab.errors import ModelError
from sdlab.models.model import Model

EVERY = [
    SkipScaled("up_blocks.0"),
    SkipScaled("up_blocks.1", 0.5, which=1),
    AttentionScaled("up_blocks.1", "cross"),
    AttentionScaled("mid_block", "self", 0.5),
    AttentionSwapped("down_blocks.0", "a cat"),
    ChannelsOff("down_blocks.0", (1, 3)),
    ChannelsOff("mid_block", (0,)),
    ActivationReplaced("relu"),
    ActivationReplaced("tanh", "up_blocks.0"),
    TimestepShifted(100.0),
    TimestepHeld(300.0),
    TextChanged((1, 2)),
    TextChanged((5, 6), ""),
]


def answered(model, switches=(), *, timestep=500.0, guided=True, calls=1, begin=0):
    """The network's last output of some calls, [1 or 2, C, h, w]."""
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    cond, uncond = model.encode_prompt("a red car", "")
    sample = Sample(x, timestep, cond, uncond if guided else None, 1.0, 0.0)
    with switched(model, switches, begin=begin, guided=guided):
        for _ in range(calls):
            (output,) = evaluate(model, [sample])
    return torch.cat([output.uncond, output.cond]) if guided else output.cond


def hooks(model):
    """How many hooks there are in the network."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules())


@pytest.mark.parametrize("switch", EVERY, ids=repr)
def test_a_switch_changes_the_output_and_is_gone_afterwards(small, switch):
    before = answered(small)
    changed = answered(small, [switch])
    assert not torch.equal(before[1], changed[1]) and changed.isfinite().all()
    assert hooks(small) == 0
    torch.testing.assert_close(answered(small), before, rtol=0, atol=0)


def test_a_switch_acts_in_its_evaluations_only(small):
    plain, off = answered(small), answered(small, [SkipScaled("all")])
    late = SkipScaled("all", first=2, last=3)
    for calls, begin, acts in ((1, 0, 0), (2, 0, 0), (3, 0, 1), (4, 0, 1), (5, 0, 0), (1, 2, 1)):
        found = answered(small, [late], calls=calls, begin=begin)
        assert torch.equal(found, off if acts else plain)


def test_all_is_restored_after_an_error_in_the_network(small):
    with pytest.raises(RuntimeError, match="in the middle"), switched(small, EVERY):
        assert hooks(small) > len(EVERY)
        raise RuntimeError("in the middle")
    assert hooks(small) == 0


def test_a_factor_of_1_changes_nothing(small):
    every = [SkipScaled("all", 1.0), AttentionScaled("all", "cross", 1.0), TimestepShifted(0.0)]
    own = ActivationReplaced("silu", "mid_block.resnets.0")
    assert torch.equal(answered(small, [*every, own]), answered(small))


def test_a_shifted_timestep_is_that_timestep(small):
    assert torch.equal(
        answered(small, [TimestepShifted(100.0)], timestep=500.0), answered(small, timestep=600.0)
    )


def test_a_held_timestep_is_that_timestep_at_every_evaluation(small):
    for true in (500.0, 20.0):
        held = answered(small, [TimestepHeld(600.0)], timestep=true)
        assert torch.equal(held, answered(small, timestep=600.0))


def test_a_replaced_activation_is_the_network_built_with_it(small):
    other = Model(copy.deepcopy(small.pipeline), "other")
    for module in list(other.network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.SiLU):
                setattr(module, name, nn.Mish())
        if type(module).__name__ == "GEGLU":
            module.gelu = nn.functional.mish
    assert torch.equal(answered(small, [ActivationReplaced("mish")]), answered(other))


def test_attention_off_is_a_network_whose_attention_answers_0(small):
    other = Model(copy.deepcopy(small.pipeline), "other")
    for module in attentions(other.network, "up_blocks.1", "cross"):
        nn.init.zeros_(module.to_out[0].weight)
        nn.init.zeros_(module.to_out[0].bias)
    assert torch.equal(answered(small, [AttentionScaled("up_blocks.1")]), answered(other))


def test_another_prompt_in_all_blocks_is_that_prompt(small):
    found = answered(small, [AttentionSwapped("all", "a cat")])
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    cat, uncond = small.encode_prompt("a cat", "")
    (output,) = evaluate(small, [Sample(x, 500.0, cat, uncond, 1.0, 0.0)])
    assert torch.equal(found[1:], output.cond) and torch.equal(found[:1], output.uncond)


def test_text_of_another_prompt_at_every_position_is_that_prompt(small):
    every = TextChanged(tuple(range(77)), "a cat")
    swapped = answered(small, [AttentionSwapped("all", "a cat")])
    assert torch.equal(answered(small, [every]), swapped)


def test_hidden_positions_are_as_if_their_words_were_others(small):
    """Whatever stands at a hidden position, the network's answer is the same; other rows' too."""
    hidden = TextChanged((3, 4), None)
    one = answered(small, [hidden])
    other = answered(small, [TextChanged((3, 4), "a green dog"), hidden])
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    torch.testing.assert_close(one[0], answered(small)[0], rtol=0, atol=1e-5)
    assert not torch.allclose(one[1], answered(small)[1], atol=1e-5)


def test_without_guidance_the_only_row_has_the_prompt(small):
    plain = answered(small, guided=False)
    assert not torch.equal(answered(small, [TextChanged((2,), "")], guided=False), plain)


def test_a_skip_of_a_block_is_counted_in_the_order_of_use(small):
    taken = {}
    block = small.network.up_blocks[0]
    handle = block.resnets[0].register_forward_pre_hook(lambda _, args: taken.update(x=args[0]))
    try:
        answered(small, [SkipScaled("up_blocks.0", which=0)])
    finally:
        handle.remove()
    skip = taken["x"][:, -block.resnets[0].in_channels + 32 :]
    assert (skip == 0).all() and not (taken["x"][:, :16] == 0).all()


def test_channels_are_off_in_the_skip_too(small):
    taken = {}
    last = small.network.up_blocks[-1]
    handle = last.register_forward_pre_hook(
        lambda _, args, kwargs: taken.update(kwargs), with_kwargs=True
    )
    try:
        answered(small, [ChannelsOff("down_blocks.0", (1,))])
    finally:
        handle.remove()
    plain = [bool((x[:, 1] == 0).all()) for x in taken["res_hidden_states_tuple"]]
    assert not any(plain)  # the last block reads the skips before: its own resnet and conv_in
    block = small.network.up_blocks[0]
    handle = block.register_forward_pre_hook(
        lambda _, args, kwargs: taken.update(kwargs), with_kwargs=True
    )
    try:
        answered(small, [ChannelsOff("down_blocks.0", (1,))])
    finally:
        handle.remove()
    assert any(bool((x[:, 1] == 0).all()) for x in taken["res_hidden_states_tuple"])


def test_the_parts_of_the_embedded_model_are_named(embedded):
    network = embedded.network
    assert blocks(network)[-3:] == up_blocks(network)
    assert attention_blocks(network) == attention_blocks(network, "self")
    assert len(attentions(network, "mid_block", "cross")) == 1
    assert len(activations(network)) > len(activations(network, "mid_block")) > 0


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        (SkipScaled("up_block"), "up block.*up_blocks.0"),
        (SkipScaled("up_blocks.0", which=9), "which of up_blocks.0 must be from 0 to 1"),
        (AttentionScaled("up_blocks.0"), "block with cross-attention.*up_blocks.1"),
        (AttentionScaled("all", "both"), "kind of attention"),
        (AttentionSwapped("nowhere"), "block with cross-attention"),
        (ChannelsOff("up_blocks.9"), "block.*mid_block"),
        (ChannelsOff("mid_block", (99,)), "channels of mid_block must be from 0 to 31"),
        (ChannelsOff("mid_block", ()), "at least one"),
        (ActivationReplaced("relu6"), "activation.*relu"),
        (ActivationReplaced("relu", "conv_in"), "block with activations"),
        (TextChanged((77,)), "positions must be from 0 to 76"),
        (TextChanged(tuple(range(77))), "must leave one"),
    ],
    ids=repr,
)
def test_what_is_not_there_is_refused_with_what_is(small, switch, said):
    with pytest.raises(ValueError, match=said), switched(small, [switch]):
        pass
    assert hooks(small) == 0


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match="first=3 and last=2"):
        SkipScaled("all", first=3, last=2)


def test_a_compiled_network_is_refused(small):
    other = Model(copy.deepcopy(small.pipeline), "other")
    other.network._compiled_call_impl = lambda *args: None
    with pytest.raises(ModelError, match="compiled"), switched(other, [SkipScaled("all")]):
        pass


def test_a_transformers_attention_activation_and_timestep_can_be_switched():
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(0)
    network = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16,
        pooled_projection_dim=16, out_channels=4,
    ).eval()  # fmt: skip

    class Held:
        """What a switch asks of a model."""

        plain, name, path = False, "held", "flow"

    held = Held()
    held.network = network
    given = {
        "hidden_states": torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)),
        "encoder_hidden_states": torch.ones(1, 5, 16),
        "pooled_projections": torch.ones(1, 16),
        "return_dict": False,
    }

    def out(timestep, *switches):
        from sdlab.causes.switch import Place

        place = Place(held, lambda switch: True, False)
        for switch in switches:
            switch.check(held)
        handles = [handle for switch in switches for handle in switch.attach(place)]
        try:
            with torch.no_grad():
                return network(timestep=torch.tensor([timestep]), **given)[0]
        finally:
            for handle in handles:
                handle.remove()

    plain = out(500.0)
    assert torch.equal(out(400.0, TimestepShifted(100.0)), plain)
    for switch in (AttentionScaled("transformer_blocks.1", "self"), ActivationReplaced("relu")):
        assert not torch.equal(out(500.0, switch), plain)
    with pytest.raises(ModelError, match="no U-Net"):
        SkipScaled("all").check(held)
    for switch in (TextChanged((0,)), AttentionSwapped("all")):
        with pytest.raises(ModelError, match="not Stable Diffusion"):
            switch.check(held)
    assert torch.equal(out(500.0), plain)
