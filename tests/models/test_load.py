"""What can be loaded is told from what cannot, by name, with the nearest match."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

import sdlab
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.models.devices import available, choose_device, choose_dtype
from sdlab.models.families import label
from sdlab.models.load import check, load
from sdlab.shipped import FOLDER as EMBEDDED
from tests.attention.reference import listening, materialised
from tests.tracing.pipelines import xl

CPU = torch.device("cpu")


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pt", ".pth", ".pkl", ".CKPT"])
def test_pickled_files_are_refused_even_unseen(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    with pytest.raises(ModelError, match=r"opening one can run any code.*safetensors.torch"):
        load(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x")
    with pytest.raises(ModelError, match="is no .safetensors file"):
        load(path)


def test_absent_path_names_the_nearest(folder):
    with pytest.raises(ModelError, match=r"has no 'pipelin'. Did you mean '.*pipeline'"):
        load(folder.parent / "pipelin")


@pytest.mark.parametrize(
    "name", ["a" * 256, "\u732b" * 86, "b/" * 3000, "/" + "c" * 300 + "/d"], ids=len
)
@pytest.mark.parametrize("judge", [load, check])
def test_a_path_longer_than_any_is_told_so(name, judge):
    with pytest.raises(ModelError, match=r"255 bytes a name and 4095 in all.*Pass a pipeline"):
        judge(name)


def test_a_folder_is_judged_without_its_weights(folder):
    check(str(folder))
    check(None)
    with pytest.raises(ValueError, match="revision"):
        check(None, revision="main")
    with pytest.raises(ModelError, match="Did you mean"):
        check(str(folder)[:-1])


def test_absent_path_below_an_absent_folder():
    with pytest.raises(ModelError, match=r"'/' has no 'nowhere'"):
        load("/nowhere/at/all")


def test_misspelt_relative_path_is_not_asked_of_the_hub(folder, monkeypatch, no_network):
    monkeypatch.chdir(folder.parent.parent)
    with pytest.raises(ModelError, match="Did you mean"):
        load(f"{folder.parent.name}/pipelin")


@pytest.mark.parametrize("source", ["", "  ", "a\0b"])
def test_empty_source(source):
    with pytest.raises(ValueError, match="must name a folder, a file or a hub id"):
        load(source)


def test_url_is_refused():
    with pytest.raises(ValueError, match="is a URL"):
        load("https://example.org/model.safetensors")


@pytest.mark.parametrize("source", [5, object(), {"unet": 1}])
def test_object_that_is_no_pipeline(source):
    with pytest.raises(ValueError, match=r"a diffusers pipeline, got a (int|object|dict)"):
        load(source)


@pytest.mark.parametrize(
    "source, options, message",
    [
        (None, {"revision": "main"}, "revision='main' is of no use"),
        (None, {"token": "secret"}, r"token=\.\.\. is of no use"),
        (None, {"variant": "fp16"}, "variant='fp16' is of no use"),
        (EMBEDDED, {"config": "x"}, "config='x' is of no use"),
        (EMBEDDED, {"revision": "main"}, "only for a hub"),
    ],
)
def test_options_of_no_use_are_refused(source, options, message):
    with pytest.raises(ValueError, match=message):
        load(source, **options)


def test_pipeline_in_memory_is_taken_as_it_is(embedded):
    pipeline = deepcopy(embedded.pipeline)
    model = load(pipeline)
    assert model.pipeline is pipeline
    assert model.hash == embedded.hash
    assert model.dtype == torch.float32


def test_an_xl_pipeline_in_memory_loads_and_is_traced():
    pipe, size = xl()
    model = load(pipe)
    assert model.family == "sdxl" and not model.plain and model.network is pipe.unet
    with listening(pipe.unet) as calls, sdlab.trace(pipe) as traced:
        pipe("a red car", num_inference_steps=1, output_type="latent", **size)
    name = traced.maps().facts.layers[-1].name
    (p,) = materialised(pipe.unet, *calls)[name]
    expected = p[1, :, :, 3].mean(0).unflatten(0, (16, 16))  # the prompt's half, "car"
    torch.testing.assert_close(
        torch.from_numpy(traced.heatmap("car", layer=name)).double(), expected, rtol=0, atol=1e-5
    )


def test_pipeline_in_memory_can_change_its_dtype(small):
    rounded = load(deepcopy(small.pipeline), dtype="bf16").pipeline
    for part in ("unet", "vae", "text_encoder"):
        before = getattr(small.pipeline, part).parameters()
        for weight, exact in zip(getattr(rounded, part).parameters(), before, strict=True):
            assert weight.dtype == torch.bfloat16 and torch.equal(weight, exact.bfloat16())


def test_a_pipeline_of_another_class_is_taken(embedded):
    from diffusers import StableDiffusionInpaintPipeline

    parts = {**embedded.pipeline.components, "requires_safety_checker": False}
    model = load(StableDiffusionInpaintPipeline(**parts))
    assert not model.plain and "mask_image" in model.inputs


def test_families_in_words(embedded):
    assert label(embedded.family) == "Stable Diffusion 1.x"
    assert (label("sdxl"), label("flux2"), label("sana")) == (
        "Stable Diffusion XL",
        "Flux.2",
        "Sana",
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "torch.bfloat16", "bf16", torch.bfloat16])
def test_dtype_is_taken_as_word_or_object(dtype):
    model = load(dtype=dtype, device="cpu")
    assert model.dtype == torch.bfloat16
    assert model.pipeline.vae.dtype == torch.bfloat16


def test_default_dtype_is_float32_off_cuda():
    assert choose_dtype(None, CPU) == choose_dtype("auto", torch.device("mps")) == torch.float32


@pytest.mark.parametrize("dtype", ["float8", "int8", torch.int64, "half"])
def test_unknown_dtype_lists_the_allowed(dtype):
    with pytest.raises(ValueError, match=r"Unknown dtype .*Valid: .*bfloat16.*float32"):
        load(dtype=dtype)


@pytest.mark.parametrize("device", ["gpu", "cdua", "", 3.5, "meta", "xpu"])
def test_unknown_device_lists_the_allowed(device):
    with pytest.raises(ValueError, match=r"Unknown device .*Valid: auto, cpu, cuda, mps"):
        load(device=device)


def test_device_that_is_not_here():
    absent = "mps" if "mps" not in available() else "cuda"
    with pytest.raises(ModelError, match=rf"Device '{absent}' is not here: torch .* sees .*cpu"):
        load(device=absent)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever there is a CUDA device")
def test_cuda_is_chosen_and_its_index_checked():
    model = load()
    assert model.device.type == "cuda"
    assert model.dtype in (torch.bfloat16, torch.float16)
    with pytest.raises(ModelError, match="counted from cuda:0"):
        choose_device("cuda:64")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever there is a CUDA device")
def test_no_room_on_the_device():
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        with pytest.raises(MemoryLimitError, match="does not fit on cuda"):
            load(dtype="float64", device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_path_objects_and_home(monkeypatch, folder):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load("~/pipeline", device="cpu").name == "~/pipeline"
    assert load(Path(folder), device="cpu").name == str(folder)
