"""What a pipeline's class needs beside what its parts' and arguments' names tell."""

import torch

from tests.tracing.pipelines import MASK, PICTURE
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
    "num_inference_steps": 3,
    "max_sequence_length": 16,
    "use_resolution_binning": False,
    "image": SMALL_PICTURE,
    "control_image": SMALL_PICTURE,
    "mask_image": SMALL_MASK,
    "control_mask": SMALL_MASK,
    "strength": 0.7,
    "output_type": "latent",
}
CONTROL = {"transformer": {"in_channels": 32, "out_channels": 16}}
LAYERS = (1, 2)  # of a text encoder
WAN_WORDS = {  # its own cleaning of words needs the package ftfy
    "prompt": None,
    "negative_prompt": None,
    "prompt_embeds": embeds(1, 16, WIDTH),
    "negative_prompt_embeds": embeds(1, 16, WIDTH, seed=4),
}
# By the beginning of a class's name: {part: changes of its config}, {call's argument: value}.
CHANGES = {
    "BriaFibo": (
        {"transformer": {"text_encoder_dim": WIDTH, "joint_attention_dim": 2 * WIDTH}}, {}
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
    "HiDream": ({}, {"num_inference_steps": 2}),  # it makes a picture of 1024 x 1024
    "HunyuanDiTPAG": ({"transformer": {"num_layers": 4}}, {}),
    "PixArtSigmaPAG": ({"transformer": {"num_layers": 2}}, {}),
    "QwenImageControlNetInpaint": ({"controlnet": {"extra_condition_channels": 4}}, {}),
    "SanaSprint": (
        {"transformer": {"guidance_embeds": True}, "scheduler": "SCMScheduler"},
        {"num_inference_steps": 2},
    ),
    "StableDiffusion3": ({"vae": {"latent_channels": 16}, "text_encoder_3": {"d_model": 64}}, {}),
    "StableDiffusion3ControlNetInpainting": (
        {"controlnet": {"extra_conditioning_channels": 1}}, {}
    ),
    "StableDiffusion3PAG": ({"transformer": {"num_layers": 2}}, {}),
    "WanVideoToVideo": ({}, {**WAN_WORDS, "video": [SMALL_PICTURE]}),
    "WanImageToVideo": ({"transformer": {"in_channels": 12}}, WAN_WORDS),
    "WanVACE": ({}, WAN_WORDS),
}  # fmt: skip
