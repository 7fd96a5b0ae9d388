"""Tiny pipelines of every class that is traced, all with random weights."""

import torch
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.conftest import SD_SCHEDULER, clip_tokenizer, make_pipeline

BLOCKS = {
    "sample_size": 16,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "cross_attention_dim": 32,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
PICTURE = Image.effect_noise((128, 128), 60).convert("RGB")
MASK = Image.new("L", (128, 128), 0)
MASK.paste(255, (32, 32, 96, 96))


def text2img():
    return make_pipeline(), {}


def v_prediction():
    return make_pipeline(prediction_type="v_prediction"), {"guidance_rescale": 0.7}


def sd2():
    """As 2.x-v is: heads by level, linear projections, v-prediction, pads of their own."""
    torch.manual_seed(3)
    changes = {"attention_head_dim": (2, 8), "use_linear_projection": True}
    unet = UNet2DConditionModel(**{**BLOCKS, **changes}).eval()
    parts = make_pipeline(prediction_type="v_prediction").components
    tokenizer = clip_tokenizer(pad_token="!")
    pipe = StableDiffusionPipeline(**{**parts, "unet": unet, "tokenizer": tokenizer}, **UNSAFE)
    return quiet(pipe), SIZE


def img2img():
    pipe = StableDiffusionImg2ImgPipeline(**make_pipeline().components, **UNSAFE)
    return quiet(pipe), {"image": PICTURE, "strength": 0.6, "num_inference_steps": 5}


def inpaint():
    pipe = StableDiffusionInpaintPipeline(**make_pipeline().components, **UNSAFE)
    return quiet(pipe), {"image": PICTURE, "mask_image": MASK, "strength": 1.0, **SIZE}


def inpaint_nine():
    components = make_pipeline(unet={"in_channels": 9}).components
    pipe = StableDiffusionInpaintPipeline(**components, **UNSAFE)
    return quiet(pipe), {"image": PICTURE, "mask_image": MASK, "strength": 1.0, **SIZE}


def controlnet():
    torch.manual_seed(1)
    names = ("block_out_channels", "layers_per_block", "norm_num_groups", "attention_head_dim")
    shared = {name: BLOCKS[name] for name in (*names, "cross_attention_dim", "down_block_types")}
    net = ControlNetModel(**shared, conditioning_embedding_out_channels=(4, 8, 8, 8)).eval()
    for parameter in net.parameters():  # its zero convolutions would hide it
        torch.nn.init.normal_(parameter, std=0.05) if not parameter.any() else None
    pipe = StableDiffusionControlNetPipeline(**make_pipeline().components, controlnet=net, **UNSAFE)
    return quiet(pipe), {"image": PICTURE.resize((32, 32)).resize((128, 128)), **SIZE}


def xl():
    return quiet(StableDiffusionXLPipeline(**xl_components())), SIZE


def xl_img2img():
    pipe = StableDiffusionXLImg2ImgPipeline(**xl_components(), requires_aesthetics_score=False)
    return quiet(pipe), {"image": PICTURE, "strength": 0.6, "num_inference_steps": 5}


def xl_inpaint():
    pipe = StableDiffusionXLInpaintPipeline(**xl_components(), requires_aesthetics_score=False)
    return quiet(pipe), {"image": PICTURE, "mask_image": MASK, "strength": 1.0, **SIZE}


def xl_controlnet():
    parts = xl_components()
    net = ControlNetModel.from_unet(parts["unet"], conditioning_channels=3).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05) if not parameter.any() else None
    pipe = StableDiffusionXLControlNetPipeline(**parts, controlnet=net)
    return quiet(pipe), {"image": PICTURE.resize((32, 32)).resize((128, 128)), **SIZE}


def xl_components():
    base = make_pipeline()
    torch.manual_seed(2)
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=16,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    unet = UNet2DConditionModel(
        **{**BLOCKS, "cross_attention_dim": 32},
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + 6 * 8,
    )
    return {
        "vae": base.vae,
        "text_encoder": CLIPTextModel(config).eval(),
        "text_encoder_2": CLIPTextModelWithProjection(config).eval(),
        "tokenizer": base.tokenizer,
        "tokenizer_2": base.tokenizer,
        "unet": unet.eval(),
        "scheduler": EulerDiscreteScheduler(
            **{k: v for k, v in SD_SCHEDULER.items() if k.startswith(("beta", "steps"))}
        ),
    }


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


UNSAFE = {"requires_safety_checker": False}
SIZE = {"height": 128, "width": 128}
PIPELINES = (
    text2img,
    v_prediction,
    sd2,
    img2img,
    inpaint,
    inpaint_nine,
    controlnet,
    xl,
    xl_img2img,
    xl_inpaint,
    xl_controlnet,
)
