"""Pipelines of several kinds with tiny text encoders and no network: what they make of a prompt."""

from functools import cache

import torch
from diffusers import (
    FluxPipeline,
    PixArtAlphaPipeline,
    QwenImagePipeline,
    SanaPipeline,
    StableDiffusion3Pipeline,
)
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from tests import flow
from tests.conftest import clip_tokenizer
from tests.zoo import tokenizers


@cache
def sd3():
    return StableDiffusion3Pipeline(
        **{name: None for name in ("transformer", "scheduler", "vae")},
        text_encoder=flow.text_encoder(CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        text_encoder_2=flow.text_encoder(CLIPTextModelWithProjection, 16),
        tokenizer_2=exclamation(),
        text_encoder_3=t5(64),
        tokenizer_3=tokenizers.t5(),
    )


@cache
def flux():
    return FluxPipeline(
        **{name: None for name in ("transformer", "scheduler", "vae")},
        text_encoder=flow.text_encoder(CLIPTextModel),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=tokenizers.t5(),
    )


@cache
def pixart():
    parts = {"text_encoder": t5(), "tokenizer": tokenizers.t5()}
    return PixArtAlphaPipeline(transformer=None, vae=None, scheduler=None, **parts)


@cache
def sana():
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=tokenizers.SIZE,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )
    parts = {"text_encoder": Gemma2Model(config).eval(), "tokenizer": tokenizers.gemma()}
    return SanaPipeline(transformer=None, vae=None, scheduler=None, **parts)


@cache
def qwen():
    torch.manual_seed(0)
    shared = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    config = Qwen2_5_VLConfig(
        text_config={
            **shared,
            "vocab_size": tokenizers.SIZE,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default"},
        },
        vision_config={"depth": 1, "hidden_size": 16, "num_heads": 2, "out_hidden_size": 16},
    )
    pipe = QwenImagePipeline(
        **{name: None for name in ("transformer", "scheduler", "vae")},
        text_encoder=Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=tokenizers.qwen2(),
    )
    start = pipe.prompt_template_encode.split("{}")[0]
    pipe.prompt_template_encode_start_idx = len(pipe.tokenizer(start)["input_ids"])
    return pipe


def t5(width=32, kind=T5EncoderModel, config=T5Config):
    torch.manual_seed(1)
    sizes = {"d_model": width, "d_kv": 8, "d_ff": 37, "num_layers": 3, "num_heads": 4}
    return kind(config(vocab_size=tokenizers.SIZE, **sizes)).eval()


def umt5():
    return t5(kind=UMT5EncoderModel, config=UMT5Config)


def exclamation():
    return clip_tokenizer(pad_token="!")
