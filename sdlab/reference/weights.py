"""Weights: a file of tensors, and the names that diffusers and transformers give them.

Our networks are built as theirs are, so a short map of names is all that parts a checkpoint from
them.
"""

import re
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sdlab.errors import ModelError, shown

# What stands in a diffusers or transformers name, and what it is called here; in this order.
NAMES: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"(down|up)_blocks\.(\d+)\.(resnet|attention)s\.(\d+)": r"\1.\2.layers.\4.\3",
    r"(down|up)_blocks\.(\d+)\.\1samplers\.0\.conv": r"\1.\2.resize",
    r"mid_block\.(resnet|attention)s\.(\d+)": r"middle.\2.\1",
    r"^time_embedding\.": "time.",
    r"\.time_emb_proj\.": ".time.",
    r"\.conv_shortcut\.": ".shortcut.",
    r"conv_norm_out\.": "norm_out.",
    r"\.transformer_blocks\.0\.": ".",
    r"\.attn1\.": ".self_attention.",
    r"\.attn2\.": ".cross_attention.",
    r"\.ff\.net\.0\.proj\.": ".mlp_in.",
    r"\.ff\.net\.2\.": ".mlp_out.",
    r"\.to_out\.0\.": ".to_out.",
    r"\.group_norm\.": ".norm.",
    r"\.(query|key|value)\.": lambda found: f".to_{found[1][0]}.",  # VAEs of before 2023
    r"\.proj_attn\.": ".to_out.",
    r"^(text_model\.)?embeddings\.(token|position)_embedding\.": r"\2.",
    r"^(text_model\.)?encoder\.layers\.": "blocks.",
    r"^(text_model\.)?final_layer_norm\.": "norm_out.",
    r"\.self_attn\.": ".attention.",
    r"\.(q|k|v|out)_proj\.": r".to_\1.",
    r"\.layer_norm(\d)\.": r".norm\1.",
    r"\.mlp\.": ".",
}


def our_name(theirs: str) -> str:
    """Return what a weight of diffusers or transformers is called here."""
    for pattern, ours in NAMES.items():
        theirs = re.sub(pattern, ours, theirs)
    return theirs


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file by name, as float32; whole numbers are left out.

    Raises:
        ModelError: If the file is damaged.
    """
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{shown(str(path))} is no whole .safetensors file: {error}.") from error
    return {name: value.float() for name, value in tensors.items() if value.is_floating_point()}


def load_into(network: nn.Module, tensors: dict[str, Tensor], what: str = "network") -> nn.Module:
    """Give a network the weights of a checkpoint, and return it, ready to be asked.

    A linear map of each place is a 1x1 convolution, which some checkpoints store without the two
    ones in its shape.

    Args:
        network: One of ours.
        tensors: Weights under the names of diffusers or transformers.
        what: What it is, for the message.

    Raises:
        ModelError: If there are weights too many, too few or of another shape.
    """
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    given = {our_name(name): value for name, value in tensors.items()}
    odd = sorted(shapes.keys() ^ given.keys())
    odd = odd or [name for name in shapes if given[name].numel() != shapes[name].numel()]
    if odd:
        raise ModelError(
            f"The weights of this {what} are not those of a Stable Diffusion 1.x or 2.x:"
            f" {len(odd)} do not fit, such as {odd[0]!r}. sdlab.load loads other models."
        )
    network.load_state_dict({name: given[name].view(shapes[name]) for name in shapes}, assign=True)
    return network.eval()
