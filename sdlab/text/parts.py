"""The tokenizers and text encoders of a pipeline: one for SD 1.x and 2.x, two for SDXL, ...

Pipelines use an encoder differently. SD 1.x and 2.x take the last layer's output through
the final layer norm. SDXL takes the output of the last layer but one as it is, of both encoders,
and joins the two along the width (Podell et al. 2023, arXiv 2307.01952, section 2.1); Stable
Diffusion 3 does the same and puts T5's output behind, along the sequence (Esser et al. 2024,
arXiv 2403.03206, section 4). Flux takes from CLIP only one vector of the whole prompt, and T5's
sequence. T5 (Raffel et al. 2020, arXiv 1910.10683) is an encoder without a causal mask; order
enters its attention as a bias by distance, not its input.
"""

import inspect
from dataclasses import dataclass
from typing import Any

from sdlab.errors import ModelError, unknown

LONGEST = 1000
SUFFIXES = ("", "_2", "_3", "_4")
POOLED = ("Flux", "HiDream", "HunyuanVideo", "HunyuanSkyreels", "Kandinsky5")
"""Beginnings of the classes that take from CLIP only the vector of the whole prompt."""


@dataclass(frozen=True)
class TextPart:
    """One tokenizer with its text encoder, and what the pipeline takes from it.

    Attributes:
        name: "text_encoder", "text_encoder_2", ...
        tokenizer: Its tokenizer.
        encoder: A ``CLIPTextModel``, a ``CLIPTextModelWithProjection`` or T5's encoder.
        skipped: Layers at the end whose output the pipeline does not use.
        final_norm: Whether it applies the final layer norm.
        pooled: Whether it uses only one vector of the whole prompt, not the sequence.
    """

    name: str
    tokenizer: Any
    encoder: Any
    skipped: int = 0
    final_norm: bool = True
    pooled: bool = False

    @property
    def is_clip(self) -> bool:
        """Whether the encoder is CLIP's: causal, with a start and an end token."""
        return hasattr(getattr(self.encoder, "text_model", self.encoder), "embeddings")

    @property
    def is_readable(self) -> bool:
        """Whether its vectors and attention can be read: CLIP's and T5's can."""
        return self.is_clip or hasattr(self.body, "block")

    @property
    def body(self) -> Any:
        """The module with ``final_layer_norm``; see ``layers`` and ``table`` for the rest."""
        inner = "text_model" if self.is_clip else "encoder"
        return getattr(self.encoder, inner, self.encoder)

    @property
    def layers(self) -> Any:
        """The encoder's layers, in order."""
        return self.body.encoder.layers if self.is_clip else self.body.block

    @property
    def table(self) -> Any:
        """The token embedding, a module with a row for each vocabulary entry."""
        return self.encoder.get_input_embeddings()

    @property
    def masks_pads(self) -> bool:
        """Whether CLIP is given the attention mask, which hides the pads.

        SD 1.x does not, nor does SDXL: there the pads take part (Toker et al. 2025,
        arXiv 2501.06751). Of T5 it is known once a prompt was read, see ``Encoding``.
        """
        asked = bool(getattr(self.encoder.config, "use_attention_mask", False))
        return self.is_clip and self.final_norm and asked


def tokenizers(source: Any) -> dict[str, Any]:
    """Return the tokenizers of a model or pipeline by their text encoder's name, in order.

    What a pipeline calls a tokenizer may be a processor of words and pictures: its tokenizer then.
    """
    pipeline = getattr(source, "pipeline", source)
    found = {}
    for suffix in SUFFIXES:
        tokenizer = getattr(pipeline, f"tokenizer{suffix}", None)
        if not hasattr(tokenizer, "model_max_length"):
            tokenizer = getattr(tokenizer, "tokenizer", None)
        if tokenizer is not None:
            found[f"text_encoder{suffix}"] = tokenizer
    return found


def text_parts(source: Any, every: bool = False) -> dict[str, TextPart]:
    """Return the text parts of a loaded model or a diffusers pipeline, by name, in order.

    Args:
        source: A loaded model or a diffusers pipeline.
        every: Whether to list text encoders of other kinds than CLIP's and T5's too, whose vectors
            are not read.

    Raises:
        ModelError: If it has no text encoder, or none of these kinds.
    """
    pipeline = getattr(source, "pipeline", source)
    found = tokenizers(pipeline)
    encoders = {name: getattr(pipeline, name, None) for name in found}
    there = {name: encoder for name, encoder in encoders.items() if encoder is not None}
    if not there:
        raise ModelError(f"{type(pipeline).__name__} has no text encoder of its own.")
    parts = {}
    for name, encoder in there.items():
        part = _part(pipeline, name, found[name], encoder)
        if every or part.is_readable:
            parts[name] = part
    if not parts:
        name, encoder = next(iter(there.items()))
        raise ModelError(
            f"The {name} is a {type(encoder).__name__}, not one of CLIP's or T5's: its tokens are"
            " known, its vectors are not read."
        )
    return parts


def _part(pipeline: Any, name: str, tokenizer: Any, encoder: Any) -> TextPart:
    part = TextPart(name, tokenizer, encoder)
    if not part.is_clip:
        return part
    second = getattr(pipeline, "text_encoder_2", None)
    double = hasattr(pipeline, "text_encoder_2") and (
        second is None or TextPart("", None, second).is_clip
    )
    pooled = type(pipeline).__name__.startswith(POOLED)
    return TextPart(name, tokenizer, encoder, int(double), not double, pooled)


def text_part(source: Any, name: str | None = None) -> TextPart:
    """Return one text part of a model or pipeline; the first, unless one is named.

    Raises:
        ValueError: If there is none of that name.
        ModelError: If the pipeline's text encoder is neither CLIP's nor T5's.
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
        ValueError: If there is none of that name; if CLIP's has no length limit, as when a
            tokenizer was saved without its config.
        ModelError: If the pipeline has no tokenizer.
    """
    if hasattr(source, "model_max_length"):
        tokenizer = source
    else:
        found = tokenizers(source)
        if not found:
            pipeline = getattr(source, "pipeline", source)
            raise ModelError(f"{type(pipeline).__name__} has no tokenizer of its own.")
        if part is not None and part not in found:
            raise ValueError(unknown("text encoder", part, found))
        tokenizer = found[next(iter(found)) if part is None else part]
    if _is_clips(tokenizer) and tokenizer.model_max_length > LONGEST:
        raise ValueError(
            f"the tokenizer's model_max_length must be at most {LONGEST}, got "
            f"{tokenizer.model_max_length}; CLIP's is 77: set it in tokenizer_config.json."
        )
    return tokenizer


def positions_of(source: Any, part: str | None = None, asked: int | None = None) -> int | None:
    """Return the positions that a prompt is padded to and cut at; None where that is not known.

    CLIP's is its tokenizer's ``model_max_length``; T5's the pipeline's ``max_sequence_length``.
    Language models read a prompt inside a template, which only a run shows.

    Args:
        source: A loaded model, a pipeline, or a tokenizer.
        part: Whose tokenizer, where there are several.
        asked: The ``max_sequence_length`` of a call; None for the pipeline's own.
    """
    tokenizer = tokenizer_of(source, part)
    own = tokenizer.model_max_length if tokenizer.model_max_length <= LONGEST else None
    if tokenizer is source or _is_clips(tokenizer):
        return own
    pipeline = getattr(source, "pipeline", source)
    encoder = getattr(pipeline, part or next(iter(tokenizers(pipeline))), None)
    if encoder is not None and not type(encoder).__name__.endswith(("EncoderModel", "BertModel")):
        return None
    for call in (type(pipeline).__call__, getattr(type(pipeline), "encode_prompt", None)):
        known = inspect.signature(call).parameters if call is not None else {}
        if "max_sequence_length" in known:
            default = known["max_sequence_length"].default
            length = default if asked is None else asked
            return length if isinstance(length, int) else own
    told = getattr(pipeline, "tokenizer_max_length", None)
    return told if isinstance(told, int) else own


def _is_clips(tokenizer: Any) -> bool:
    return type(tokenizer).__name__.startswith("CLIP")
