"""Files that are no whole checkpoint are refused, and named for what they are."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdlab.errors import ModelError
from sdlab.models.load import load
from sdlab.shipped import FOLDER as EMBEDDED

pytestmark = pytest.mark.slow


def test_unknown_size_asks_for_configs(checkpoint):
    with pytest.raises(ModelError, match=r"cross-attention width of 128.*pass config=FOLDER"):
        load(checkpoint)


def test_configs_of_another_size_are_refused(checkpoint, tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "other")
    config = json.loads((folder / "unet" / "config.json").read_text())
    config["block_out_channels"] = [64, 160, 192]
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"does not fit the configs in .*other"):
        load(checkpoint, config=folder)


def test_incomplete_configs_are_refused(checkpoint, tmp_path):
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
        pytest.param(
            "first_stage_model.decoder.norm_out.bias", "lacks weights", marks=pytest.mark.every
        ),
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
        (["conditioner.embedders.1.model.ln_final.weight"], "not fit the configs in .*sdxl"),
        (["model.diffusion_model.joint_blocks.0.x.weight"], "is Stable Diffusion 3.*config=FOLDER"),
        (["double_blocks.0.img_attn.norm.key_norm.scale"], "is Flux.*config=FOLDER"),
        (["control_model.input_blocks.0.0.weight"], "is a ControlNet,"),
        (["controlnet_cond_embedding.conv_in.weight"], "is a ControlNet,"),
        (["controlnet_down_blocks.0.weight", "down_blocks.0.x"], "is a ControlNet,"),
        (["lora_controlnet", "input_blocks.0.0.up"], "is a ControlNet as a LoRA"),
        (["adapter.body.0.in_conv.weight"], "is a T2I-Adapter"),
        (["lora_unet_down_blocks_0.lora_down.weight"], "is a LoRA"),
        (["unet.down_blocks.0.attentions.0.attn1.to_k.lora.down.weight"], "is a LoRA"),
        (["down_blocks.0.attn1.processor.to_q_lora.down.weight"], "is a LoRA"),
        (["unet.down_blocks.0.attentions.0.attn1.to_k.lora_A.weight"], "is a LoRA"),
        (["base_model.model.down_blocks.0.to_k.lora_A.default.weight"], "is a LoRA"),
        (["lora_unet_down_blocks_0_to_k.hada_w1_a"], "is a LoHa"),
        (["base_model.model.to_k.hada_w1_a.default"], "is a LoHa"),
        (["lora_unet_down_blocks_0_to_k.lokr_w1"], "is a LoKr"),
        (["lora_unet_down_blocks_0_to_k.lokr_w2_b"], "is a LoKr"),
        (["lora_unet_down_blocks_0_to_k.oft_blocks"], "is an OFT"),
        (["lora_unet_to_k.on_input", "lora_unet_to_k.weight"], "is an IA3"),
        (["base_model.model.to_k.ia3_l"], "is an IA3"),
        (["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"], "is an IP-Adapter"),
        (["ip_adapter.0.to_q_lora.down.weight"], "is an IP-Adapter"),
        (["emb_params"], "is a textual inversion"),
        (["down_blocks.0.resnets.0.conv1.weight"], "is a U-Net alone, one component"),
        (["input_blocks.0.0.weight"], "is a U-Net alone"),
        (["encoder.conv_in.weight"], "is a VAE alone, one component of a pipeline"),
        (["decoder.mid.block_1.conv1.weight", "quant_conv.weight"], "is a VAE alone"),
        (["first_stage_model.decoder.conv_in.weight"], "is a VAE alone"),
        (["text_model.final_layer_norm.weight"], "is a text encoder alone"),
        (
            ["first_stage_model.decoder.conv_in.weight", "cond_stage_model.model.ln_final.bias"],
            r"lacks: U-Net [^,]*\. A file of another family",
        ),
        (["model.diffusion_model.input_blocks.0.0.weight"], r"lacks: VAE .*text encoder"),
        (["something.else"], r"lacks: U-Net .*VAE .*text encoder"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, keys, message):
    path = tmp_path / "model.safetensors"
    save_file({key: torch.zeros(4, 4) for key in keys}, path)
    with pytest.raises(ModelError, match=message):
        load(path)


@pytest.mark.parametrize("shape", [(768,), (1, 768), (8, 1024)])
def test_a_learned_word_of_diffusers_trainer_is_named(tmp_path, shape):
    """Its only key is the token; other vectors without a name are not taken for one."""
    path = tmp_path / "learned_embeds.safetensors"
    save_file({"<cat-toy>": torch.zeros(shape)}, path)
    with pytest.raises(ModelError, match="is a textual inversion"):
        load(path)
    save_file({"<cat-toy>": torch.zeros(7)}, path)
    with pytest.raises(ModelError, match="is no whole Stable Diffusion checkpoint"):
        load(path)
