"""Tiny autoencoders of each class that a pipeline names, with random weights."""

import diffusers
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel

LATENTS = 4
FOUR = (8, 8, 8, 8)
DOWN = ("DownEncoderBlock2D",) * 4
UP = ("UpDecoderBlock2D",) * 4
KL = {
    "block_out_channels": FOUR,
    "down_block_types": DOWN,
    "up_block_types": UP,
    "norm_num_groups": 4,
    "latent_channels": LATENTS,
    "sample_size": 64,
    "scaling_factor": 0.4,
    "shift_factor": 0.06,
}
WAN = {
    "base_dim": 4,
    "z_dim": LATENTS,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "latents_mean": [0.1] * LATENTS,
    "latents_std": [1.5] * LATENTS,
}
CONFIGS = {
    "AutoencoderKL": KL,
    "AutoencoderKLFlux2": {k: v for k, v in KL.items() if not k.endswith("factor")},
    "AutoencoderKLWan": WAN,
    "AutoencoderKLQwenImage": WAN,
    "AutoencoderKLQwenImage21": {**WAN, "decoder_base_dim": 4},
    "AutoencoderKLHunyuanImage": {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": LATENTS,
        "block_out_channels": (32, 32, 32, 32),
        "layers_per_block": 1,
        "spatial_compression_ratio": 8,
        "sample_size": 64,
        "scaling_factor": 0.4,
    },
    "AutoencoderKLHunyuanImageRefiner": {
        "latent_channels": LATENTS,
        "block_out_channels": (32, 32, 32, 32),
        "layers_per_block": 1,
        "spatial_compression_ratio": 8,
    },
    "AutoencoderDC": {
        "latent_channels": LATENTS,
        "attention_head_dim": 4,
        "encoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",),
        "decoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",),
        "encoder_block_out_channels": FOUR,
        "decoder_block_out_channels": FOUR,
        "encoder_layers_per_block": (1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1),
        "encoder_qkv_multiscales": ((), (), (), (5,)),
        "decoder_qkv_multiscales": ((), (), (), (5,)),
        "scaling_factor": 0.4,
    },
    "AutoencoderKLLTXVideo": {
        "latent_channels": LATENTS,
        "block_out_channels": FOUR,
        "decoder_block_out_channels": FOUR,
        "layers_per_block": (1, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1, 1),
        "spatio_temporal_scaling": (True, True, False, False),
        "decoder_spatio_temporal_scaling": (True, True, False, False),
    },
    "AutoencoderTiny": {
        "encoder_block_out_channels": FOUR,
        "decoder_block_out_channels": FOUR,
        "num_encoder_blocks": (1, 1, 1, 1),
        "num_decoder_blocks": (1, 1, 1, 1),
    },
    "AutoencoderKLHunyuanVideo": {
        "latent_channels": 16,
        "block_out_channels": (8, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
    "AutoencoderKLMochi": {
        "latent_channels": 12,
        "encoder_block_out_channels": (32, 32, 32, 32),
        "decoder_block_out_channels": (32, 32, 32, 32),
        "layers_per_block": (1, 1, 1, 1, 1),
        "latents_mean": (0.1,),
        "latents_std": (1.5,),
    },
    "PaellaVQModel": {
        "bottleneck_blocks": 1,
        "num_vq_embeddings": 8,
        "embed_dim": 8,
        "latent_channels": LATENTS,
    },
    "VQModel": {
        "block_out_channels": (32, 32, 32, 32),  # its norm has 32 groups
        "down_block_types": DOWN,
        "up_block_types": UP,
        "latent_channels": LATENTS,
        "num_vq_embeddings": 12,
        "vq_embed_dim": LATENTS,
        "norm_num_groups": 4,
        "norm_type": "spatial",
    },
}


def autoencoder(kind, **changes):
    """Return an autoencoder of a class of diffusers."""
    config = {**CONFIGS[kind], **changes}
    channels = config.get("latent_channels", config.get("z_dim"))
    for name in ("latents_mean", "latents_std"):
        if config.get(name):
            config[name] = config[name][:1] * channels
    if kind == "PaellaVQModel":
        return PaellaVQModel(**config).eval()
    return getattr(diffusers, kind)(**config).eval()
