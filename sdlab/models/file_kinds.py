"""What a .safetensors file holds, found from its keys: a whole checkpoint, or something else.

Most such files are not a model: they add to one (LoRA, LoHa, IP-Adapter, textual inversion) or are
a part of one (a VAE). The message for whoever loads one says which.
"""

import re
from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]

_CHANGES = ", which changes a model but is none"
_GUIDES = ", which guides a model but is none"
_WORD = "a textual inversion, which adds a word to a model but is none"
# What a key must match, in the order in which to look: an IP-Adapter may hold LoRAs.
_KINDS = {
    r"joint_blocks\.": "Stable Diffusion 3",
    r"double_blocks\.|double_stream_modulation": "Flux",
    r"conditioner\.embedders\.1\.": "Stable Diffusion XL",
    r"conditioner\.embedders\.0\.model\.": "the Stable Diffusion XL refiner",
    r"motion_modules\.": "an AnimateDiff motion module",
    r"^(ip_adapter|image_proj)\.": f"an IP-Adapter{_GUIDES}",
    r"^lora_controlnet$": f"a ControlNet as a LoRA{_GUIDES}",
    r"^control_model\.|controlnet_(cond_embedding|down_blocks|mid_block)\.|^input_hint_block\.": (
        f"a ControlNet{_GUIDES}"
    ),
    r"^(adapter\.)?body\.\d+\.(in_conv|block1|resnets)\b": f"a T2I-Adapter{_GUIDES}",
    r"\bhada_w\d": f"a LoHa{_CHANGES}",
    r"\blokr_w\d": f"a LoKr{_CHANGES}",
    r"\boft_(blocks|diag|R)\b": f"an OFT{_CHANGES}",
    r"\.on_input$|\bia3_l\b": f"an IA3{_CHANGES}",
    # Kohya's lora_down, diffusers' lora.down and processor.to_q_lora.down, PEFT's lora_A.
    r"lora[._](down|up)\.|lora_(A|B|embedding_A)\b|lora_linear_layer\.": f"a LoRA{_CHANGES}",
    r"^emb_params$|^string_to_param": _WORD,
}
XL = "Stable Diffusion XL"
FAMILIES = ("Stable Diffusion 3", "Flux", XL, "the Stable Diffusion XL refiner")
"""Those of the kinds that are models."""
_WIDTHS = (768, 1024, 1280)
# Parts by what their keys begin with; the text encoder's as transformers writes them.
_PARTS = {
    "U-Net": ("down_blocks.", "input_blocks.", "conv_in."),
    "VAE": ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "first_stage_model."),
    "text encoder": ("text_model.", "embeddings.token_embedding."),
}
_WHOLE = {
    "U-Net (model.diffusion_model.*)": "model.diffusion_model.input_blocks.0.0.weight",
    "VAE (first_stage_model.*)": "first_stage_model.decoder.conv_in.weight",
    "text encoder (cond_stage_model.*)": "cond_stage_model.",
}


def kind_of(shapes: Shapes) -> str | None:
    """Return what a file holds if it is no Stable Diffusion 1.x or 2.x; None if unknown."""
    for pattern, what in _KINDS.items():
        if any(map(re.compile(pattern).search, shapes)):
            return what
    if _is_learned_word(shapes):
        return _WORD
    return None


def part_of(shapes: Shapes) -> str | None:
    """Return the one part of a pipeline that a file holds ("VAE"); None if none, or several."""
    keys = tuple(shapes)
    if any(key.startswith(("model.diffusion_model.", "cond_stage_model.")) for key in keys):
        return None
    for part, starts in _PARTS.items():
        if any(key.startswith(starts) for key in keys):
            return part
    return None


def missing_parts(shapes: Shapes) -> list[str]:
    """Return which parts of a whole checkpoint a file lacks, with their keys in that layout."""
    return [part for part, start in _WHOLE.items() if not any(k.startswith(start) for k in shapes)]


def _is_learned_word(shapes: Shapes) -> bool:
    """Return whether a file holds only vectors of CLIP's width, which diffusers names by token."""
    return 0 < len(shapes) <= 4 and all(
        "." not in key and len(shape) <= 2 and shape[-1:] and shape[-1] in _WIDTHS
        for key, shape in shapes.items()
    )
