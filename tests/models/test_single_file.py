import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdlab.errors import ModelError
from sdlab.models.load import EMBEDDED, load
from sdlab.models.single_file import CONFIGS, predicts_noise

from . import ldm
from .conftest import latents

# The published sizes of the networks, in parameters: U-Net, VAE, text encoder.
PUBLISHED = {
    "sd1": (859_520_964, 83_653_863, 123_060_480),
    "sd2": (865_910_724, 83_653_863, 340_387_840),
    "sd2-v": (865_910_724, 83_653_863, 340_387_840),
}


def test_one_file_makes_the_same_picture_as_the_folder(checkpoint, embedded, no_network):
    model = load(checkpoint, device="cpu", config=EMBEDDED)
    assert model.name == str(checkpoint)
    assert model.hash == embedded.hash
    assert torch.equal(latents(model), latents(embedded))
    assert model.decode(latents(model)).tobytes() == embedded.decode(latents(embedded)).tobytes()


def test_openclip_keys_make_the_same_picture(tmp_path, embedded, no_network):
    path = tmp_path / "openclip.safetensors"
    save_file(ldm.ldm_state(embedded.pipeline, ldm.openclip_state), path)
    model = load(str(path), device="cpu", config=str(EMBEDDED))
    assert torch.equal(latents(model), latents(embedded))


@pytest.mark.parametrize("name", PUBLISHED)
def test_configs_build_networks_of_the_published_size(name):
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = str(CONFIGS / name)
    with torch.device("meta"):
        networks = (
            UNet2DConditionModel.from_config(folder, subfolder="unet"),
            AutoencoderKL.from_config(folder, subfolder="vae"),
            CLIPTextModel(CLIPTextConfig.from_pretrained(folder, subfolder="text_encoder")),
        )
    assert tuple(sum(p.numel() for p in n.parameters()) for n in networks) == PUBLISHED[name]


@pytest.mark.parametrize(
    "name, prediction", [("sd1", "epsilon"), ("sd2", "epsilon"), ("sd2-v", "v_prediction")]
)
def test_configs_hold_the_noise_schedule(name, prediction):
    config = json.loads((CONFIGS / name / "scheduler" / "scheduler_config.json").read_text())
    assert config["prediction_type"] == prediction
    assert (config["beta_start"], config["beta_end"]) == (0.00085, 0.012)
    assert config["beta_schedule"] == "scaled_linear"


def test_noise_prediction_is_measured(embedded):
    assert predicts_noise(embedded.pipeline)


def test_velocity_prediction_is_measured(embedded):
    """At the last timestep v is 0.068 eps - 0.998 x0, whatever x0 the network sees there."""
    from copy import deepcopy

    pipeline = deepcopy(embedded.pipeline)
    x0 = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    pipeline.unet.register_forward_hook(
        lambda _module, args, out: type(out)(sample=0.068 * args[0] - 0.998 * x0)
    )
    assert not predicts_noise(pipeline)


def test_unknown_size_asks_for_configs(checkpoint):
    with pytest.raises(ModelError, match=r"cross-attention width of 128.*pass config=FOLDER"):
        load(checkpoint)


def test_configs_of_another_size_are_refused(checkpoint, tmp_path):
    import shutil

    folder = shutil.copytree(EMBEDDED, tmp_path / "other")
    config = json.loads((folder / "unet" / "config.json").read_text())
    config["block_out_channels"] = [64, 160, 192]
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"does not fit the configs in .*other"):
        load(checkpoint, config=folder)


def test_incomplete_configs_are_refused(checkpoint, tmp_path):
    import shutil

    folder = shutil.copytree(EMBEDDED, tmp_path / "other")
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"lacks vae/config.json"):
        load(checkpoint, config=folder)


def test_config_must_be_a_folder(checkpoint):
    with pytest.raises(ValueError, match="config must be a pipeline folder, got 'nowhere'"):
        load(checkpoint, config="nowhere")


def test_truncated_file_is_named(checkpoint, tmp_path):
    path = tmp_path / "short.safetensors"
    path.write_bytes(checkpoint.read_bytes()[:-4096])
    with pytest.raises(ModelError, match=r"short.safetensors .*no whole safetensors file"):
        load(path, config=EMBEDDED)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no whole safetensors file"),
        (b"{}", "no whole safetensors file"),
        (b"\xff" * 64, "no whole safetensors file"),
        (b"PK\x03\x04 a zip", "pickled weight file under another name"),
        (b"\x80\x02}q\x00.", "pickled weight file under another name"),
        (b"version 1 of a pointer\noid sha256:0\nsize 1\n", "git lfs pull"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load(path)


@pytest.mark.parametrize(
    "key, message",
    [
        ("model.diffusion_model.middle_block.0.in_layers.2.weight", "lacks weights"),
        ("first_stage_model.decoder.norm_out.bias", "lacks weights"),
        (
            "cond_stage_model.transformer.text_model.final_layer_norm.bias",
            r"text_encoder\) lacks 1 of .*'final_layer_norm.bias'",
        ),
    ],
)
def test_missing_weight_is_never_made_up(checkpoint, tmp_path, key, message):
    state = load_file(checkpoint)
    del state[key]
    path = tmp_path / "holes.safetensors"
    save_file(state, path)
    with pytest.raises(ModelError, match=message):
        load(path, config=EMBEDDED)


@pytest.mark.parametrize(
    "keys, message",
    [
        (
            ["conditioner.embedders.1.model.ln_final.weight"],
            r"is Stable Diffusion XL.*sdlab.trace\(",
        ),
        (["model.diffusion_model.joint_blocks.0.x.weight"], "is Stable Diffusion 3"),
        (["double_blocks.0.img_attn.norm.key_norm.scale"], "is Flux"),
        (["control_model.input_blocks.0.0.weight"], "is a ControlNet"),
        (["lora_unet_down_blocks_0.lora_down.weight"], "is a LoRA"),
        (["emb_params"], "is a textual inversion"),
        (["down_blocks.0.resnets.0.conv1.weight"], "is one component of a pipeline"),
        (["encoder.conv_in.weight"], "is one component of a pipeline"),
        (["first_stage_model.decoder.conv_in.weight"], r"lacks: U-Net .*text encoder"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, keys, message):
    path = tmp_path / "model.safetensors"
    save_file({key: torch.zeros(4, 4) for key in keys}, path)
    with pytest.raises(ModelError, match=message):
        load(path)


def test_inpainting_file_is_named(tmp_path):
    path = tmp_path / "inpaint.safetensors"
    unet = "model.diffusion_model.input_blocks"
    state = {
        f"{unet}.0.0.weight": torch.zeros(8, 9, 3, 3),
        f"{unet}.1.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(8, 768),
        "first_stage_model.decoder.conv_in.weight": torch.zeros(1),
        "cond_stage_model.transformer.x": torch.zeros(1),
    }
    save_file(state, path)
    with pytest.raises(ModelError, match=r"inpainting model.*9 input channels"):
        load(path)
