"""Text encoders of SD 1, SD 2 and SDXL, small and with random weights."""

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
)

from tests.conftest import SD_SCHEDULER, clip_tokenizer, make_pipeline


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def text_config(**changes):
    usual = {
        "vocab_size": 49408,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    }
    return CLIPTextConfig(**{**usual, **changes})


def tokenizer(pad="<|endoftext|>"):
    return clip_tokenizer(pad_token=pad)


@pytest.fixture(scope="session")
def sd1():
    return make_pipeline()


@pytest.fixture(scope="session")
def sd2():
    """As SD 2.x: padded with "!" (id 0), GELU, a text encoder whose last layer was left out."""
    pipeline = make_pipeline()
    torch.manual_seed(2)
    pipeline.text_encoder = CLIPTextModel(text_config(hidden_act="gelu", eos_token_id=2)).eval()
    pipeline.tokenizer = tokenizer("!")
    return pipeline


@pytest.fixture(scope="session")
def masked():
    """A pipeline that hands the attention mask to the encoder, as some SD 2.x forks do."""
    pipeline = make_pipeline()
    torch.manual_seed(3)
    pipeline.text_encoder = CLIPTextModel(text_config(use_attention_mask=True)).eval()
    return pipeline


@pytest.fixture(scope="session")
def sdxl():
    """A small Stable Diffusion XL: two tokenizers with other pads, two text encoders."""
    torch.manual_seed(4)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=32 + 48,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=48 + 6 * 8,
    )
    second = text_config(hidden_size=48, projection_dim=48, hidden_act="gelu", pad_token_id=0)
    return StableDiffusionXLPipeline(
        vae=AutoencoderKL(block_out_channels=(4,), norm_num_groups=2).eval(),
        text_encoder=CLIPTextModel(text_config()).eval(),
        text_encoder_2=CLIPTextModelWithProjection(second).eval(),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer("!"),
        unet=unet.eval(),
        scheduler=DDIMScheduler(**SD_SCHEDULER),
    )
