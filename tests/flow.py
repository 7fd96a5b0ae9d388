"""Tiny flow-matching pipelines, all with random weights."""

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.conftest import clip_tokenizer


def text_encoder(kind, width=32):
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=32,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    return kind(config).eval()


def vae(channels=4):
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=[32, 64],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=channels,
        sample_size=64,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
    ).eval()


def sd3_parts(channels=4, **scheduler):
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=32,
        patch_size=1,
        in_channels=channels,
        out_channels=channels,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=64,
    ).eval()
    return {
        "transformer": transformer,
        "scheduler": FlowMatchEulerDiscreteScheduler(**{"shift": 3.0, **scheduler}),
        "vae": vae(channels),
        "text_encoder": text_encoder(CLIPTextModelWithProjection),
        "tokenizer": clip_tokenizer(),
        "text_encoder_2": text_encoder(CLIPTextModelWithProjection),
        "tokenizer_2": clip_tokenizer(2),
        "text_encoder_3": None,
        "tokenizer_3": None,
    }


def sd3(cls=StableDiffusion3Pipeline, **scheduler):
    channels = 16 if cls is StableDiffusion3InpaintPipeline else 4
    return quiet(cls(**sd3_parts(channels, **scheduler)))


def sd3_img2img(**scheduler):
    return sd3(StableDiffusion3Img2ImgPipeline, **scheduler)


def sd3_inpaint(**scheduler):
    return sd3(StableDiffusion3InpaintPipeline, **scheduler)


def flux(**scheduler):
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8],
        guidance_embeds=True,
    ).eval()
    return quiet(
        FluxPipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(
                **{"shift": 3.0, "use_dynamic_shifting": True, **scheduler}
            ),
            vae=vae(),
            text_encoder=text_encoder(CLIPTextModel),
            tokenizer=clip_tokenizer(),
            text_encoder_2=None,
            tokenizer_2=None,
        )
    )


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


FLUX_WORDS = {
    "prompt_embeds": torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(3)),
    "pooled_prompt_embeds": torch.randn(1, 32, generator=torch.Generator().manual_seed(4)),
}
"""What the tiny Flux is told: T5 is not built."""
