"""The classes of transformers whose order of text and picture is known."""

from collections.abc import Mapping
from typing import Any, NamedTuple

TEXT_FIRST = "text, picture"
PICTURE_FIRST = "picture, text"
CROSS = "cross"
SELF = "self"


class Layout(NamedTuple):
    """How a class of networks lays out its attention.

    Attributes:
        modules: Pattern of a module's dotted name -> the order of its tokens.
        pack: Cells along a side that the pipeline packs into one token before the network.
        patch: Cells along a side that the network makes one token of; None for its ``patch_size``.
        text: The arguments of the network's call that hold the text, one after the other.
        mask: The argument that says how many tokens of each row's text are in the sequence, where
            the network leaves the others out.
        before: The network's attribute that holds tokens which stand before all others.
        multiple: To what multiple text and picture are padded, each by itself.
        ids: The argument that tells the picture's places, if those of other pictures may follow.
    """

    modules: Mapping[str, str]
    pack: int = 1
    patch: int | None = None
    text: tuple[str, ...] = ("encoder_hidden_states",)
    mask: str = ""
    before: str = ""
    multiple: int = 1
    ids: str = ""

    def side(self, network: Any) -> int:
        """Return how many cells of the latents, along a side, one token of a network covers."""
        patch = self.patch or getattr(network.config, "patch_size", None) or 1
        return self.pack * int(patch if isinstance(patch, int) else patch[-1])


BLOCKS = r"transformer_blocks\.\d+\.attn"
SINGLE = r"single_transformer_blocks\.\d+\.attn"
_FLUX = Layout({BLOCKS: TEXT_FIRST, SINGLE: TEXT_FIRST}, pack=2, ids="img_ids")
_WAN = Layout({r"(vace_)?blocks\.\d+\.attn1": SELF, r"(vace_)?blocks\.\d+\.attn2": CROSS})
_TWO = {rf"{BLOCKS}1": SELF, rf"{BLOCKS}2": CROSS}

LAYOUTS: Mapping[str, Layout] = {
    "AuraFlowTransformer2DModel": Layout(
        {r"joint_transformer_blocks\.\d+\.attn": TEXT_FIRST, SINGLE: TEXT_FIRST},
        before="register_tokens",
    ),
    "BriaFiboTransformer2DModel": _FLUX._replace(pack=1),
    "BriaTransformer2DModel": _FLUX,
    "ChromaTransformer2DModel": _FLUX,
    "CogView3PlusTransformer2DModel": Layout({rf"{BLOCKS}1": TEXT_FIRST}),
    "CogView4Transformer2DModel": Layout({rf"{BLOCKS}1": TEXT_FIRST}),
    "Flux2Transformer2DModel": _FLUX,
    "FluxTransformer2DModel": _FLUX,
    "HunyuanDiT2DModel": Layout(
        {r"blocks\.\d+\.attn1": SELF, r"blocks\.\d+\.attn2": CROSS},
        text=("encoder_hidden_states", "encoder_hidden_states_t5"),
    ),
    "HunyuanVideoTransformer3DModel": Layout({BLOCKS: PICTURE_FIRST, SINGLE: PICTURE_FIRST}),
    "LTXVideoTransformer3DModel": Layout(_TWO),
    "Lumina2Transformer2DModel": Layout(
        {r"noise_refiner\.\d+\.attn": SELF, r"layers\.\d+\.attn": TEXT_FIRST},
        mask="encoder_attention_mask",
    ),
    "LuminaNextDiT2DModel": Layout(
        {r"layers\.\d+\.attn1": SELF, r"layers\.\d+\.attn2": CROSS},
    ),
    "PixArtTransformer2DModel": Layout(_TWO),
    "QwenImageTransformer2DModel": Layout({BLOCKS: TEXT_FIRST}, ids="img_shapes"),
    "SD3Transformer2DModel": Layout({BLOCKS: PICTURE_FIRST, rf"{BLOCKS}2": SELF}),
    "SanaTransformer2DModel": Layout({rf"{BLOCKS}2": CROSS}),
    "WanTransformer3DModel": _WAN,
    "WanVACETransformer3DModel": _WAN,
    "ZImageTransformer2DModel": Layout(
        {
            r"noise_refiner\.\d+\.attention": SELF,
            r"layers\.\d+\.attention": PICTURE_FIRST,
        },
        patch=2,
        text=("cap_feats",),
        multiple=32,
    ),
}

# Processors of these classes that keep that order.
PROCESSORS = frozenset(
    {
        "AttnProcessor2_0",
        "AuraFlowAttnProcessor2_0",
        "BriaAttnProcessor",
        "BriaFiboAttnProcessor",
        "CogVideoXAttnProcessor2_0",
        "CogView4AttnProcessor",
        "Flux2AttnProcessor",
        "Flux2ParallelSelfAttnProcessor",
        "FluxAttnProcessor",
        "FluxIPAdapterAttnProcessor",
        "FusedAuraFlowAttnProcessor2_0",
        "FusedHunyuanAttnProcessor2_0",
        "FusedJointAttnProcessor2_0",
        "HunyuanAttnProcessor2_0",
        "HunyuanVideoAttnProcessor2_0",
        "JointAttnProcessor2_0",
        "LTXVideoAttnProcessor",
        "Lumina2AttnProcessor2_0",
        "LuminaAttnProcessor2_0",
        "QwenDoubleStreamAttnProcessor2_0",
        "SD3IPAdapterJointAttnProcessor2_0",
        "SanaAttnProcessor2_0",
        "WanAttnProcessor",
        "ZSingleStreamAttnProcessor",
    }
)

# Attention backends of diffusers that call torch's scaled_dot_product_attention.
NATIVE = ("native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math")
