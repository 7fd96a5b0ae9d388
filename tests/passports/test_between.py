"""Passports compared, translated to another engine, exported and read."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdlab.passports.comparing import compare, equal_setting
from sdlab.passports.export import FORMATS, comfyui_text, diffusers_snippet, k_diffusion_list
from sdlab.passports.passport import passport
from sdlab.passports.reading import model_named, read_passport

COMFY = passport("comfyui", "sd15", "karras", 20)
EULER = passport("diffusers", "sd15", "EulerDiscreteScheduler", 20, use_karras_sigmas=True)


def test_where_two_part_and_what_it_does_to_the_start():
    found = compare(COMFY, EULER)
    assert not found.same and found.first == 0 and found.distance == pytest.approx(0.294, abs=1e-3)
    assert found.start == pytest.approx(EULER.noise_scale / COMFY.noise_scale)
    assert "They part at the start: 14.61 against 11.03." in found.sentence
    assert "scales the start noise by 14.65, diffusers by 11.07, 24.4% less." in found.sentence
    assert "In diffusers that is 0.4% more noise than its first sigma, 11.03." in found.sentence


def test_the_same_levels_are_the_same_and_a_step_more_is_not():
    webui = passport("a1111", "sd15", "karras", 20)
    assert compare(COMFY, webui).same and compare(COMFY, COMFY).start == 1
    longer = compare(COMFY, passport("comfyui", "sd15", "karras", 21))
    assert not longer.same and "runs 20 steps" in longer.sentence and longer.distance < 0.3
    later = compare(passport("comfyui", "sd15", "karras", 20, sampler="dpm_2"), COMFY)
    assert later.first == 1 and "calls the network 39 times, karras, 20 steps 20" in later.sentence


def test_sigmas_and_flow_times_have_no_common_axis():
    with pytest.raises(ValueError, match="no common axis"):
        compare(COMFY, passport("comfyui", "sd3", "karras", 20))


def test_infinite_noise_is_apart_from_any_other():
    infinite = passport("diffusers", "zero-snr", "DDIMScheduler", 4)
    clamped = passport("diffusers", "zero-snr", "EulerDiscreteScheduler", 4)
    assert compare(infinite, clamped).distance == 1 and compare(infinite, infinite).same


@pytest.mark.parametrize(
    ("given", "engine", "setting"),
    [
        (COMFY, "a1111", "karras, 20 steps"),
        (COMFY, "k-diffusion", "get_sigmas_karras, 20 steps"),
        (COMFY, "invokeai", "dpmpp_2m_k, 20 steps"),
        (passport("a1111", "sd15", "ddim", 20), "comfyui", "ddim_uniform, 20 steps"),
        (
            passport("comfyui", "sd15", "normal", 20, 0.5),
            "a1111",
            "uniform, 20 steps, denoise 0.5, img2img_fix_steps=True",
        ),
        (
            passport("comfyui", "sd15", "normal", 20, 0.5),
            "diffusers",
            "EulerDiscreteScheduler, 40 steps, denoise 0.5, timestep_spacing=linspace",
        ),
        (
            passport("diffusers", "flux-dev", None, 10, width=512, height=512),
            "comfyui",
            "simple, 10 steps, width=512, height=512",
        ),
    ],
)
def test_the_setting_that_equals(given, engine, setting):
    found = equal_setting(given, engine)
    assert found.comparison.same and found.passport.setting == setting
    assert found.sentence.endswith(f"runs the same levels with {setting}.")


def test_no_setting_equals_and_the_nearest_is_named():
    found = equal_setting(passport("comfyui", "sd15", "beta", 20), "a1111")
    assert not found.comparison.same and 0 < found.comparison.distance < 1
    assert found.sentence.startswith("AUTOMATIC1111 has no setting that equals it; the nearest is")
    with pytest.raises(ValueError, match="does not run Flux"):
        equal_setting(passport("comfyui", "flux-dev", "beta", 20), "a1111")
    with pytest.raises(ValueError, match="has no setting that runs 20 steps"):
        equal_setting(passport("comfyui", "sd15", "beta", 20, 0.5), "k-diffusion")


@pytest.mark.parametrize(
    "given",
    [
        EULER,
        passport("a1111", "sd15", "kl_optimal", 9),
        passport("diffusers", "qwen-image", None, 8),
        passport("comfyui", "sd3", "beta", 9),
    ],
    ids=lambda one: one.title,
)
def test_diffusers_runs_the_snippet(given):
    names = {}
    exec(diffusers_snippet(given), names)
    np.testing.assert_allclose(names["scheduler"].sigmas.numpy(), given.sigmas, rtol=1e-6)
    assert len(names["scheduler"].timesteps) == given.steps


def test_texts_hold_the_same_numbers():
    text = comfyui_text(COMFY)
    np.testing.assert_allclose([float(n) for n in text.split(", ")], COMFY.sigmas, rtol=1e-8)
    names = {}
    exec(k_diffusion_list(COMFY), names)
    np.testing.assert_allclose(names["sigmas"].numpy(), COMFY.sigmas, rtol=1e-6)
    assert set(FORMATS) == {"comfyui", "diffusers", "k-diffusion"}
    with pytest.raises(ValueError, match="take no sigmas from outside"):
        diffusers_snippet(passport("comfyui", "playground-v2.5", "karras", 4))


GRAPH = {
    "1": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "sd_xl_base.safetensors"},
    },
    "2": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "steps": 12,
            "cfg": 7,
            "sampler_name": "dpm_2",
            "scheduler": "exponential",
            "denoise": 0.6,
        },
    },
}
DRAWN = {
    "nodes": [
        {"type": "UNETLoader", "widgets_values": ["flux1-dev.safetensors", "default"]},
        {"type": "BasicScheduler", "widgets_values": ["beta", 9, 1.0]},
        {"type": "KSamplerSelect", "widgets_values": ["heun"]},
        {"type": "KSampler", "widgets_values": [1, "fixed", 5], "mode": 4},
        {"type": "Note", "widgets_values": ["text"]},
    ]
}
INFOTEXT = (
    "a car\nNegative prompt: blue\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale:"
    " 7, Seed: 1, Size: 512x512, Model: dream, Denoising strength: 0.4, Version: {}"
)
INVOKE = {"scheduler": "euler_k", "steps": 8, "model": {"base": "sdxl", "name": "x"}}


def png(**texts):
    """Return a picture with texts in it, as programs save them."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text if isinstance(text, str) else json.dumps(text))
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (png(prompt=GRAPH), ("comfyui", "sdxl", "exponential", 12, 0.6, {"sampler": "dpm_2"})),
        (json.dumps(DRAWN).encode(), ("comfyui", "flux-dev", "beta", 9, 1.0, {"sampler": "heun"})),
        (
            png(parameters=INFOTEXT.format("v1.10.1")),
            ("a1111", "sd15", "Karras", 20, 0.4, {"sampler": "DPM++ 2M"}),
        ),
        (
            INFOTEXT.format("f2.0.1").encode(),
            ("forge", "sd15", "Karras", 20, 0.4, {"sampler": "DPM++ 2M"}),
        ),
        (png(invokeai_metadata=INVOKE), ("invokeai", "sdxl", "euler_k", 8, 1.0, {})),
    ],
    ids=["comfyui", "comfyui drawn", "a1111", "forge", "invokeai"],
)
def test_a_file_has_the_passport_of_what_it_says(file, expected):
    engine, model, scheduler, steps, denoise, options = expected
    assert read_passport(file) == passport(engine, model, scheduler, steps, denoise, **options)
    other = read_passport(file, "sd15" if model != "flux-dev" else "flux-schnell")
    assert other.engine == engine and (other.model, other.num_steps) != (model, 1)


def test_a_config_file_and_old_names_of_samplers(tmp_path):
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": "EulerDiscreteScheduler", "beta_end": 0.012}))
    assert read_passport(path).scheduler == "EulerDiscreteScheduler"
    old = "x\nSteps: 20, Sampler: DPM2 a Karras, CFG scale: 7, Seed: 1"
    assert read_passport(old.encode()).options == {"sampler": "DPM2 a"}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (png(), "says nothing of how it was made"),
        (b'{"1": {"class_type": "Note", "inputs": {}}}', "no node with a scheduler"),
        (b"no parameters at all", "no line such as"),
        (b'{"a": 1}', "no scheduler config"),
        (b'{"scheduler": "euler", "steps": 4}', "no model"),
        (
            b'{"1": {"class_type": "KSampler", "inputs": {"scheduler": "simple", "steps": null}}}',
            "gives None as steps, which is no number",
        ),
        (b'{"scheduler": "euler", "steps": 1e999, "model": {}}', "gives inf as steps"),
        (b'{"scheduler": [], "steps": 20, "model": {}}', r"scheduler .*\[\]"),
        (
            b"Steps: 20, Sampler: Euler, Denoising strength: most, Seed: 1",
            "gives 'most' as Denoising strength",
        ),
    ],
)
def test_a_file_that_says_nothing_usable(file, message):
    with pytest.raises(ValueError, match=message):
        read_passport(file)


@pytest.mark.parametrize(
    ("name", "model"),
    [("flux1-schnell.sft", "flux-schnell"), ("v1-5-pruned", "sd15"), ("Qwen-Image", "qwen-image"),
     ("sd3.5_large", "sd3.5"), ("ponyXL", "sdxl"), ("z_image_turbo", "z-image")],
)  # fmt: skip
def test_a_models_name_suggests_its_noise(name, model):
    assert model_named(name) == model
