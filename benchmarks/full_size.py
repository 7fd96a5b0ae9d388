"""Models at their real size with random weights, made where they are to compute."""

import torch

import sdlab
from sdlab.models.model import Model

CLIP = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}
CLIP_LARGE = {
    **CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}


def stable_diffusion(device):
    """Stable Diffusion 1.5's network and text encoder, with the embedded model's autoencoder."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    embedded = sdlab.load(device="cpu").pipeline
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        text = CLIPTextModel(CLIPTextConfig(**CLIP))
    filled((unet, text), device, torch.bfloat16 if device == "cuda" else torch.float32)
    pipeline = StableDiffusionPipeline(
        vae=embedded.vae.to(device),
        text_encoder=text,
        tokenizer=embedded.tokenizer,
        unet=unet,
        scheduler=DDIMScheduler.from_config(embedded.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return Model(pipeline, "SD 1.5's size, random weights")


def stable_diffusion_xl(device):
    """Stable Diffusion XL whole in bfloat16: 3.5e9 parameters, 6.9 GB."""
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    embedded = sdlab.load(device="cpu").pipeline
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        first = CLIPTextModel(CLIPTextConfig(**CLIP))
        second = CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_LARGE))
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            scaling_factor=0.13025,
            force_upcast=False,
        )
    filled((unet, first, second, vae), device, torch.bfloat16)
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=first,
        text_encoder_2=second,
        tokenizer=embedded.tokenizer,
        tokenizer_2=embedded.tokenizer,
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ),
    )
    return Model(pipeline, "SDXL's size, random weights")


def filled(parts, device, dtype):
    """Give modules on the meta device random weights: one block of noise over and over."""
    noise = torch.randn(2**20, generator=torch.Generator().manual_seed(0)).to(device, dtype) * 0.02
    for part in parts:
        part.to(dtype).to_empty(device=device)
        for parameter in part.parameters():
            for block in parameter.data.view(-1).split(len(noise)):
                block.copy_(noise[: len(block)])
        for name, buffer in part.named_buffers():
            if name.endswith("position_ids"):
                buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
        part.eval()
