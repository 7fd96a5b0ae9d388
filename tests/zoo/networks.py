"""Tiny denoising networks of each class that a pipeline names, with random weights.

A size is chosen by the name of its argument, the same in all classes that have it; what a class
calls otherwise stands in ``CHANGES``.
"""

import inspect

import diffusers
import torch

from tests.tracing.pipelines import BLOCKS
from tests.zoo.texts import WIDTH

PACKED = 16  # 2 x 2 latents of 4 channels
SMALL = {
    "num_layers": 1,
    "num_single_layers": 1,
    "num_mmdit_layers": 1,
    "num_single_dit_layers": 1,
    "num_refiner_layers": 1,
    "n_layers": 1,
    "n_refiner_layers": 1,
    "num_attention_heads": 2,
    "n_heads": 2,
    "n_kv_heads": 2,
    "num_kv_heads": 2,
    "num_key_value_heads": 2,
    "num_cross_attention_heads": 2,
    "attention_head_dim": 16,
    "cross_attention_head_dim": 16,
    "dim": WIDTH,
    "hidden_size": WIDTH,
    "inner_dim": WIDTH,
    "ffn_dim": WIDTH,
    "freq_dim": 16,
    "joint_attention_dim": WIDTH,
    "caption_projection_dim": WIDTH,
    "pooled_projection_dim": WIDTH,
    "cross_attention_dim": WIDTH,
    "caption_channels": WIDTH,
    "text_embed_dim": WIDTH,
    "text_dim": WIDTH,
    "cap_feat_dim": WIDTH,
    "time_embed_dim": 8,
    "condition_dim": 4,
    "sample_size": 8,
    "axes_dims_rope": (4, 4, 8),
    "axes_dims": (4, 4, 8),
    "axes_dim_rope": (4, 4, 8),
    "axes_lens": (600, 64, 64),
    "rope_axes_dim": (4, 4, 8),
    "multiple_of": 16,
    "conditioning_channels": 3,
}
FOUR_AXES = {"axes_dims_rope": (4, 4, 4, 4)}
FOUR = {"in_channels": 4, "out_channels": 4}
CHANGES = {
    "AuraFlowTransformer2DModel": {**FOUR, "pos_embed_max_size": 64},
    "ChromaTransformer2DModel": {
        "approximator_num_channels": 64, "approximator_hidden_dim": 32, "approximator_layers": 1
    },
    "CogView3PlusTransformer2DModel": {**FOUR, "pos_embed_max_size": 16},
    "CogView4Transformer2DModel": {**FOUR, "pos_embed_max_size": 16, "rope_axes_dim": (8, 8)},
    "Flux2Transformer2DModel": {**FOUR_AXES, "timestep_guidance_channels": 16},
    "HiDreamImageTransformer2DModel": {
        **FOUR, "patch_size": 2, "axes_dims_rope": (4, 4, 8), "max_resolution": (16, 16),
        "llama_layers": (0, 1), "text_emb_dim": 64, "caption_channels": (WIDTH, WIDTH),
    },
    "HunyuanDiT2DModel": {
        "in_channels": 4, "patch_size": 2, "cross_attention_dim_t5": WIDTH, "text_len": 77,
        "text_len_t5": 256,
    },
    "HunyuanDiT2DControlNetModel": {
        "in_channels": 4, "patch_size": 2, "cross_attention_dim_t5": WIDTH,
        "transformer_num_layers": 2,
    },
    "ErnieImageTransformer2DModel": {
        "text_in_dim": WIDTH, "ffn_hidden_size": WIDTH, "out_channels": PACKED
    },
    "HunyuanImageTransformer2DModel": {
        **FOUR, "rope_axes_dim": (8, 8), "text_embed_2_dim": WIDTH
    },
    "DreamLiteUNetModel": {
        "num_attention_heads": None, "norm_num_groups": 4, "layers_per_block": 1, **FOUR,
        "down_block_types": (
            "DreamLiteCrossAttnNoSelfAttnDownBlock2D", "DreamLiteCrossAttnDownBlock2D"
        ),
        "up_block_types": ("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D"),
        "block_out_channels": (16, 32), "attention_head_dim": 8,
    },
    "GlmImageTransformer2DModel": {**FOUR, "prior_vq_quantizer_codebook_size": 32},
    "Ideogram4Transformer2DModel": {
        "intermediate_size": 32, "adaln_dim": 16, "mrope_section": (4, 2, 2)
    },
    "JoyImageEditTransformer3DModel": {"in_channels": 4, "rope_dim_list": (4, 4, 8)},
    "JoyImageEditPlusTransformer3DModel": {"in_channels": 4, "rope_dim_list": (4, 4, 8)},
    "Kandinsky3UNet": {
        "in_channels": 4,
        "time_embedding_dim": 32, "groups": 4, "attention_head_dim": 4, "layers_per_block": 3,
        "block_out_channels": (16, 32), "encoder_hid_dim": WIDTH,
    },
    "Kandinsky5Transformer3DModel": {
        "time_dim": 32, "model_dim": WIDTH, "ff_dim": WIDTH, "num_text_blocks": 1,
        "num_visual_blocks": 1,
    },
    "Krea2Transformer2DModel": {
        "timestep_embed_dim": 16, "text_hidden_dim": WIDTH, "num_text_layers": 2,
        "text_num_attention_heads": 2, "text_num_key_value_heads": 2, "text_intermediate_size": 32,
        "num_layerwise_text_blocks": 1, "num_refiner_text_blocks": 1, "intermediate_size": 32,
    },
    "MochiTransformer3DModel": {"in_channels": 12},
    "NucleusMoEImageTransformer2DModel": {
        "num_experts": 2, "moe_intermediate_dim": 32, "out_channels": 4
    },
    "OmniGenTransformer2DModel": {
        "in_channels": 4, "vocab_size": 1000, "pad_token_id": 0,
        "rope_scaling": {"short_factor": [1.0] * 8, "long_factor": [1.0] * 8},
        "intermediate_size": 32, "time_step_dim": 16, "pos_embed_max_size": 16,
    },
    "PRXTransformer2DModel": {
        "in_channels": 4, "context_in_dim": WIDTH, "num_heads": 2,
        "depth": 1, "axes_dim": (8, 8),
    },
    "LTXVideoTransformer3DModel": FOUR,
    "Lumina2Transformer2DModel": {"in_channels": 4},
    "LuminaNextDiT2DModel": {"in_channels": 4},
    "PixArtTransformer2DModel": {"in_channels": 4, "out_channels": 8},
    "PriorTransformer": {
        "embedding_dim": WIDTH, "num_embeddings": 77,
    },
    "QwenImageTransformer2DModel": {"in_channels": PACKED, "out_channels": 4},
    "QwenImage21Transformer2DModel": {
        "in_channels": 4, "out_channels": 4, "context_in_dim": WIDTH
    },
    "QwenImageControlNetModel": {"in_channels": PACKED, "out_channels": 4},
    "SD3Transformer2DModel": {
        "in_channels": 16, "out_channels": 16, "joint_attention_dim": 64,
        "pooled_projection_dim": 64,
    },
    "SD3ControlNetModel": {
        "in_channels": 16, "out_channels": 16, "joint_attention_dim": 64,
        "pooled_projection_dim": 64,
    },
    "SanaTransformer2DModel": FOUR,
    "SanaControlNetModel": FOUR,
    "StableCascadeUNet": {
        "in_channels": 4, "out_channels": 4, "timestep_ratio_embedding_dim": 8,
        "conditioning_dim": 32, "block_out_channels": (16,), "num_attention_heads": (2,),
        "down_num_layers_per_block": (1,), "up_num_layers_per_block": (1,),
        "down_blocks_repeat_mappers": (1,), "up_blocks_repeat_mappers": (1,),
        "clip_text_pooled_in_channels": WIDTH, "dropout": (0.0,), "self_attn": True,
        "block_types_per_layer": (
            ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),
        ),
    },
    "WanTransformer3DModel": FOUR,
    "WanVACETransformer3DModel": {
        **FOUR, "num_layers": 2, "vace_layers": [0], "vace_in_channels": 72
    },
    "ZImageControlNetModel": {
        "control_layers_places": [0], "control_refiner_layers_places": [0], "control_in_dim": 4
    },
    "ZImageTransformer2DModel": {"in_channels": 4},
}  # fmt: skip


def network(kind, **changes):
    """Return a network of a class of diffusers."""
    cls = getattr(diffusers, kind)
    taken = inspect.signature(cls.__init__).parameters
    config = {name: value for name, value in SMALL.items() if name in taken}
    if "in_channels" in taken and not kind.startswith("UNet"):
        config["in_channels"] = PACKED
    if kind == "UNet2DConditionModel":
        config = dict(BLOCKS)
    return awake(cls(**{**config, **CHANGES.get(kind, {}), **changes}).eval())


def awake(module):
    """Let no zero-initialised layer of a network hide what it takes in."""
    for parameter in module.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return module
