"""Sizes from configs are those of the loaded weights, and of models whose size is well known."""

import json

import diffusers
import pytest
import torch
import transformers
from diffusers import DiffusionPipeline

import sdlab
from sdlab.errors import ModelError
from sdlab.models.footprint import footprint, weightless
from sdlab.models.quiet import quiet
from tests.models import real_configs as configs
from tests.zoo import pipelines as zoo

KNOWN = {
    "UNet2DConditionModel": (configs.SDXL_UNET, 2_567_463_684),
    "SD3Transformer2DModel": (configs.SD3_MEDIUM, 2.028e9),
    "FluxTransformer2DModel": (configs.FLUX, 11_901_408_320),
    "PixArtTransformer2DModel": (configs.PIXART, 0.611e9),
    "AutoencoderKL": (configs.VAE, 83_653_863),
    "T5EncoderModel": (configs.T5_XXL, 4_762_310_656),
    "CLIPTextModel": (configs.CLIP_L, 123_060_480),
    "CLIPTextModelWithProjection": (configs.CLIP_BIG_G, 694_659_840),
}
SAVED = {
    "StableDiffusionPipeline": torch.bfloat16,
    "StableDiffusionXLPipeline": torch.float16,
    "PixArtSigmaPipeline": torch.float32,
    "QwenImagePipeline": torch.bfloat16,
    "WanPipeline": torch.float16,
    "Lumina2Pipeline": torch.float32,
}
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_of_well_known_models(name):
    config, expected = KNOWN[name]
    cls = getattr(diffusers, name, None) or getattr(transformers, name)
    module = weightless(cls, config)
    count = sum(p.numel() for p in module.parameters())
    assert count == pytest.approx(expected, rel=1e-3 if isinstance(expected, float) else 0)
    assert {p.device.type for p in module.parameters()} == {"meta"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    def save(name):
        folder = tmp_path_factory.getbasetemp() / name
        if not folder.is_dir():
            with quiet():
                zoo.build(name)[0].save_pretrained(folder)
        return folder

    return save


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *SAVED.items(),
        *(
            pytest.param(name, dtype, marks=pytest.mark.every)
            for name in SAVED
            for dtype in DTYPES
            if dtype != SAVED[name]
        ),
    ],
)
def test_bytes_are_exactly_those_of_the_loaded_pipeline(name, dtype, saved):
    folder = saved(name)
    found = footprint(folder, dtype)
    with quiet():
        loaded = DiffusionPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    modules = {n: m for n, m in loaded.components.items() if isinstance(m, torch.nn.Module)}
    expected = {
        name: (
            sum(p.numel() for p in module.parameters()),
            sum(p.numel() * p.element_size() for p in module.parameters()),
        )
        for name, module in modules.items()
    }
    assert {part.name: (part.parameters, part.bytes) for part in found.parts} == expected
    assert found.bytes == sum(size for _, size in expected.values())
    assert all(0 < part.largest <= part.bytes for part in found.parts)
    of_memory = footprint(loaded)
    assert {part.name: part.bytes for part in of_memory.parts} == {
        name: size for name, (_, size) in expected.items()
    }


def test_a_loaded_model_can_be_asked(embedded):
    found = footprint(embedded)
    assert found.bytes == embedded.memory_bytes and found.dtype == torch.float32


def test_what_is_stored_quantized_is_said(saved, tmp_path):
    folder = saved("StableDiffusionPipeline")
    place = tmp_path / "copy"
    place.mkdir()
    for path in folder.glob("**/*.json"):
        (place / path.relative_to(folder)).parent.mkdir(exist_ok=True, parents=True)
        (place / path.relative_to(folder)).write_bytes(path.read_bytes())
    path = place / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": {"a": 1}}))
    assert [part.name for part in footprint(place).parts if part.quantized] == ["unet"]


def test_a_config_that_builds_nothing_is_refused(saved, tmp_path):
    with pytest.raises(ModelError, match="AutoencoderKL cannot be built from its config"):
        weightless(diffusers.AutoencoderKL, {"block_out_channels": "no"})
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(ModelError, match="holds no config"):
        footprint(tmp_path)
    (tmp_path / "model_index.json").unlink()
    with pytest.raises(ModelError, match=r"model_index\.json cannot be read"):
        footprint(tmp_path)


def test_a_name_that_is_neither_folder_nor_on_the_hub_is_refused(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(sdlab.ModelError, match="is no pipeline folder, and its configs cannot"):
        footprint("nobody/nothing")
