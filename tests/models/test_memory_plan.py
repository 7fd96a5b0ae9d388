"""The plan's estimates stand above real sizes' peaks, and its verdicts follow from its figures."""

import json

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FluxTransformer2DModel,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)

from sdlab.models.activations import TRANSFORMER_MAPS, UNET_MAPS, VAE_MAPS
from sdlab.models.footprint import footprint, weightless
from sdlab.models.memory import BASE_BYTES
from sdlab.models.memory_plan import memory_plan
from tests.models import real_configs as configs
from tests.models.live_bytes import peak

GIB = 2**30
FLUX_INDEX = {
    "_class_name": "FluxPipeline",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def made(cls, config):
    return weightless(cls, config).to(torch.bfloat16)


def empty(*shape):
    return torch.empty(*shape, device="meta", dtype=torch.bfloat16)


def sdxl(side):
    more = {"text_embeds": empty(2, 1280), "time_ids": empty(2, 6)}
    given = (empty(2, 4, side, side), empty(()), empty(2, 77, 2048))
    alive = peak(made(UNet2DConditionModel, configs.SDXL_UNET), *given, added_cond_kwargs=more)
    return alive, UNET_MAPS * 320 * side * side * 2 * 2


def sd3(side):
    alive = peak(
        made(SD3Transformer2DModel, configs.SD3_MEDIUM),
        hidden_states=empty(2, 16, side, side),
        timestep=empty(2),
        encoder_hidden_states=empty(2, 333, 4096),
        pooled_projections=empty(2, 2048),
    )
    return alive, TRANSFORMER_MAPS * (side * side // 4 + 333) * 1536 * 2 * 2


def flux(side):
    tokens = side * side // 4
    alive = peak(
        made(FluxTransformer2DModel, configs.FLUX),
        hidden_states=empty(1, tokens, 64),
        encoder_hidden_states=empty(1, 512, 4096),
        pooled_projections=empty(1, 768),
        timestep=empty(1),
        img_ids=empty(tokens, 3),
        txt_ids=empty(512, 3),
        guidance=empty(1),
    )
    return alive, TRANSFORMER_MAPS * (tokens + 512) * 3072 * 2


def pixart(side):
    alive = peak(
        made(PixArtTransformer2DModel, configs.PIXART),
        hidden_states=empty(2, 4, side, side),
        encoder_hidden_states=empty(2, 120, 4096),
        timestep=empty(2),
        added_cond_kwargs={"resolution": None, "aspect_ratio": None},
    )
    return alive, TRANSFORMER_MAPS * (side * side // 4 + 120) * 1152 * 2 * 2


def vae(side):
    decoder = made(AutoencoderKL, configs.VAE).decoder
    return peak(decoder, empty(1, 4, side, side)), VAE_MAPS * 128 * (side * 8) ** 2 * 2


@pytest.mark.parametrize(
    ("run", "side"),
    [
        (sdxl, 64),
        (pixart, 64),
        (vae, 128),
        *(
            pytest.param(run, side, marks=pytest.mark.every)
            for run, side in (
                *((run, 64) for run in (sd3, flux, vae)),
                *((run, 128) for run in (sdxl, sd3, flux, pixart)),
            )
        ),
    ],
)
def test_estimates_stand_above_what_is_alive_at_real_sizes(run, side):
    alive, estimated = run(side)
    assert alive <= estimated <= 4 * alive


@pytest.fixture(scope="module")
def flux_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flux")
    parts = {
        "text_encoder": configs.CLIP_L,
        "text_encoder_2": configs.T5_XXL,
        "transformer": configs.FLUX,
        "vae": configs.FLUX_VAE,
    }
    for name, config in parts.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    (folder / "scheduler").mkdir()
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    (folder / "model_index.json").write_text(json.dumps(FLUX_INDEX))
    return folder


@pytest.fixture(scope="module")
def flux_found(flux_folder):
    return footprint(flux_folder, torch.bfloat16)


@pytest.mark.parametrize(
    ("free", "way"),
    [
        (80, "as it is"),
        (41, "VAE in tiles"),
        (30, "model CPU offload"),
        (8, "sequential CPU offload"),
    ],
)
def test_the_quickest_way_that_fits_is_named(flux_found, free, way):
    plan = memory_plan(flux_found, 2048 if free == 41 else None, free=free * GIB)
    assert plan.best.name == way and plan.verdict.startswith(f"Fits {way}: ")
    assert ("in the machine's own memory" in plan.verdict) == ("offload" in way)
    assert [made.name for made in plan.ways if made.fits][0] == way


def test_flux_by_its_parts(flux_found):
    plan = memory_plan(flux_found, free=80 * GIB)
    table = plan.parts_table().set_index("part")
    assert table.loc["text_encoder_2", "bytes"] == 2 * 4_762_310_656  # 9.5 GB
    assert table.loc["transformer", "bytes"] == 2 * 11_901_408_320
    assert table.loc["all", "bytes"] == flux_found.bytes == table["bytes"][:-1].sum()
    assert (plan.width, plan.height, plan.samples) == (1024, 1024, 1)
    tokens = 64 * 64 + 512 + 77
    assert table.loc["transformer", "activations"] == TRANSFORMER_MAPS * tokens * 3072 * 2
    needs = {way.name: way.bytes - BASE_BYTES for way in plan.ways}
    assert needs["as it is"] == flux_found.bytes + table["activations"][:-1].max()
    assert needs["model CPU offload"] < 25.5e9 < 33e9 < needs["as it is"]
    assert plan.ways_table()["way"].tolist() == list(needs)


def test_a_device_that_is_too_small_is_told_what_it_would_take(flux_found):
    plan = memory_plan(flux_found, free=GIB)
    assert plan.best is None
    assert plan.verdict.startswith("Does not fit: sequential CPU offload, the least, takes ")
    unknown = memory_plan(flux_found)
    assert unknown.best is None and {way.fits for way in unknown.ways} == {None}
    assert "31.4 GiB of weights. On a device it takes" in unknown.verdict


def test_on_the_cpu_nothing_can_wait_elsewhere(flux_found):
    plan = memory_plan(flux_found, free=GIB, offload=False)
    assert [way.name for way in plan.ways] == ["as it is", "VAE in tiles"]


def test_tiles_save_only_above_the_vaes_own_size(flux_found):
    own, large = (memory_plan(flux_found, side, side) for side in (1024, 2048))
    assert own.ways[0].bytes == own.ways[1].bytes
    assert large.ways[0].bytes > large.ways[1].bytes


def test_the_embedded_model_fits(embedded):
    plan = memory_plan(footprint(embedded), free=GIB)
    assert (plan.width, plan.height) == embedded.default_size and plan.best.name == "as it is"
