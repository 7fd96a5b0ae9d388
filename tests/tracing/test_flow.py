"""``sdlab.trace`` around flow-matching pipelines, against what plain hooks and spies captured."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from diffusers import WanPipeline

import sdlab
from sdlab.columns import CHANNELS, STEPS
from tests.flow import FLUX_WORDS, flux, quiet, sd3, sd3_img2img
from tests.tracing.pipelines import PICTURE
from tests.zoo.pipelines import build

pytestmark = pytest.mark.slow

RECORD = sdlab.Record(tensors=("x_t", "x0_pred", "output_cond", "output_uncond"))


@contextmanager
def spying(pipe, network="transformer"):
    """Yield (outputs of the network, arguments of the scheduler's steps), kept by replacing."""
    outputs, steps = [], []
    module, scheduler = getattr(pipe, network), pipe.scheduler
    forward, step = module.forward, scheduler.step

    def own_forward(*args, **kwargs):
        out = forward(*args, **kwargs)
        outputs.append(out[0] if isinstance(out, tuple) else out.sample)
        return out

    def own_step(model_output, timestep, sample, *args, **kwargs):
        steps.append((model_output, float(timestep), sample, float(scheduler.sigmas[len(steps)])))
        return step(model_output, timestep, sample, *args, **kwargs)

    module.forward, scheduler.step = own_forward, own_step
    try:
        yield outputs, steps
    finally:
        del module.forward, scheduler.step


def draw(pipe, **fields):
    defaults = {"num_inference_steps": 3, "output_type": "latent", "height": 64, "width": 32}
    generator = torch.Generator().manual_seed(3)
    return pipe(**{**defaults, **fields}, generator=generator).images


def norms(x):
    return x.double().flatten(1).norm(dim=1).numpy()


def test_both_halves_of_stable_diffusion_3():
    pipe = sd3()
    fields = {"prompt": "a red car", "negative_prompt": "rain", "guidance_scale": 4.0}
    with spying(pipe) as (outputs, steps):
        plain = draw(pipe, **fields)
    with sdlab.trace(pipe, RECORD) as traced:
        assert torch.equal(draw(pipe, **fields), plain)
    assert traced.warnings == []
    assert torch.equal(traced.latents, plain)
    kept, table = traced.trace(), traced.steps
    assert torch.equal(kept.x_t, torch.cat([sample for _, _, sample, _ in steps]))
    assert torch.equal(kept.output_uncond, torch.cat([out[:1] for out in outputs]))
    assert torch.equal(kept.output_cond, torch.cat([out[1:] for out in outputs]))
    assert table["timestep"].tolist() == [t for _, t, _, _ in steps]
    for place, (given, _, x, t) in enumerate(steps):
        torch.testing.assert_close(kept.x0_pred[place], (x - t * given)[0], rtol=0, atol=1e-6)
    times = np.array([t for *_, t in steps])
    np.testing.assert_allclose(table["flow_time"], times, rtol=1e-7)
    assert table["sigma"][0] == np.inf and table["log_snr"][0] == -np.inf
    np.testing.assert_allclose(table["sigma"][1:], times[1:] / (1 - times[1:]), rtol=1e-6)
    np.testing.assert_allclose(table["eps_cond_norm"], norms(kept.output_cond), rtol=1e-6)
    apart = kept.output_cond.double() - kept.output_uncond.double()
    np.testing.assert_allclose(table["guidance_norm"], norms(apart), rtol=1e-4)
    assert table["guidance_norm"].gt(0).all() and table["cosine"].lt(1).all()  # at t = 1 too
    path = torch.cat([kept.x_t, plain]).double().diff(dim=0)
    np.testing.assert_allclose(table["displacement"], norms(path), rtol=1e-9)
    assert table["angle_deg"][1:].notna().all()


def test_columns_of_flow_matching():
    with sdlab.trace(pipe := sd3(), RECORD) as traced:
        draw(pipe, prompt="a car")
    names = [name for name in STEPS if name != "run"]
    names.insert(names.index("log_snr") + 1, "flow_time")
    assert list(traced.steps.columns) == ["image", *names]
    channels = traced.call.recorders[0].channels()
    assert list(channels.columns) == list(CHANNELS)
    assert len(channels) == 3 * 4


def test_a_batch_of_pictures_has_each_its_own_rows():
    pipe = sd3()
    fields = {"prompt": ["a red car", "a parrot"], "num_images_per_prompt": 2}
    with spying(pipe) as (outputs, _):
        plain = draw(pipe, **fields)
    with sdlab.trace(pipe, RECORD) as traced:
        assert torch.equal(draw(pipe, **fields), plain)
    for image in range(4):
        kept = traced.trace(image)
        assert torch.equal(kept.output_cond, torch.stack([out[4 + image] for out in outputs]))
        assert torch.equal(kept.output_uncond, torch.stack([out[image] for out in outputs]))


def test_a_picture_to_begin_with_begins_later():
    pipe = sd3_img2img()
    fields = {"prompt": "a car", "image": PICTURE.resize((64, 64)), "strength": 0.6}
    fields |= {"num_inference_steps": 5, "height": 64, "width": 64}
    with spying(pipe) as (_, steps):
        plain = draw(pipe, **fields)
    with sdlab.trace(pipe, RECORD) as traced:
        assert torch.equal(draw(pipe, **fields), plain)
    times = pipe.scheduler.sigmas[-4:-1].double().numpy()
    np.testing.assert_allclose(traced.steps["flow_time"], times, rtol=1e-7)
    assert traced.steps["step"].tolist() == [0, 1, 2] and len(steps) == 3
    assert np.isfinite(traced.steps["sigma"]).all()


def test_two_networks_one_after_the_other():
    """Wan 2.2 has one for high noise and one for low, each called for both halves."""
    pipe, fields = build("WanPipeline")
    torch.manual_seed(9)
    second = type(pipe.transformer).from_config(pipe.transformer.config).eval()
    parts = {**pipe.components, "transformer_2": second}
    pipe = quiet(WanPipeline(**parts, boundary_ratio=0.9))
    fields |= {"num_inference_steps": 4, "guidance_scale": 4.0}
    outputs = []
    hooks = [
        network.register_forward_hook(lambda *call: outputs.append((call[0], call[-1][0])))
        for network in (pipe.transformer, second)
    ]
    with sdlab.trace(pipe, RECORD) as traced:
        pipe(**fields, generator=torch.Generator().manual_seed(3))
    for hook in hooks:
        hook.remove()
    assert [network is second for network, _ in outputs] == [False] * 2 + [True] * 6
    assert traced.warnings == [] and traced.steps["samples"].tolist() == [2] * 4
    said = torch.cat([out[:, :, 0] for _, out in outputs])
    assert torch.equal(traced.trace().output_cond, said[::2])
    assert torch.equal(traced.trace().output_uncond, said[1::2])


def test_the_tokens_are_those_of_each_tokenizer():
    pipe = sd3()
    for fields, prompts in (
        ({"negative_prompt": "rain"}, {"prompt", "negative"}),
        ({"guidance_scale": 1.0}, {"prompt"}),
    ):
        with sdlab.trace(pipe, sdlab.Record(tensors=())) as traced:
            draw(pipe, prompt=["a red car", "a parrot"], **fields)
        tokens = traced.tokens
        assert set(tokens["prompt"]) == prompts
        assert set(tokens["tokenizer"]) == {"tokenizer", "tokenizer_2"}
        words = tokens.query("image == 1 and prompt == 'prompt' and kind == 'word'")
        assert words.groupby("tokenizer")["word"].agg(list).tolist() == [["a", "parrot"]] * 2


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (None, None)])
def test_packed_latents_are_unpacked_by_the_pipeline(size):
    pipe = flux()
    pipe.default_sample_size = 16
    height, width = size
    with spying(pipe) as (outputs, steps):
        plain = draw(pipe, **FLUX_WORDS, height=height, width=width)
    with sdlab.trace(pipe, RECORD) as traced:
        assert torch.equal(draw(pipe, **FLUX_WORDS, height=height, width=width), plain)
    assert traced.warnings == []
    side = 16 * pipe.vae_scale_factor
    unpack = lambda x: pipe._unpack_latents(x, height or side, width or side, pipe.vae_scale_factor)  # noqa: E731
    assert torch.equal(traced.latents, unpack(plain))
    kept = traced.trace()
    assert torch.equal(kept.x_t, torch.cat([unpack(sample) for _, _, sample, _ in steps]))
    assert torch.equal(kept.output_cond, torch.cat([unpack(out) for out in outputs]))
    assert kept.names() == ["output_cond", "x0_pred", "x_t"]  # guidance is an input: one half
    assert traced.steps["eps_cond_norm"].gt(0).all()
    assert traced.steps["eps_uncond_norm"].isna().all()


def test_two_calls_one_after_the_other():
    """Flux with true guidance asks for the prompt first, then for what is not wanted."""
    pipe = flux()
    fields = {f"negative_{name}": x.flip(-1) for name, x in FLUX_WORDS.items()}
    fields |= {**FLUX_WORDS, "true_cfg_scale": 3.0}
    with spying(pipe) as (outputs, steps):
        plain = draw(pipe, **fields)
    with sdlab.trace(pipe, RECORD) as traced:
        assert torch.equal(draw(pipe, **fields), plain)
    assert traced.warnings == [] and len(outputs) == 6 and len(steps) == 3
    unpack = lambda x: pipe._unpack_latents(x, 64, 32, pipe.vae_scale_factor)  # noqa: E731
    assert torch.equal(traced.trace().output_cond, torch.cat([unpack(x) for x in outputs[::2]]))
    assert torch.equal(traced.trace().output_uncond, torch.cat([unpack(x) for x in outputs[1::2]]))
    assert traced.steps["samples"].tolist() == [2, 2, 2]
