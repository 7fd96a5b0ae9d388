"""Every StableDiffusion* pipeline of the installed diffusers with a U-Net, tiny, made by looking.

A class's parts are made by the names of its parameters, and so are a call's arguments.
"""

import importlib
import inspect
import pkgutil

import diffusers
import torch
from diffusers import (
    ControlNetModel,
    ControlNetUnionModel,
    DDIMInverseScheduler,
    DDIMParallelScheduler,
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    T2IAdapter,
    UNet2DConditionModel,
    UNetControlNetXSModel,
)
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.pipelines.stable_diffusion.clip_image_project_model import CLIPImageProjection
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPProcessor,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from tests.conftest import SD_SCHEDULER
from tests.tracing.pipelines import BLOCKS, MASK, PICTURE, quiet

EULER = {name: SD_SCHEDULER[name] for name in ("beta_start", "beta_end", "beta_schedule")}
LATENTS = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(5))
# What a U-Net takes in beside the latents.
INPUTS = {
    "StableDiffusionUpscale": {"in_channels": 7, "num_class_embeds": 1000},
    "LatentUpscale": {"in_channels": 8, "out_channels": 5, "time_cond_proj_dim": 160},
    "Depth2Img": {"in_channels": 5},
    "InstructPix2Pix": {"in_channels": 8},
    "GLIGENPipeline": {"attention_type": "gated"},
    "GLIGENTextImage": {"attention_type": "gated-text-image"},
}
SMOOTH = Image.effect_noise((16, 16), 60).convert("RGB").resize((128, 128))


def every_class():
    """Return name -> class."""
    found = {}
    words = ("stable_diffusion", "controlnet", "pag", "t2i")
    other = ("onnx", "stable_diffusion_3", "_sd_3", "_sd3", "controlnet_hunyuan")
    root = diffusers.pipelines
    for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        if not any(w in module.name for w in words) or any(w in module.name for w in other):
            continue
        for name, cls in vars(importlib.import_module(module.name)).items():
            own = inspect.isclass(cls) and cls.__module__ == module.name
            if own and name.startswith("StableDiffusion"):
                if issubclass(cls, diffusers.DiffusionPipeline):
                    found[name] = cls
    return found


def build(cls, base):
    """Return a tiny pipeline of a class from a dict of parts, and what to call it with."""
    name, asked = cls.__name__, inspect.signature(cls.__init__).parameters
    parts = {"scheduler": DDIMScheduler(**SD_SCHEDULER), "requires_aesthetics_score": False}
    parts = {**base, **parts, "requires_safety_checker": False, "image_encoder": None}
    torch.manual_seed(4)
    parts["unet"].set_attn_processor(AttnProcessor2_0())  # some classes leave their own in it
    for word, changes in INPUTS.items():
        if word in name:
            parts["unet"] = unet(parts, **changes)
    if "ControlNetXS" in name:
        parts["unet"] = UNetControlNetXSModel(
            block_out_channels=(8, 16), ctrl_block_out_channels=(8, 16), norm_num_groups=4,
            down_block_types=BLOCKS["down_block_types"], up_block_types=BLOCKS["up_block_types"],
            ctrl_max_norm_num_groups=4, cross_attention_dim=32, num_attention_heads=2,
        )  # fmt: skip
    parts["image_project"] = CLIPImageProjection(32)
    if "controlnet" in asked:
        parts["controlnet"] = controlnet(name, parts["unet"])
    if "adapter" in asked:
        parts["adapter"] = T2IAdapter(3, (16, 32), 1, 8, "full_adapter")
    if "ImageVariation" in name or "GLIGENTextImage" in name:
        parts["image_encoder"] = vision()
        parts["feature_extractor"] = CLIPImageProcessor(size=32, crop_size=32)
        parts["processor"] = CLIPProcessor(parts["feature_extractor"], parts["tokenizer"])
    if "DiffEdit" in name:
        parts["inverse_scheduler"] = DDIMInverseScheduler(**SD_SCHEDULER)
    if "Pix2PixZero" in name:
        parts["inverse_scheduler"] = None
    parts["low_res_scheduler"] = DDPMScheduler()
    if "LatentUpscale" in name:
        parts["scheduler"] = EulerDiscreteScheduler(**EULER)
    if "Paradigms" in name:
        parts["scheduler"] = DDIMParallelScheduler(**SD_SCHEDULER)
    chosen = {key: parts.get(key) for key in asked if key in parts or asked[key].default is
              inspect.Parameter.empty and key != "self"}  # fmt: skip
    return quiet(cls(**chosen)), call_arguments(cls)


def call_arguments(cls):
    """Return what a call needs beside words, steps and seeds."""
    name, asked = cls.__name__, inspect.signature(cls.__call__).parameters
    small = SMOOTH.resize((16, 16)) if name == "StableDiffusionUpscalePipeline" else SMOOTH
    known = {
        "image": small,
        "control_image": PICTURE,
        "mask_image": MASK,
        "strength": 0.7,
        "control_mode": [0] if "image" not in asked else 0,
        "image_latents": LATENTS[:1, None].expand(1, 2, 4, 16, 16),
        "depth_map": torch.rand(1, 128, 128),
        "gligen_phrases": ["a car"],
        "gligen_boxes": [[0.1, 0.1, 0.7, 0.7]],
        "gligen_images": [PICTURE.resize((32, 32))],
        "token_indices": [1, 2],
        "max_iter_to_alter": 1,
        "attn_res": (16, 16),
        "height": 128,
        "width": 128,
        "inpaint_strength": 0.7,
        "source_embeds": torch.randn(1, 77, 32),
        "target_embeds": torch.randn(1, 77, 32),
        "parallel": 2,
        "sld_guidance_scale": 1000,
    }
    if "DiffEdit" in name:
        known["mask_image"] = (torch.rand(1, 16, 16) > 0.5).float()
    if {"strength", "inpaint_strength"} & set(asked):  # begins late
        known["num_inference_steps"] = 4
    return {key: value for key, value in known.items() if key in asked}


def unet(parts, **changes):
    kept = {key: value for key, value in parts["unet"].config.items() if key[0] != "_"}
    config = {**kept, **changes}
    return UNet2DConditionModel.from_config(config).eval()


def controlnet(name, network):
    if "XS" in name:
        return None  # its layers are in the U-Net's class
    if "Union" in name:
        kept = {key: value for key, value in network.config.items() if key[0] != "_"}
        kept |= {"num_trans_channel": 16, "num_proj_channel": 16, "num_trans_head": 4}
        return ControlNetUnionModel.from_config(kept).eval()
    net = ControlNetModel.from_unet(network, conditioning_channels=3).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05) if not parameter.any() else None
    return net


def vision():
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            image_size=32, patch_size=16, projection_dim=32,
        )
    ).eval()  # fmt: skip
