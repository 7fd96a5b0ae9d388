"""The tokenizers and text encoders of a pipeline: one for SD 1.x and 2.x, two for SDXL.

Pipelines use an encoder differently. SD 1.x and 2.x take the last layer's output through
the final layer norm. SDXL takes the output of the last layer but one as it is, of both encoders,
and joins the two along the width (Podell et al. 2023, arXiv 2307.01952, section 2.1).
"""

from dataclasses import dataclass
from typing import Any

from sdlab.errors import ModelError, unknown

LONGEST = 1000
SUFFIXES = ("", "_2")


@dataclass(frozen=True)
class TextPart:
    """One tokenizer with its text encoder, and what the pipeline takes from it.

    Attributes:
        name: "text_encoder" or "text_encoder_2".
        tokenizer: A CLIP tokenizer.
        encoder: A ``CLIPTextModel`` or ``CLIPTextModelWithProjection``.
        skipped: Layers at the end whose output the pipeline does not use.
        final_norm: Whether it applies the final layer norm.
    """

    name: str
    tokenizer: Any
    encoder: Any
    skipped: int
    final_norm: bool

    @property
    def body(self) -> Any:
        """The module that has ``embeddings``, ``encoder.layers`` and ``final_layer_norm``."""
        return getattr(self.encoder, "text_model", self.encoder)

    @property
    def masks_pads(self) -> bool:
        """Whether the pipeline gives the encoder the attention mask, which hides the pads.

        SD 1.x does not, nor does SDXL: there the pads take part (Toker et al. 2025,
        arXiv 2501.06751).
        """
        return self.final_norm and bool(getattr(self.encoder.config, "use_attention_mask", False))


def text_parts(source: Any) -> dict[str, TextPart]:
    """Return the text parts of a loaded model or a diffusers pipeline, by name, in order.

    Raises:
        ModelError: If it has a text encoder that is not CLIP's, or none.
    """
    pipeline = getattr(source, "pipeline", source)
    if getattr(pipeline, "text_encoder_3", None) is not None:
        raise ModelError("This pipeline has a third text encoder, which is not CLIP's.")
    double = hasattr(pipeline, "text_encoder_2")
    parts = {}
    for suffix in SUFFIXES:
        name = f"text_encoder{suffix}"
        encoder = getattr(pipeline, name, None)
        if encoder is None:
            continue
        part = TextPart(
            name, getattr(pipeline, f"tokenizer{suffix}"), encoder, int(double), not double
        )
        if not hasattr(part.body, "final_layer_norm"):
            raise ModelError(f"The {name} is a {type(encoder).__name__}, not one of CLIP's.")
        parts[name] = part
    if not parts:
        raise ModelError(f"{type(pipeline).__name__} has no text encoder of its own.")
    return parts


def text_part(source: Any, name: str | None = None) -> TextPart:
    """Return one text part of a model or pipeline; the first, unless one is named.

    Raises:
        ValueError: If there is none of that name.
        ModelError: If the pipeline's text encoder is not CLIP's.
    """
    parts = text_parts(source)
    if name is None:
        return next(iter(parts.values()))
    if name not in parts:
        raise ValueError(unknown("text encoder", name, parts))
    return parts[name]


def tokenizer_of(source: Any, part: str | None = None) -> Any:
    """Return the tokenizer of a model or a pipeline; a tokenizer is returned as it is.

    Raises:
        ValueError: If it has no length limit, as when a tokenizer was saved without its config.
    """
    is_tokenizer = hasattr(source, "model_max_length")
    tokenizer = source if is_tokenizer else text_part(source, part).tokenizer
    if tokenizer.model_max_length > LONGEST:
        raise ValueError(
            f"the tokenizer's model_max_length must be at most {LONGEST}, got "
            f"{tokenizer.model_max_length}; CLIP's is 77: set it in tokenizer_config.json."
        )
    return tokenizer
