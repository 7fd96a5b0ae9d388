"""Pictures of sdlab and of other programs, and manifests, become experiments again."""

import io
import json
from datetime import UTC, datetime

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import sdlab
from sdlab.explaining.reading import making_of
from sdlab.metadata.reading import read_parameters
from sdlab.passports.reading import read_passport
from sdlab.runs.manifest import manifest
from sdlab.runs.png import parameters, png_bytes
from tests.hostile.strategies import png as hollow

A1111 = """a (red:1.3) car on the beach, BREAK <lora:detail:0.8>
in two lines
Negative prompt: rain, [clouds]
and snow
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 1234567890123, \
Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, ENSD: 31337, \
Lora hashes: "detail: 7f5ac1e2", Version: v1.10.1"""
COMFYUI = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            **{"seed": 280823642470253, "steps": 20, "cfg": 8.0, "denoise": 1.0},
            **{"sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras"},
            **{"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
    "5": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 640, "height": 512, "batch_size": 1},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text", "clip": ["4", 1]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "out", "images": ["3", 0]}},
}
LINKS = [
    *([1, 4, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"]),
    *([4, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"]),
]
INVOKEAI = {
    "app_version": "4.2.9",
    "generation_mode": "txt2img",
    "positive_prompt": "a lighthouse++",
    "negative_prompt": "fog",
    "width": 512,
    "height": 512,
    "seed": 42,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "cfg_rescale_multiplier": 0.7,
    "steps": 30,
    "scheduler": "euler_a",
    "clip_skip": 0,
    "model": {"model_name": "stable-diffusion-v1-5", "base_model": "sd-1"},
}


def png(**texts):
    info, file = PngInfo(), io.BytesIO()
    for key, value in texts.items():
        info.add_text(key, value if isinstance(value, str) else json.dumps(value))
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def said(found, *words):
    return [note for note in found.notes if all(word in note for word in words)]


OURS = [
    {"solver": "heun", "curve": "karras", "curve_options": {"rho": 5.0}, "eta": None},
    {"solver": "ddim", "eta": 0.30000000000000004, "seed": 2**64 - 1},
    {"prompt": "  Negative prompt: x\n\nSteps: 3, Sampler: a, Seed: 1\n ", "negative_prompt": "\n"},
    {"prompt": "猫 {a|b} Ünïcödé", "solver_options": {"note": 'x, y: "z"\n'}},
    {"image": Image.new("RGB", (8, 8), "red"), "strength": 0.5, "pipeline_options": {"a": [1, 2]}},
    {"record": {"tensors": ["x_t"]}, "fast": True, "width": 64},
]


@pytest.mark.parametrize("changes", OURS)
def test_our_own_picture_and_manifest_give_the_whole_experiment(small, changes):
    asked = sdlab.Experiment(**{"prompt": "a cat", "model": "small", **changes})
    facts = manifest(small, asked, created=datetime.now(UTC))
    picture = png_bytes(Image.new("RGB", (8, 8)), facts)
    for data in (picture, json.dumps(facts).encode(), asked.to_json().encode()):
        found = read_parameters(data)
        assert found.experiment == asked and found.experiment.id == asked.id
        assert found.program == "sdlab" and not found.unknown
        assert bool(said(found, "upload it again")) == ("image" in changes)


def test_a_field_of_a_later_version_is_listed(small):
    facts = manifest(small, sdlab.Experiment(prompt="a cat"), created=datetime.now(UTC))
    facts["experiment"]["flavour"] = "sweet"
    found = read_parameters(json.dumps(facts).encode())
    assert found.unknown == {"flavour": "sweet"}
    assert found.experiment.prompt == "a cat"


def test_our_own_text_without_its_json(small):
    asked = sdlab.Experiment(
        prompt="a cat, a hat",
        solver="dpmpp_2m",
        curve="karras",
        curve_options={"rho": 5.0},
        width=64,
        height=128,
    )
    text = parameters(manifest(small, asked, created=datetime.now(UTC)))
    found = read_parameters(text.encode())
    assert found.program == "sdlab"
    assert found.experiment == asked
    assert set(found.unknown) == {"Model"}


def test_a1111(tmp_path):
    wanted = {
        "prompt": "a (red:1.3) car on the beach, BREAK <lora:detail:0.8>\nin two lines",
        "negative_prompt": "rain, [clouds]\nand snow",
        "num_steps": 28,
        "solver": "dpmpp_2m",
        "curve": "karras",
        "guidance_scale": 6.5,
        "seed": 1234567890123,
        "width": 512,
        "height": 768,
        "pipeline_options": (("clip_skip", 1),),
    }
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode("utf-16-be")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    for source in (png(parameters=A1111), A1111.encode(), tmp_path / "a.jpg"):
        found = read_parameters(source)
        assert found.program == "AUTOMATIC1111"
        assert found.fields == wanted
        assert found.unknown == {
            "Model": "v1-5-pruned-emaonly (6ce0161689)",
            "ENSD": "31337",
            "Lora hashes": "detail: 7f5ac1e2",
        }
        assert said(found, "(word:1.2)", "not parsed")
        assert said(found, "BREAK") and said(found, "<lora:...>")
        assert found.experiment.solver == "dpmpp_2m"


@pytest.mark.parametrize("drawing", [{"workflow": {"links": LINKS}}, {}])
def test_comfyui(drawing):
    found = read_parameters(png(prompt=COMFYUI, **drawing))
    assert found.program == "ComfyUI"
    assert found.fields == {
        "prompt": "a bottle",
        "negative_prompt": "text",
        "num_steps": 20,
        "guidance_scale": 8.0,
        "seed": 280823642470253,
        "solver": "dpmpp_2m_sde",
        "curve": "karras",
        "width": 640,
        "height": 512,
    }
    assert found.unknown["Model"] == "dream.safetensors"
    assert found.unknown["SaveImage.filename_prefix"] == "out"


def test_invokeai():
    found = read_parameters(png(invokeai_metadata=INVOKEAI))
    assert found.program == "InvokeAI"
    assert found.fields == {
        "prompt": "a lighthouse++",
        "negative_prompt": "fog",
        "num_steps": 30,
        "guidance_scale": 7.5,
        "guidance_rescale": 0.7,
        "seed": 42,
        "solver": "euler_ancestral",
        "curve": "linspace",
        "width": 512,
        "height": 512,
    }
    assert said(found, "word++", "not parsed")
    assert found.unknown["rand_device"] == "cpu"


@pytest.mark.parametrize(
    ("scheduler", "solver", "curve"),
    [("dpmpp_2m_k", "dpmpp_2m", "karras"), ("kdpm_2", "dpm_2", "linspace"), ("ddim", "ddim", None)],
)
def test_samplers_of_invokeai(scheduler, solver, curve):
    found = read_parameters(png(invokeai_metadata={**INVOKEAI, "scheduler": scheduler}))
    assert (found.fields["solver"], found.fields["curve"]) == (solver, curve)


def test_what_does_not_fit_is_listed_with_the_reason():
    text = A1111.replace("768", "770").replace("DPM++ 2M,", "DPM adaptive,").replace("28,", "0,")
    found = read_parameters(text.encode())
    assert {"Height", "Sampler", "Steps"} <= set(found.unknown)
    assert said(found, "Height: height must be a multiple of 8, got 770")
    assert said(found, "'DPM adaptive' has no counterpart")
    assert found.fields["width"] == 512 and "num_steps" not in found.fields


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello", "no line such as 'Steps: 20"),
        (b"{", "cannot be read as JSON"),
        (b'{"experiment": 3}', "no valid experiment"),
        (b'{"experiment": {"num_steps": "x"}}', "num_steps must be a whole number"),
        (b"\xff\xfe\x00\x01", "picture"),
        (png(), "says nothing of how it was made"),
        (png(sdlab="[1]"), "must be a JSON object"),
        (png(prompt="{", workflow="{"), "says nothing"),
        (png(prompt='{"1": 3}', workflow='{"links": 3}'), "says nothing"),
        (png(invokeai_metadata="[1]"), "text cannot be read: "),
        (png(prompt="a cat"), "says nothing"),
        (png(prompt="[]"), "says nothing"),
    ],
)
def test_what_cannot_be_read_is_said(data, message):
    with pytest.raises(ValueError, match=message):
        read_parameters(data)


@pytest.mark.parametrize("read", [read_parameters, read_passport, making_of])
def test_a_picture_without_its_pixels_is_refused_by_whoever_reads_its_texts(read):
    with pytest.raises(ValueError, match="text cannot be read: "):
        read(hollow(8, 8))
