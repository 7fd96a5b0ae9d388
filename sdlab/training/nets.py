"""The four networks of the small Stable Diffusion, fresh or from a pipeline folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sdlab.shipped import FOLDER

WIDTH = 128
"""Width of the text encoder and of the U-Net's cross-attention."""


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


def load_part(part: Any, folder: Path, name: str) -> Any:
    """Return one part of a pipeline folder in float32."""
    return part.from_pretrained(folder / name, torch_dtype=torch.float32)


def load_tokenizer(folder: Path = FOLDER) -> CLIPTokenizer:
    """Return CLIP's tokenizer with its own 49,408 entries."""
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def make_scheduler() -> DDIMScheduler:
    """Return the schedule of Stable Diffusion: scaled_linear, 1000 steps, epsilon."""
    return DDIMScheduler.from_pretrained(FOLDER / "scheduler")
