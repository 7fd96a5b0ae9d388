"""Networks of diffusers and transformers, and ours with their weights."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from sdlab.reference.text_encoder import TextEncoder
from sdlab.reference.unet import UNet
from sdlab.reference.vae import VAE
from sdlab.reference.weights import load_into

# Stable Diffusion 1.5 and 2.1, a tenth as wide: what differs between them is as in theirs.
FAMILIES = {
    "1.5": {
        "unet": {"attention_head_dim": 2},
        "text": {"hidden_act": "quick_gelu", "num_attention_heads": 2},
    },
    "2.1": {
        "unet": {"attention_head_dim": (1, 2, 4, 4), "use_linear_projection": True},
        "text": {"hidden_act": "gelu", "num_attention_heads": 4},
    },
}


def text_encoder(family):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
    ends = {"vocab_size": 500, "bos_token_id": 498, "eos_token_id": 499}
    theirs = CLIPTextModel(CLIPTextConfig(**sizes, **ends, **FAMILIES[family]["text"])).eval()
    return theirs, ours(TextEncoder, theirs, theirs.config.to_dict())


def unet(family):
    torch.manual_seed(0)
    theirs = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64, 128, 128),
        norm_num_groups=8,
        cross_attention_dim=32,
        **FAMILIES[family]["unet"],
    ).eval()
    return theirs, ours(UNet, theirs, theirs.config)


def vae():
    torch.manual_seed(0)
    theirs = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        norm_num_groups=8,
    ).eval()
    return theirs, ours(VAE, theirs, theirs.config)


def ours(kind, theirs, config):
    """Our network with the weights of theirs; a config as a JSON file has it, with lists."""
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in dict(config).items()}
    return load_into(kind(plain), theirs.state_dict())


def largest(a, b):
    """The largest absolute difference; NaN counts as infinite."""
    return (a - b).abs().nan_to_num(torch.inf).max().item()
