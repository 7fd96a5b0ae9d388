"""Folders in diffusers' layout load with their variants and shards; what is wrong is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdlab.errors import ModelError
from sdlab.models.load import load

from .conftest import latents

pytestmark = pytest.mark.slow

UNET = "unet/diffusion_pytorch_model.safetensors"
INDEX = "model_index.json"


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_embedded_needs_no_network(embedded, no_network):
    model = load(device="cpu")
    assert model.name == "embedded"
    assert load("embedded", device="cpu").hash == model.hash == embedded.hash


def test_folder_is_the_embedded_model_again(folder, embedded, no_network):
    model = load(folder, device="cpu")
    assert model.name == str(folder)
    assert model.hash == embedded.hash
    assert torch.equal(latents(model), latents(embedded))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_loading_says_nothing(folder, capfd, dtype):
    load(load(folder, device="cpu", dtype=dtype).pipeline, dtype=dtype)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_loading_leaves_the_libraries_as_they_were(folder):
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    logs = (diffusers_log, transformers_log)
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    load(folder)
    (folder / "vae" / "config.json").write_text("{}")
    with pytest.raises(ModelError):
        load(folder)
    assert [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs] == before


def test_safety_checker_is_left_out(folder):
    edit(folder / INDEX, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    assert load(folder).pipeline.safety_checker is None


def test_hash_tells_weights_apart(folder, embedded):
    state = load_file(folder / UNET)
    state["conv_out.bias"][0] += 0.5
    save_file(state, folder / UNET)
    assert load(folder, device="cpu").hash != embedded.hash


def test_only_variant_is_taken(folder, embedded):
    for path in folder.glob("*/*.safetensors"):
        path.rename(path.with_name(path.stem + ".fp16.safetensors"))
    assert load(folder, device="cpu").hash == embedded.hash
    assert load(folder, device="cpu", variant="fp16").hash == embedded.hash


def test_old_names_of_shards_are_read(folder, embedded):
    """``model-00001-of-00002.fp16.safetensors``: as diffusers named them, and transformers does."""
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        (whole,) = (folder / part).glob("*.safetensors")
        state = load_file(whole)
        whole.unlink()
        names = [f"{stem}-{number:05d}-of-00002.fp16.safetensors" for number in (1, 2)]
        halves = [sorted(state)[number::2] for number in (0, 1)]
        for name, keys in zip(names, halves, strict=True):
            save_file({key: state[key] for key in keys}, folder / part / name, {"format": "pt"})
        places = {key: name for name, keys in zip(names, halves, strict=True) for key in keys}
        index = {"metadata": {"total_size": 0}, "weight_map": places}
        (folder / part / f"{stem}.safetensors.index.fp16.json").write_text(json.dumps(index))
    assert load(folder, device="cpu", variant="fp16").hash == embedded.hash


def test_weights_under_other_names_are_listed(folder):
    """It said "no *.safetensors file in it", which was false."""
    (folder / UNET).rename(folder / "unet" / "my_unet.SAFETENSORS")
    with pytest.raises(ModelError, match=r"under a name that is looked for.*my_unet.SAFETENSORS"):
        load(folder)


def test_several_variants_need_a_choice(folder):
    for path in list(folder.glob("*/*.safetensors")):
        for variant in ("fp16", "ema"):
            path.with_name(f"{path.stem}.{variant}.safetensors").write_bytes(path.read_bytes())
        path.unlink()
    with pytest.raises(ModelError, match=r"variants ema, fp16; choose one"):
        load(folder)


def test_unknown_variant(folder):
    with pytest.raises(ValueError, match=r"Unknown variant of .* 'fp8'"):
        load(folder, variant="fp8")


def test_sharded_weights_load(folder, embedded):
    embedded.pipeline.unet.save_pretrained(folder / "shards", max_shard_size="20MB")
    (folder / UNET).unlink()
    for path in (folder / "shards").glob("*model*"):
        path.rename(folder / "unet" / path.name)
    assert len(list((folder / "unet").glob("*.safetensors"))) > 1
    assert load(folder, device="cpu").hash == embedded.hash


def test_folder_without_index_lists_what_it_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "unet.json").write_text("x")
    with pytest.raises(ModelError, match=r"no model_index.json.*Looked for.*unet.*") as caught:
        load(tmp_path)
    assert "unet.json" in str(caught.value)
    assert "notes" not in str(caught.value)  # what is no model is nobody's business


def test_folder_around_a_pipeline_names_it(folder):
    with pytest.raises(ModelError, match=r"one inside it: '.*pipeline'"):
        load(folder.parent)


def test_folder_inside_a_pipeline_names_it(folder):
    with pytest.raises(ModelError, match=r"one component of the pipeline '.*pipeline'"):
        load(folder / "unet")


def test_folder_with_a_checkpoint_names_it(tmp_path):
    (tmp_path / "dream.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"checkpoint in it, load '.*dream.safetensors'"):
        load(tmp_path)


@pytest.mark.parametrize(
    "part, message",
    [
        ("unet/config.json", "lacks unet/config.json"),
        ("scheduler/scheduler_config.json", "lacks scheduler/scheduler_config.json"),
        ("tokenizer/vocab.json", "lacks tokenizer/vocab.json or tokenizer.json"),
        (UNET, "unet has no weights"),
    ],
)
def test_missing_part_is_named(folder, part, message):
    (folder / part).unlink()
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_index_that_is_no_json(folder):
    (folder / INDEX).write_text("{")
    with pytest.raises(ModelError, match=r"model_index.json cannot be read as JSON"):
        load(folder)


def test_index_that_is_no_object(folder):
    (folder / INDEX).write_text("[1]")
    with pytest.raises(ModelError, match=r"must hold a JSON object, not a list"):
        load(folder)


def test_truncated_weights_are_named(folder):
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"diffusion_pytorch_model.safetensors .*no whole"):
        load(folder)


def test_missing_weight_is_never_made_up(folder):
    state = load_file(folder / UNET)
    del state["conv_in.weight"]
    save_file(state, folder / UNET)
    with pytest.raises(ModelError, match=r"unet lacks 1 of .*'conv_in.weight'"):
        load(folder)


def test_wrong_config_is_refused(folder):
    edit(folder / "unet" / "config.json", block_out_channels=[32, 64, 96])
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        load(folder)


def test_pickled_weights_are_refused(folder):
    (folder / UNET).unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pickled \(diffusion_pytorch_model.bin\).*Convert"):
        load(folder)


@pytest.mark.parametrize(
    "name, message",
    [
        ("SomethingPipeline", r"is a SomethingPipeline, which diffusers \d+.* has not"),
        ("FluxPipelin", "is a FluxPipelin, which .* has not. It has .*FluxPipeline"),
        ("AutoencoderKL", "is a AutoencoderKL, which"),
        (["my_code", "MyPipeline"], "a pipeline class of its own.*never code"),
        (None, "names no pipeline class, got None"),
        ("FluxPipeline", "names no transformer, got None"),
        ("StableDiffusion3Pipeline", "names no transformer, got None"),
    ],
)
def test_classes_that_cannot_be_loaded_are_named(folder, name, message):
    edit(folder / INDEX, _class_name=name)
    with pytest.raises(ModelError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "channels, message",
    [
        (9, r"inpainting model.*Change _class_name there to StableDiffusionInpaintPipeline"),
        (8, "InstructPix2Pix.*to StableDiffusionInstructPix2PixPipeline"),
        (5, "depth-to-image"),
        (7, "upscaler"),
    ],
)
def test_a_unet_that_waits_for_a_picture_is_told_its_class(folder, channels, message):
    edit(folder / "unet" / "config.json", in_channels=channels)
    with pytest.raises(ModelError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "entry, message",
    [
        (["transformers", "NoSuchModel"], "names 'NoSuchModel' for its .* transformers .* has not"),
        (["diffusers", "AutoencoderOfTomorrow"], "for its text_encoder, which diffusers .* has"),
        (["transformers", "pipeline"], "has not"),
        (["transformers", "TrainingArguments"], "which is no model of PyTorch's"),
        (["pipelines", "DiffusionPipeline"], "from 'pipelines'.*never code"),
        (["os", "system"], "takes its text_encoder from 'os'.*never code"),
        ([["os"], "system"], "never code"),
        (["transformers", 5], "names 5"),
    ],
)
def test_components_that_cannot_be_loaded_are_named(folder, entry, message):
    edit(folder / INDEX, text_encoder=entry)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_a_component_that_asks_for_code_of_its_own_is_refused(folder):
    edit(folder / INDEX, tokenizer=["transformers", "AutoTokenizer"])
    config = folder / "tokenizer" / "tokenizer_config.json"
    edit(config, auto_map={"AutoTokenizer": ["evil.Words", None]})
    (folder / "tokenizer" / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelError, match="asks for code that comes with the model"):
        load(folder)


def test_code_that_comes_with_a_model_is_never_run(folder):
    (folder / "unet" / "evil.py").write_text("raise SystemExit('ran')")
    edit(folder / INDEX, unet=["evil", "UNet2DConditionModel"])
    with pytest.raises(ModelError, match=r"takes its unet from 'evil'.*never code"):
        load(folder)


def test_index_without_a_component(folder):
    edit(folder / INDEX, vae=[None, None])
    with pytest.raises(ModelError, match="names no vae"):
        load(folder)


@pytest.mark.parametrize("entry", [{"num_train_timesteps": 10**8}, {"solver_order": 10**9}])
def test_a_scheduler_that_would_fill_the_memory_is_refused_before_it_is_made(folder, entry):
    edit(folder / "scheduler" / "scheduler_config.json", **entry)
    with pytest.raises(ModelError, match=f"scheduler_config.json: {next(iter(entry))} must be"):
        load(folder)
