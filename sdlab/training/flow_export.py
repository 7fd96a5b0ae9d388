"""Writes the small Stable Diffusion 3 as a diffusers pipeline folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusion3Pipeline
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from sdlab.training.export import (
    VOCABULARY,
    compute_in_float32,
    expand_vocabulary,
    keep_words,
    with_all_words,
    write,
)
from sdlab.training.nets import (
    load_tokenizer,
    make_flow_scheduler,
    make_second_text_encoder,
)
from sdlab.training.stage_flow import FlowModel
from sdlab.training.vocabulary import Vocabulary


def projected(text: CLIPTextModel) -> CLIPTextModelWithProjection:
    """Return a text encoder with a projection, which the pipeline asks for: the identity."""
    made = CLIPTextModelWithProjection(text.config)
    state = {f"text_model.{name}": tensor for name, tensor in text.state_dict().items()}
    made.load_state_dict({**state, "text_projection.weight": torch.eye(text.config.hidden_size)})
    return made


def export_flow(
    folder: Path,
    *,
    vae: AutoencoderKL,
    text: CLIPTextModel,
    flow: FlowModel,
    vocabulary: Vocabulary,
    objects: Sequence[str],
    shard_size: str = "64MB",
) -> None:
    """Write the pipeline and the words it knows.

    Args:
        folder: Written to; files of the same name are replaced.
        vae: With its scaling factor in its config.
        text: The first text encoder, with the compact vocabulary.
        flow: The transformer and the second text encoder to ship.
        vocabulary: Of both.
        objects: Nouns that were trained.
        shard_size: No weights file grows larger than this, e.g. "16MB".
    """
    second = with_all_words(flow.text_2, make_second_text_encoder(VOCABULARY), vocabulary)
    vae.register_to_config(shift_factor=0.0)  # this pipeline subtracts it
    pipeline = StableDiffusion3Pipeline(
        transformer=flow.transformer.cpu().half(),
        scheduler=make_flow_scheduler(),
        vae=vae.cpu().half(),
        text_encoder=projected(expand_vocabulary(text, vocabulary)).half(),
        tokenizer=load_tokenizer(),
        text_encoder_2=second.half(),
        tokenizer_2=load_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )
    write(pipeline, folder, shard_size)
    for name in ("text_encoder", "text_encoder_2"):
        compute_in_float32(folder / name / "config.json")
    keep_words(folder, objects)
