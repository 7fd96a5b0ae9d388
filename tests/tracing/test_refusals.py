"""What ``sdlab.trace`` cannot read is refused by name, and whatever fails leaves nothing behind."""

import pytest
import torch
from diffusers import (
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
)
from diffusers.models.attention_processor import AttnProcessor

import sdlab
from sdlab.errors import MemoryLimitError, ModelError
from tests.attention.reference import hook_count
from tests.conftest import make_pipeline
from tests.tracing.calls import call
from tests.tracing.pipelines import PICTURE, UNSAFE, quiet, text2img

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Stable:UserWarning")]


def test_everything_is_gone_after_an_exception(pipe):
    hooks, cls = hook_count(pipe.unet), type(pipe)

    def stop(*_):
        raise RuntimeError("stopped")

    untraced = text2img()[0]
    with pytest.raises(RuntimeError, match="stopped"):
        call(untraced, callback_on_step_end=stop)
    with pytest.raises(RuntimeError, match="stopped"), sdlab.trace(pipe) as traced:
        call(pipe, callback_on_step_end=stop)
    assert (hook_count(pipe.unet), type(pipe)) == (hooks, cls)
    assert set(vars(pipe)) == set(vars(untraced))
    assert [*map(type, vars(pipe).values())] == [*map(type, vars(untraced).values())]
    assert traced.maps(0).evaluations == (0,)
    with pytest.raises(ValueError, match="latents are not known"):
        _ = traced.latents


def test_an_exception_inside_the_network(pipe, monkeypatch):
    hooks = hook_count(pipe.unet)

    def fail(*_, **__):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(pipe.unet.mid_block, "forward", fail)
    with pytest.raises(RuntimeError, match="in the middle"), sdlab.trace(pipe) as traced:
        call(pipe)
    assert hook_count(pipe.unet) == hooks
    with pytest.raises(ValueError, match="ended before its network's first evaluation"):
        traced.maps(0)


def test_a_call_that_fails_before_its_first_evaluation(pipe):
    with pytest.raises(ValueError, match="callback_on_step_end_tensor_inputs"):
        with sdlab.trace(pipe) as traced:
            call(pipe, callback_on_step_end_tensor_inputs=["nothing"])
    for ask in (lambda: traced.maps(0), lambda: traced.steps, lambda: traced.tokens):
        with pytest.raises(ValueError, match="ended before its network's first evaluation"):
            ask()


def test_the_cap_is_never_passed(pipe):
    record = sdlab.Record(tensors=(), attention=sdlab.AttentionRecord(max_bytes=1000))
    hooks = hook_count(pipe.unet)
    with pytest.raises(MemoryLimitError, match="more than the cap of 1000 B"):
        with sdlab.trace(pipe, record):
            call(pipe)
    assert hook_count(pipe.unet) == hooks


def test_ip_adapters_are_refused(pipe):
    from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

    names = [n for n in pipe.unet.attn_processors if "attn2" in n]
    processors = dict(pipe.unet.attn_processors)
    for name in names:
        width = pipe.unet.get_submodule(name.removesuffix(".processor")).inner_dim
        processors[name] = IPAdapterAttnProcessor2_0(width, 32, num_tokens=(4,))
    pipe.unet.set_attn_processor(processors)
    with pytest.raises(ModelError, match=r"IP-Adapter.*pipe.unload_ip_adapter\(\)"):
        with sdlab.trace(pipe):
            call(pipe)


def test_an_ip_adapters_projection_is_refused(pipe):
    pipe.unet.encoder_hid_proj = torch.nn.Identity()
    with pytest.raises(ModelError, match=r"An IP-Adapter is loaded.*unload_ip_adapter\(\)"):
        with sdlab.trace(pipe):
            call(pipe)


@pytest.mark.parametrize("upcast", [False, True])
def test_the_softmax_is_float32_whatever_the_network_computes_in(upcast):
    pipe = make_pipeline(unet={"upcast_attention": upcast}).to(torch.bfloat16)
    pipe.unet.set_attn_processor(AttnProcessor())
    name = "mid_block.attentions.0.transformer_blocks.0.attn2"
    layer, seen = pipe.unet.get_submodule(name), {}
    assert layer.upcast_attention == upcast
    for part in ("to_q", "to_k"):
        keep = lambda _, __, out, part=part: seen.setdefault(part, []).append(out.double())  # noqa: E731
        getattr(layer, part).register_forward_hook(keep)
    record = sdlab.Record((), attention=sdlab.AttentionRecord(tokens="all", dtype="float32"))
    with sdlab.trace(pipe, record) as traced:
        call(pipe, seeds=1, prompt="a red car", negative_prompt="", num_images_per_prompt=1)
    for place, (q, k) in enumerate(zip(seen["to_q"], seen["to_k"], strict=True)):
        q, k = (x[1].unflatten(-1, (layer.heads, -1)).transpose(0, 1) for x in (q, k))
        expected = (q @ k.mT * layer.scale).softmax(-1).mean(0).mT
        own = traced.maps().maps(name)[place, 0].flatten(1).double()
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(own.sum(0), torch.ones(64).double(), rtol=0, atol=1e-6)


def test_foreign_processors_are_refused_by_name(pipe):
    from diffusers.models.attention_processor import CustomDiffusionAttnProcessor

    pipe.unet.set_attn_processor(
        CustomDiffusionAttnProcessor(hidden_size=16, cross_attention_dim=32)
    )
    with pytest.raises(ModelError, match=r"CustomDiffusionAttnProcessor.*set_default_attn"):
        with sdlab.trace(pipe):
            call(pipe)


def test_a_compiled_network_is_refused(pipe):
    pipe.unet.compile()
    with pytest.raises(ModelError, match="compiled code calls no hooks"), sdlab.trace(pipe):
        call(pipe)


def test_merged_tokens_are_refused(pipe):
    layer = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn2
    plain = layer.forward

    def merged(hidden_states, **kwargs):
        halved = plain(hidden_states[:, ::2], **kwargs)
        return halved.repeat_interleave(2, 1)

    layer.forward = merged
    with pytest.raises(ModelError, match="sees 32 places.*8 x 8 = 64.*merged"), sdlab.trace(pipe):
        call(pipe)


def test_other_things_are_refused(pipe):
    with pytest.raises(ModelError, match="dict cannot be traced"), sdlab.trace({}):
        pass
    pipe.unet = None
    with pytest.raises(ModelError, match="no denoising network"), sdlab.trace(pipe):
        pass


def test_three_rows_a_picture_are_said(pipe):
    parts = {n: m for n, m in pipe.components.items() if n != "image_encoder"}
    eight = make_pipeline(unet={"in_channels": 8}).unet
    other = quiet(StableDiffusionInstructPix2PixPipeline(**{**parts, "unet": eight}, **UNSAFE))
    with sdlab.trace(other) as traced:
        call(other, 1, prompt="a", negative_prompt="", image=PICTURE, num_images_per_prompt=1)
    assert "3 rows for 1 pictures" in traced.warnings[0]
    assert "is not guidance by one or two outputs" in traced.warnings[1]
    with pytest.raises(ValueError, match="Attention was not recorded"):
        traced.maps()


def test_unknown_batches_are_said(pipe):
    class StableDiffusionTwice(StableDiffusionPipeline):
        @property
        def do_classifier_free_guidance(self):
            return False

    pipe.__class__ = StableDiffusionTwice
    embeds = pipe.encode_prompt("a", "cpu", 1, False)[0]
    with pytest.raises(RuntimeError, match="size"), sdlab.trace(pipe) as traced:
        with traced_layout(pipe):
            pipe(prompt_embeds=embeds, num_images_per_prompt=4, num_inference_steps=1)
    assert "2 rows for 4 pictures" in traced.warnings[0]


def traced_layout(pipe):
    """Have the pipeline give its U-Net half of its rows, as a foreign one might."""
    from contextlib import contextmanager

    @contextmanager
    def cut():
        plain = pipe.unet.forward
        handle = pipe.unet.register_forward_pre_hook(
            lambda _, args, kwargs: ((args[0][:2], *args[1:]), kwargs), with_kwargs=True
        )
        try:
            yield plain
        finally:
            handle.remove()

    return cut()


def test_nothing_traced_yet(pipe):
    with sdlab.trace(pipe) as traced:
        pass
    with pytest.raises(ValueError, match="Nothing was traced"):
        _ = traced.steps
    with sdlab.trace(pipe) as traced:
        call(pipe)
    with pytest.raises(ValueError, match="image must be from 0 to 3, got 4"):
        traced.maps(4)
