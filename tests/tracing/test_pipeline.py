"""``sdlab.trace`` around every kind of pipeline: the right maps, and nothing changed."""

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

import sdlab
from sdlab.columns import ATTENTION, STEPS
from tests.attention.reference import check, hook_count, listening, materialised
from tests.tracing.calls import EVERYTHING, call
from tests.tracing.pipelines import (
    PIPELINES,
    controlnet,
    inpaint_nine,
    text2img,
    xl,
    xl_controlnet,
    xl_img2img,
)
from tests.zoo.chosen import cases

pytestmark = pytest.mark.slow


# The others have a block, a picture or a tokenizer more or less than these.
OFTEN = {text2img, inpaint_nine, controlnet, xl_img2img, xl_controlnet}


@pytest.mark.parametrize("make", cases(PIPELINES, OFTEN), ids=lambda make: make.__name__)
def test_every_pipeline(make):
    pipe, fields = make()
    plain, hooks, cls = call(pipe, **fields), hook_count(pipe.unet), type(pipe)
    with listening(pipe.unet) as calls, sdlab.trace(pipe, EVERYTHING) as traced:
        assert torch.equal(call(pipe, **fields), plain)
    assert torch.equal(traced.latents, plain)
    assert (hook_count(pipe.unet), type(pipe)) == (hooks, cls)
    reference = materialised(pipe.unet, *calls)
    for image in range(4):
        check(traced.maps(image), reference, {"cond": 4 + image, "uncond": image})
        x_t = torch.cat([args[0][4 + image, :4][None] for args, _ in calls])
        assert torch.equal(traced.trace(image).x_t, x_t)
    assert traced.maps(1).words == ["a", "red", "car"]
    assert traced.maps(2).words == ["a", "parrot", "on", "a", "beach"]
    assert traced.heatmap("parrot", image=3).shape == (16, 16)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_without_guidance_there_is_one_half(pipe, scale):
    with listening(pipe.unet) as calls, sdlab.trace(pipe, EVERYTHING) as traced:
        call(pipe, guidance_scale=scale, negative_prompt=None)
    reference = materialised(pipe.unet, *calls)
    for image in range(4):
        assert traced.maps(image).halves == ["cond"]
        check(traced.maps(image), reference, {"cond": image})
    assert traced.steps["guidance_norm"].isna().all()


def test_other_sizes_solvers_and_slicing(pipe):
    pipe.scheduler = HeunDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.enable_attention_slicing()
    fields = {"width": 192, "height": 72, "num_inference_steps": 3}
    plain = call(pipe, **fields)
    with listening(pipe.unet) as calls, sdlab.trace(pipe, EVERYTHING) as traced:
        assert torch.equal(call(pipe, **fields), plain)
    facts = traced.maps(1).facts
    assert facts.steps == (0, 0, 1, 1, 2)
    assert facts.sigmas == tuple(traced.steps.query("image == 1")["sigma"])
    assert traced.maps(1).resolutions == ["24x9", "12x5"]
    check(traced.maps(1), materialised(pipe.unet, *calls), {"cond": 5, "uncond": 1})


def test_fused_projections_have_their_own_path(pipe):
    with listening(pipe.unet) as calls:
        call(pipe)
    reference = materialised(pipe.unet, *calls)
    pipe.unet.fuse_qkv_projections()
    plain = call(pipe)
    with sdlab.trace(pipe, EVERYTHING) as traced:
        assert torch.equal(call(pipe), plain)
    check(traced.maps(2), reference, {"cond": 6, "uncond": 2})


@pytest.mark.gpu
def test_xformers(pipe):
    pytest.importorskip(
        "xformers", reason="not installed; runs where xformers and CUDA are (pip install xformers)"
    )
    if not torch.cuda.is_available():
        pytest.skip("xformers computes on CUDA only; runs where both are")
    pipe.to("cuda").enable_xformers_memory_efficient_attention()
    names = {type(processor).__name__ for processor in pipe.unet.attn_processors.values()}
    assert names == {"XFormersAttnProcessor"}
    plain = call(pipe)
    with listening(pipe.unet) as calls, sdlab.trace(pipe, EVERYTHING) as traced:
        assert torch.equal(call(pipe), plain)
    reference = {
        name: [p.cpu() for p in kept] for name, kept in materialised(pipe.unet, *calls).items()
    }
    check(traced.maps(2), reference, {"cond": 6, "uncond": 2})


def test_steps_are_those_of_the_engine(pipe):
    record = sdlab.Record(tensors=())
    with sdlab.trace(pipe, record) as traced:
        call(pipe, seeds=1, prompt="a red car", negative_prompt="rain", num_images_per_prompt=1,
             guidance_scale=3.0)  # fmt: skip
    spec = sdlab.Experiment(
        prompt="a red car",
        negative_prompt="rain",
        solver="DDIMScheduler",
        num_steps=2,
        guidance_scale=3.0,
        model="small",
        record=record,
    )
    steps = sdlab.run(sdlab.load(pipe), spec).steps
    assert list(traced.steps.columns) == ["image", *(name for name in STEPS if name != "run")]
    for name in traced.steps.columns.drop(["image", "ms"]):
        np.testing.assert_allclose(traced.steps[name], steps[name], rtol=1e-12, err_msg=name)


def test_tables_have_every_picture(pipe):
    with sdlab.trace(pipe) as traced:
        call(pipe)
    table = traced.attention
    assert list(table.columns) == ["image", *(name for name in ATTENTION if name != "run")]
    tokens = {0: 5, 1: 5, 2: 7, 3: 7}
    assert table.groupby("image").size().to_dict() == {i: n * 2 * 4 for i, n in tokens.items()}
    assert traced.tokens.query("image == 3 and kind == 'word'")["word"].tolist()[1] == "parrot"


def test_each_call_is_kept(pipe):
    with sdlab.trace(pipe) as traced:
        first = call(pipe)
        pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
        second = call(pipe, width=64, height=64)
    assert [torch.equal(c.latents, x) for c, x in zip(traced.calls, (first, second), strict=True)]
    assert torch.equal(traced.latents, second)
    assert traced.maps().resolutions == ["8x8", "4x4"]


def test_embeddings_instead_of_words(pipe):
    cond, uncond = pipe.encode_prompt("a red car", "cpu", 1, True)
    with sdlab.trace(pipe) as traced:
        call(pipe, 2, prompt=None, negative_prompt=None, prompt_embeds=cond,
             negative_prompt_embeds=uncond)  # fmt: skip
    assert traced.maps().maps("mid_block.attentions.0.transformer_blocks.0.attn2").shape[2] == 77
    with sdlab.trace(pipe) as said:
        call(pipe, 2, prompt="a red car", negative_prompt="")
    assert torch.equal(traced.latents, said.latents)
    for image in range(2):
        np.testing.assert_array_equal(traced.heatmap(3, image), said.heatmap("car", image))
    with pytest.raises(ValueError, match="only their embeddings were given"):
        traced.heatmap("car")


def test_the_caller_s_callback_is_called(pipe):
    def halve(_, step, timestep, tensors):
        assert set(tensors) == {"prompt_embeds", "latents"}
        return {"latents": tensors["latents"] / 2}

    asked = {
        "callback_on_step_end": halve,
        "callback_on_step_end_tensor_inputs": ["prompt_embeds", "latents"],
    }
    plain = call(pipe, **asked)
    with sdlab.trace(pipe) as traced:
        assert torch.equal(call(pipe, **asked), plain)
    assert torch.equal(traced.latents, plain)


def switched(at, scale, make=lambda embeds, first: embeds.chunk(2)[-1]):
    """A caller's callback that changes guidance after step ``at``."""
    first = []

    def change(pipe, step, timestep, tensors):
        first.append(tensors["prompt_embeds"])
        if step == at:
            pipe._guidance_scale = scale
            tensors["prompt_embeds"] = make(tensors["prompt_embeds"], first[0])
        return tensors

    return {
        "callback_on_step_end": change,
        "callback_on_step_end_tensor_inputs": ["prompt_embeds"],
        "num_inference_steps": 4,
    }


def test_a_callback_may_switch_guidance_off_in_mid_call(pipe):
    off = switched(1, 0.0)
    plain = call(pipe, **off)
    record = sdlab.Record(
        tensors=("x_t", "output_uncond"),
        attention=sdlab.AttentionRecord(halves="both", dtype="float32"),
    )
    with listening(pipe.unet) as calls, sdlab.trace(pipe, record) as traced:
        assert torch.equal(call(pipe, **switched(1, 0.0)), plain)
    assert [len(args[0]) for args, _ in calls] == [8, 8, 4, 4]
    reference = materialised(pipe.unet, *calls)
    for image in range(4):
        maps = traced.maps(image)
        assert maps.facts.unguided == (2, 3)
        for layer in maps.cross_layers:
            for place, row in enumerate((4 + image, 4 + image, image, image)):
                own = maps.maps(layer)[place].double().flatten(2)
                expected = reference[layer.name][place][row].mean(0, keepdim=True).mT
                expected = expected[:, : own.shape[1]]
                torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
        word = maps.words[1]
        assert np.isfinite(maps.heatmap("rain" if image < 2 else "snow", half="uncond")).all()
        assert np.isfinite(maps.heatmap(word)).all()
        table = maps.table
        assert sorted(table.query("half == 'uncond'")["evaluation"].unique()) == [0, 1]
        assert sorted(table.query("half == 'cond'")["evaluation"].unique()) == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="No attention was kept of step None, evaluation 3"):
            maps.heatmap(2, half="uncond", evaluation=3)
        kept = traced.trace(image)
        assert torch.equal(kept.x_t, torch.cat([a[0][len(a[0]) - 4 + image, :4][None]
                                                for a, _ in calls]))  # fmt: skip
        assert kept.output_uncond[:2].isfinite().all() and kept.output_uncond[2:].isnan().all()
        steps = traced.steps.query("image == @image")
        assert steps["guidance_norm"].notna().tolist() == [True, True, False, False]


def test_a_callback_may_switch_guidance_on_in_mid_call(pipe):
    def both(embeds, first):
        return torch.cat([first[:4] * 0, first[:4]])

    plain = call(pipe, guidance_scale=1.0, **switched(1, 5.0, both))
    record = sdlab.Record((), attention=sdlab.AttentionRecord(halves="both"))
    with sdlab.trace(pipe, record) as traced:
        assert torch.equal(call(pipe, guidance_scale=1.0, **switched(1, 5.0, both)), plain)
    assert traced.maps(1).facts.unguided == (0, 1)
    assert traced.steps["guidance_norm"].isna().sum() == 8


def test_a_callback_may_change_the_scale(pipe):
    def change(pipe, step, timestep, tensors):
        pipe._guidance_scale = 2.0
        return tensors

    with sdlab.trace(pipe, sdlab.Record(tensors=("x0_pred",))) as traced:
        call(pipe, seeds=1, prompt="a red car", negative_prompt="", num_images_per_prompt=1,
             callback_on_step_end=change, num_inference_steps=2)  # fmt: skip
    scheduler = pipe.scheduler
    x0 = traced.trace(0).x0_pred
    with listening(pipe.unet) as calls:
        call(pipe, seeds=1, prompt="a red car", negative_prompt="", num_images_per_prompt=1,
             callback_on_step_end=change, num_inference_steps=2)  # fmt: skip
    args, kwargs = calls[1]
    with torch.no_grad():
        uncond, cond = pipe.unet(*args, **{**kwargs, "return_dict": False})[0].chunk(2)
    alpha = scheduler.alphas_cumprod[int(args[1])]
    eps = uncond + 2.0 * (cond - uncond)
    expected = (args[0][:1] - (1 - alpha).sqrt() * eps) / alpha.sqrt()
    torch.testing.assert_close(x0[1], expected[0], rtol=1e-4, atol=1e-4)


def test_a_second_prompt_for_the_second_encoder():
    pipe, fields = xl()
    texts = {
        "prompt": ["a red car", "a parrot"],
        "prompt_2": ["a blue bicycle on a long beach", "a parrot"],
        "negative_prompt": ["rain", "rain"],
        "negative_prompt_2": "snow, ice",
    }
    plain = call(pipe, **texts, **fields)
    record = sdlab.Record((), attention=sdlab.AttentionRecord(halves="both", dtype="float32"))
    with listening(pipe.unet) as calls, sdlab.trace(pipe, record) as traced:
        assert torch.equal(call(pipe, **texts, **fields), plain)
    maps = traced.maps(0)
    assert maps.kept_tokens() == 9  # as many as the longer of the two
    reference = materialised(pipe.unet, *calls)
    layer = maps.cross_layers[0]
    expected = reference[layer.name][0][4].mean(0).mT[:9]
    own = maps.maps(layer)[0, 0].flatten(1).double()
    torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
    assert maps.positions("car") == [3] and maps.positions("bicycle") == [3]
    assert maps.positions("beach") == [7] and maps.positions("ice", half="uncond") == [3]
    with pytest.raises(ValueError, match="no word 'boat'"):
        maps.positions("boat")
    tokens = traced.tokens.query("image == 0 and kind == 'word'")
    assert tokens.groupby("prompt", sort=False)["word"].agg(list).to_dict() == {
        "prompt": ["a", "red", "car"],
        "prompt_2": ["a", "blue", "bicycle", "on", "a", "long", "beach"],
        "negative": ["rain"],
        "negative_2": ["snow", ",", "ice"],
    }
