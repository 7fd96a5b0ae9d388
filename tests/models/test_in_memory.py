"""Pipelines in memory with something done to them: run as by their own call, or refused."""

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor

import sdlab
from sdlab import load
from sdlab.errors import ModelError
from sdlab.models.model import Model
from sdlab.models.waiting_weights import offload_of
from tests.conftest import learning, make_pipeline
from tests.tracing import pipelines

pytestmark = pytest.mark.slow

SIZE = {"height": 64, "width": 64}


def ip_adapter(pipe):
    own, place = {}, 1
    for name in pipe.unet.attn_processors:
        if "attn2" in name:
            width = pipe.unet.get_submodule(name.removesuffix(".processor")).inner_dim
            own[f"{place}.to_k_ip.weight"] = own[f"{place}.to_v_ip.weight"] = torch.ones(width, 32)
            place += 2
    projection = {
        "proj.weight": torch.ones(128, 16),
        "proj.bias": torch.ones(128),
        "norm.weight": torch.ones(32),
        "norm.bias": torch.ones(32),
    }
    pipe.unet._load_ip_adapter_weights([{"image_proj": projection, "ip_adapter": own}])


def unet(pipe, **changes):
    kept = {name: value for name, value in pipe.unet.config.items() if name[0] != "_"}
    torch.manual_seed(1)
    pipe.unet = UNet2DConditionModel.from_config({**kept, **changes}).eval()


def textual_inversion(pipe):
    learning(pipe).load_textual_inversion(torch.ones(3, 32), token="<cat>")


def custom_processors(pipe):
    pipe.unet.set_attn_processor(
        CustomDiffusionAttnProcessor(hidden_size=16, cross_attention_dim=32)
    )


def group_offload(pipe):
    here = torch.device("cpu")
    pipe.unet.enable_group_offload(here, here, offload_type="leaf_level")


def patched(pipe):
    plain = pipe.unet.forward
    pipe.unet.forward = lambda *args, **kwargs: plain(*args, **kwargs)


REFUSED = {
    "no text encoder": (lambda p: setattr(p, "text_encoder", None), "has no text_encoder; runs"),
    "no vae": (lambda p: setattr(p, "vae", None), "has no vae"),
    "no unet": (lambda p: setattr(p, "unet", None), "has no unet"),
    "IP-Adapter": (ip_adapter, r"IP-Adapter is loaded.*pipe\.unload_ip_adapter\(\)"),
    "meta": (lambda p: p.text_encoder.to("meta"), "text_encoder is on the meta device"),
    "text in half": (
        lambda p: p.text_encoder.to(torch.bfloat16),
        "unet: float32, text_encoder: bfloat16.*pass dtype=",
    ),
    "flow matching": (
        lambda p: setattr(p, "scheduler", FlowMatchEulerDiscreteScheduler()),
        "FlowMatchEulerDiscreteScheduler has no alphas_cumprod",
    ),
    "class labels": (lambda p: unet(p, num_class_embeds=4), "its U-Net fails.*class_labels"),
    "channels": (lambda p: unet(p, out_channels=8), "its U-Net fails.*gives .1, 8, 8, 8"),
    "other text": (lambda p: unet(p, cross_attention_dim=64), "its U-Net fails.*shapes cannot"),
    "processors": (custom_processors, "its U-Net fails on a small input"),
    "VAE": (lambda p: p.vae.decoder.conv_in.double(), "its VAE fails on a small input"),
}
RUN = {
    "plain": lambda p: None,
    "textual inversion": textual_inversion,
    "fused": lambda p: p.fuse_qkv_projections(),
    "FreeU": lambda p: p.enable_freeu(0.9, 0.2, 1.2, 1.4),
    "sliced": lambda p: p.enable_attention_slicing(),
    "patched": patched,
    "distilled": lambda p: unet(p, time_cond_proj_dim=32),
    "training": lambda p: p.unet.train(),
    "model offload": lambda p: p.enable_model_cpu_offload(device="cpu"),
    "group offload": group_offload,
    "layerwise casting": lambda p: p.unet.enable_layerwise_casting(
        storage_dtype=torch.bfloat16, compute_dtype=torch.float32
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_run_is_refused_at_load(what):
    pipe = make_pipeline()
    change, message = REFUSED[what]
    change(pipe)
    with pytest.raises(ModelError, match=message):
        sdlab.load(pipe)


def call(pipe):
    return pipe(
        "a <cat> and a car", num_inference_steps=2, output_type="latent", **SIZE,
        generator=torch.Generator().manual_seed(3),
    ).images  # fmt: skip


def run(model):
    spec = sdlab.Experiment(
        prompt="a <cat> and a car", solver="DDIMScheduler", num_steps=2, seed=3, model=model.name,
        guidance_scale=7.5, **SIZE,
    )  # fmt: skip
    return sdlab.run(model, spec).latents


@pytest.mark.parametrize("what", RUN)
def test_what_is_taken_runs_bit_for_bit_as_its_own_call(what):
    pipe = make_pipeline()
    RUN[what](pipe)
    plain = call(pipe)
    assert torch.equal(run(sdlab.load(pipe)), plain)


OFFLOADS = {
    "model": lambda p: p.enable_model_cpu_offload(device="cpu"),
    "sequential": lambda p: p.enable_sequential_cpu_offload(device="cpu"),
    "group": group_offload,
}


def xl():
    return pipelines.xl()[0]


@pytest.mark.parametrize(
    ("make", "way"),
    [
        (xl, "model"),
        (make_pipeline, "group"),
        pytest.param(make_pipeline, "model", marks=pytest.mark.every),
        pytest.param(xl, "group", marks=pytest.mark.every),
    ],
)
def test_an_offloaded_model_draws_the_same(way, make):
    whole, pipe = load(make()), make()
    OFFLOADS[way](pipe)
    model = load(pipe)
    assert (model.device.type, model.dtype) == ("cpu", torch.float32)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    assert model.decode(latents).tobytes() == whole.decode(latents).tobytes()
    assert np.array_equal(model.preview.weight, whole.preview.weight)
    assert torch.equal(run(model), run(whole))


@pytest.mark.parametrize(
    ("make", "way"),
    [
        *((make_pipeline, way) for way in OFFLOADS),
        *(pytest.param(xl, way, marks=pytest.mark.every) for way in OFFLOADS),
    ],
)
def test_an_offloaded_model_is_the_same_model(way, make):
    """Its weights are counted and hashed where they wait, also if the modules hold none."""
    whole, pipe = Model(make(), "whole"), make()
    OFFLOADS[way](pipe)
    model = Model(pipe, "offloaded")
    assert any(weight.is_meta for weight in pipe.unet.parameters()) == (way == "sequential")
    assert offload_of(pipe) == way and offload_of(whole.pipeline) is None
    assert (model.hash, model.memory_bytes) == (whole.hash, whole.memory_bytes)


def test_the_fix_that_is_named_for_formats_works():
    pipe = make_pipeline()
    plain = call(pipe)
    pipe.text_encoder.to(torch.float64)
    assert torch.equal(run(sdlab.load(pipe, dtype="float32")), plain)


def test_a_solver_of_ours_and_an_img2img_pipeline_are_taken():
    pipe = make_pipeline()
    pipe.scheduler = sdlab.as_diffusers_scheduler("heun")
    other = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    assert torch.equal(run(sdlab.load(other)), run(sdlab.load(pipe)))
