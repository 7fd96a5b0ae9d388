"""What a pipeline's class needs beside what its parts' and arguments' names tell."""

import torch

from tests.tracing.pipelines import MASK, PICTURE
from tests.zoo import texts
from tests.zoo.texts import WIDTH

SIDE = 64
SMALL_PICTURE = PICTURE.resize((SIDE, SIDE))
SMALL_MASK = MASK.resize((SIDE, SIDE))


def embeds(*shape, seed=3):
    """Return numbers in the place of words."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# A call's arguments, by their names.
WORDS = {
    "prompt": "a red car",
    "negative_prompt": "rain",
    "height": SIDE,
    "width": SIDE,
    "num_frames": 1,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
    "use_resolution_binning": False,
    "image": SMALL_PICTURE,
    "control_image": SMALL_PICTURE,
    "mask_image": SMALL_MASK,
    "control_mask": SMALL_MASK,
    "strength": 1.0,
    "output_type": "latent",
}
CONTROL = {"transformer": {"in_channels": 32, "out_channels": 16}}
LAYERS = (1, 2)  # of a text encoder
NO_WORDS = {  # its own cleaning of words needs the package ftfy
    "prompt": None,
    "negative_prompt": None,
    "prompt_embeds": embeds(1, 16, WIDTH),
    "negative_prompt_embeds": embeds(1, 16, WIDTH, seed=4),
}
# Pipelines that make any picture as large as a million pixels see one of 32 x 32 places.
COARSE = {
    "block_out_channels": (8,) * 6,
    "down_block_types": ("DownEncoderBlock2D",) * 6,
    "up_block_types": ("UpDecoderBlock2D",) * 6,
}
COARSE_WAN = {"dim_mult": [1] * 6, "temperal_downsample": [False] * 5}
COARSE_SIZE = {"height": 128, "width": 128}
TWO_EMBEDS = {
    "prompt_embeds": embeds(1, 16, WIDTH),
    "pooled_prompt_embeds": embeds(1, WIDTH, seed=5),
    "negative_prompt_embeds": embeds(1, 16, WIDTH, seed=4),
    "negative_pooled_prompt_embeds": embeds(1, WIDTH, seed=6),
}
IMAGE_EMBEDS = {
    "image_embeds": embeds(1, WIDTH),
    "negative_image_embeds": embeds(1, WIDTH, seed=4),
}
DECODER = {
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "image_proj",
    "addition_embed_type": "image",
    "out_channels": 8,
}
KOLORS = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": WIDTH + 6 * 8,
}
MASKS = {
    "prompt_attention_mask": torch.ones(1, 16, dtype=torch.bool),
    "negative_prompt_attention_mask": torch.ones(1, 16, dtype=torch.bool),
}
DEEP = {  # whose 36th layer is asked for
    **texts.QWEN_3_VL,
    "text_config": {**texts.QWEN_3_VL["text_config"], "num_hidden_layers": 36},
}
FIBO = {
    "vae": {"z_dim": 16},
    "transformer": {"text_encoder_dim": WIDTH, "joint_attention_dim": 2 * WIDTH},
}
PIXELS = {"in_channels": 3, "out_channels": 6, "encoder_hid_dim": WIDTH}
UPSCALED = {"in_channels": 6, "class_embed_type": "timestep"}
PRIOR = {"clip_text_in_channels": WIDTH, "clip_image_in_channels": WIDTH}
SANA = {  # as released: flow matching by a class that is Stable Diffusion's without them
    "prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0
}  # fmt: skip
IDEOGRAM = {"llm_features_dim": 13 * WIDTH}  # the words of 13 layers
# By the beginning of a class's name: {part: changes of its config}, {call's argument: value}.
CHANGES = {
    "BriaFiboPipeline": (FIBO, {}),
    "BriaFiboEdit": (
        FIBO,
        {"prompt": '{"edit_instruction": "a red car"}', "_auto_resize": False},
    ),
    "CogView4Control": ({"transformer": {"in_channels": 8}}, {}),
    "Flux2": (
        {"transformer": {"joint_attention_dim": 2 * WIDTH}}, {"text_encoder_out_layers": LAYERS}
    ),
    "FluxControlPipeline": (CONTROL, {}),
    "FluxControlImg2Img": (CONTROL, {}),
    "FluxControlInpaint": (CONTROL, {}),
    "FluxFill": ({"transformer": {"in_channels": 288, "out_channels": 16}}, {}),
    "FluxKontext": ({}, {"max_area": SIDE * SIDE, "_auto_resize": False}),
    "Kandinsky5": ({"transformer": {"in_text_dim": WIDTH, "in_text_dim2": WIDTH}}, {}),
    "DreamLite": ({"vae": {}}, {"max_sequence_length": 200}),
    "GlmImage": (
        {},
        {"image": None, "prior_token_ids": torch.arange(16)[None] % 7, "prompt": None,
         "prompt_embeds": embeds(1, 16, WIDTH)},
    ),
    "Ideogram4": (
        {"text_encoder": {"class": "Qwen3VLModel", **DEEP}, "transformer": IDEOGRAM,
         "unconditional_transformer": IDEOGRAM},
        {"guidance_scale": 4.0, "guidance_schedule": None, "max_sequence_length": 32},
    ),
    "Kandinsky5T2V": ({"vae": {"latent_channels": 4}}, {}),
    "Kandinsky5I2I": (
        {"transformer": {"visual_cond": True}},
        {"max_sequence_length": 512},
    ),
    "KandinskyV22": ({"unet": DECODER}, {**IMAGE_EMBEDS, "prior_num_inference_steps": 2}),
    "KandinskyV22Inpaint": ({"unet": {"in_channels": 9}}, {}),
    "KandinskyV22Controlnet": (
        {"unet": {"in_channels": 8, "addition_embed_type": "image_hint"}},
        {"hint": embeds(1, 3, SIDE, SIDE), "output_type": "pt"},
    ),
    "Kolors": (
        {"text_encoder": None, "tokenizer": None, "unet": KOLORS},
        {"prompt": None, "negative_prompt": None, **TWO_EMBEDS},
    ),
    "LatentConsistency": ({"unet": {"time_cond_proj_dim": 32}}, {}),
    "LongCat": ({}, {"enable_prompt_rewrite": False}),
    "IF": (
        {"unet": PIXELS, "scheduler": {"variance_type": "learned_range"}, "safety_checker": None,
         "feature_extractor": None, "watermarker": None},
        {"output_type": "pt", "height": 16, "width": 16},
    ),
    "IFSuper": ({"unet": UPSCALED}, {}),
    "IFImg2ImgSuper": ({"unet": UPSCALED}, {"original_image": SMALL_PICTURE}),
    "IFInpaintingSuper": ({"unet": UPSCALED}, {"original_image": SMALL_PICTURE}),
    "QwenImage21": ({}, {"image": None}),
    "StableCascadePrior": ({"prior": PRIOR}, {"output_type": "pt"}),
    "StableCascadeCombined": (
        {"prior_prior": PRIOR, "decoder": {"effnet_in_channels": 4}, "prior_feature_extractor": {},
         "prior_image_encoder": {}},
        {"prior_num_inference_steps": 2},
    ),
    "StableCascadeDecoder": (
        {"decoder": {"effnet_in_channels": 4}}, {"image_embeddings": embeds(1, 4, 2, 2)}
    ),
    "Krea2": (
        {"text_encoder_select_layers": (1, 2)}, {}
    ),
    "LongCatImage": ({"vae": {"latent_channels": 16}, "transformer": {"in_channels": 64}}, {}),
    "LongCatImageEdit": ({"vae": COARSE}, COARSE_SIZE),
    "NucleusMoE": ({"text_encoder": DEEP}, {}),
    "BriaFibo2": ({"text_encoder": DEEP}, {}),
    "QwenImageLayered": ({}, {"resolution": 640, "layers": 1, "output_type": "pt"}),
    "QwenImageEdit": ({"vae": COARSE_WAN}, COARSE_SIZE),
    "PRX": ({}, {**NO_WORDS, **MASKS}),
    "PRXPixel": ({"transformer": {"in_channels": 3}}, {}),
    "ZImageControlNetInpaint": ({"controlnet": {"control_in_dim": 9}}, {}),
    "OvisImage": ({"transformer": {"out_channels": 16}}, {}),
    "HunyuanDiTPAG": ({"transformer": {"num_layers": 4}}, {}),
    "PixArtSigmaPAG": ({"transformer": {"num_layers": 2}}, {}),
    "QwenImageControlNetInpaint": ({"controlnet": {"extra_condition_channels": 4}}, {}),
    "SanaPipeline": ({"scheduler": SANA}, {}),
    "SanaControlNet": ({"scheduler": SANA}, {}),
    "SanaSprint": (
        {"transformer": {"guidance_embeds": True}, "scheduler": "SCMScheduler"},
        {"num_inference_steps": 2},
    ),
    "StableDiffusion3": ({"vae": {"latent_channels": 16}, "text_encoder_3": {"d_model": 64}}, {}),
    "StableDiffusion3ControlNetInpainting": (
        {"controlnet": {"extra_conditioning_channels": 1}}, {}
    ),
    "StableDiffusion3PAG": ({"transformer": {"num_layers": 2}}, {}),
    "WanVideoToVideo": ({}, {**NO_WORDS, "video": [SMALL_PICTURE]}),
    "WanImageToVideo": ({"transformer": {"in_channels": 12}}, NO_WORDS),
    "WanVACE": ({}, NO_WORDS),
}  # fmt: skip
