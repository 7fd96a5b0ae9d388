"""``clip_skip``: words read off before a CLIP text encoder's last layers.

Pipelines of Stable Diffusion 1 and 2 look for the last norm at ``text_encoder.text_model``, a level
that ``CLIPTextModel`` has lost in transformers 5.6: with ``clip_skip`` their plain call fails
there. The level is lent to the encoder while it reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import CLIPTextModel

NAME = "clip_skip"
_LEVEL = "text_model"


def check_clip_skip(pipeline: Any, value: object) -> None:
    """Raise if a pipeline's text encoders have no such layer.

    Args:
        pipeline: A diffusers pipeline.
        value: The layers to leave out; None for the pipeline's own.

    Raises:
        ValueError: If it is not a whole number, or more layers than there are to leave out.
    """
    two = "text_encoder_2" in pipeline.components
    encoders = (pipeline.components.get(f"text_encoder{end}") for end in ("", "_2"))
    counts = [count for encoder in encoders if (count := _layers(encoder)) is not None]
    if value is None or not counts:
        return
    most = min(counts) - two  # a pipeline with two encoders never reads the last layer
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(
            f"{NAME} must be a whole number from 0 to {most}, the layers that this model's text"
            f" encoder can leave out, got {value!r}."
        )


@contextmanager
def lending_level(pipeline: Any) -> Iterator[None]:
    """Let a pipeline find the level ``text_model`` of its CLIP text encoder, in the encoder itself.

    Args:
        pipeline: Its encoder is as it was afterwards; a ``CLIPTextModel`` that has the level is
            left alone.
    """
    encoder = pipeline.components.get("text_encoder")
    lent = isinstance(encoder, CLIPTextModel) and not hasattr(encoder, _LEVEL)
    try:
        if lent:
            vars(encoder)[_LEVEL] = encoder  # no submodule: weights and hooks do not see it
        yield
    finally:
        if lent:
            del vars(encoder)[_LEVEL]


def _layers(encoder: Any) -> int | None:
    count = getattr(getattr(encoder, "config", None), "num_hidden_layers", None)
    return count if isinstance(count, int) else None
