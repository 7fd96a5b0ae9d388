"""The networks of the small Stable Diffusions, fresh or from a pipeline folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from sdlab.shipped import FOLDER

WIDTH = 128
"""Width of the text encoder and of the U-Net's cross-attention."""
NARROW = 8
"""Width of Stable Diffusion 3's second text encoder here: its words alone are 0.8 MB in float16."""


def make_vae() -> AutoencoderKL:
    """Return a fresh AutoencoderKL: 4 channels at 1/8, 3.1 M parameters."""
    widths = (24, 48, 96, 128)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=128,
        mid_block_add_attention=False,
    )


def make_unet() -> UNet2DConditionModel:
    """Return a fresh UNet2DConditionModel for 16 x 16 latents, 11.5 M parameters."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(96, 160, 192),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
    )


def make_text_encoder(vocabulary: int) -> CLIPTextModel:
    """Return a fresh CLIPTextModel, 128 wide, 3 layers, with ``vocabulary`` token rows."""
    # The end token is found as the largest id (CLIP's own rule), which `eos_token_id=2` selects in
    # transformers; a compact vocabulary keeps its end token last.
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=WIDTH,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config)


def make_second_text_encoder(vocabulary: int) -> CLIPTextModelWithProjection:
    """Return a fresh CLIPTextModelWithProjection, 8 wide, 2 layers, with ``vocabulary`` rows."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=NARROW,
        intermediate_size=4 * NARROW,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=NARROW,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
    )
    return CLIPTextModelWithProjection(config)


def make_transformer() -> SD3Transformer2DModel:
    """Return a fresh SD3Transformer2DModel for 16 x 16 latents, 10.4 M parameters.

    Its blocks begin as the identity (adaLN-Zero; Peebles and Xie 2023, arXiv 2212.09748).
    """
    width, heads = 192, 6
    made = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=8,
        attention_head_dim=width // heads,
        num_attention_heads=heads,
        joint_attention_dim=WIDTH + NARROW,
        caption_projection_dim=width,
        pooled_projection_dim=WIDTH + NARROW,
        pos_embed_max_size=16,
        qk_norm="rms_norm",
    )
    for name, part in made.named_modules():
        if name.endswith(("norm1.linear", "norm1_context.linear", "norm_out.linear", "proj_out")):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
    return made


def load_part(part: Any, folder: Path, name: str) -> Any:
    """Return one part of a pipeline folder in float32."""
    return part.from_pretrained(folder / name, torch_dtype=torch.float32)


def load_tokenizer(folder: Path = FOLDER) -> CLIPTokenizer:
    """Return CLIP's tokenizer with its own 49,408 entries."""
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def make_scheduler() -> DDIMScheduler:
    """Return the schedule of Stable Diffusion: scaled_linear, 1000 steps, epsilon."""
    return DDIMScheduler.from_pretrained(FOLDER / "scheduler")


def make_flow_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Return the schedule of the small Stable Diffusion 3: straight paths, shift 2."""
    return FlowMatchEulerDiscreteScheduler(shift=2.0)
