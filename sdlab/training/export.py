"""Writes a trained model as a diffusers pipeline folder: fp16 safetensors, all CLIP tokens."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel

from sdlab.shipped import FOLDER
from sdlab.training.nets import load_tokenizer, make_scheduler, make_text_encoder
from sdlab.training.vocabulary import Vocabulary, world_words

VOCABULARY = 49408
CHECKSUMS = "sha256.txt"


def expand_vocabulary(text: CLIPTextModel, vocabulary: Vocabulary) -> CLIPTextModel:
    """Return the text encoder with CLIP's 49,408 token rows.

    A token that training never saw gets the mean of the trained word rows: it changes the prompt's
    length, and says nothing.
    """
    return with_all_words(text, make_text_encoder(VOCABULARY), vocabulary)


def with_all_words(text: nn.Module, full: Any, vocabulary: Vocabulary) -> Any:
    """Return ``full``, of CLIP's 49,408 token rows, with the weights of a compact text encoder."""
    state = {name: tensor.cpu() for name, tensor in text.state_dict().items()}
    name = next(name for name in state if name.endswith("token_embedding.weight"))
    rows = state[name][:-2].mean(0).repeat(VOCABULARY, 1)
    rows[vocabulary.clip_ids] = state[name]
    full.load_state_dict({**state, name: rows})
    return full


def export(
    folder: Path,
    *,
    vae: AutoencoderKL,
    text: CLIPTextModel,
    unet: UNet2DConditionModel,
    vocabulary: Vocabulary,
    objects: Sequence[str],
    shard_size: str = "64MB",
) -> None:
    """Write the pipeline, the words it knows, and the checksums.

    Args:
        folder: Written to; files of the same name are replaced.
        vae: With its scaling factor in its config.
        text: With the compact vocabulary.
        unet: The weights to ship (averaged, if there is an average).
        vocabulary: Of ``text``.
        objects: Nouns that were trained.
        shard_size: No weights file grows larger than this, e.g. "16MB".
    """
    pipeline = StableDiffusionPipeline(
        vae=vae.cpu().half(),
        text_encoder=expand_vocabulary(text, vocabulary).half(),
        tokenizer=load_tokenizer(),
        unet=unet.cpu().half().to(memory_format=torch.contiguous_format),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    write(pipeline, folder, shard_size)
    compute_in_float32(folder / "text_encoder" / "config.json")
    keep_words(folder, objects)


def write(pipeline: Any, folder: Path, shard_size: str) -> None:
    """Write a pipeline; its tokenizers as CLIP's own files, smaller than what is saved of them."""
    names = [name for name in pipeline.components if name.startswith("tokenizer")]
    with tempfile.TemporaryDirectory() as kept:  # `folder` may be the shipped one
        tokenizer = shutil.copytree(FOLDER / "tokenizer", Path(kept) / "tokenizer")
        pipeline.save_pretrained(folder, max_shard_size=shard_size)
        for name in names:
            if getattr(pipeline, name) is not None:
                shutil.rmtree(folder / name)
                shutil.copytree(tokenizer, folder / name)
    for config in folder.glob("*/config.json"):
        _forget_place(config)


def _forget_place(config: Path) -> None:
    """Take the folder that a part was loaded from out of its config: it is this machine's."""
    values = json.loads(config.read_text(encoding="utf-8"))
    if values.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def keep_words(folder: Path, objects: Sequence[str]) -> None:
    """Write which words a model was trained on into its folder."""
    words = [word for word in world_words(objects) if word != ","]
    (folder / "known_words.json").write_text(json.dumps(words, indent=0) + "\n", encoding="utf-8")


def compute_in_float32(config: Path) -> None:
    """Let a plain ``from_pretrained(folder)`` load one dtype throughout.

    transformers follows the config's dtype, where diffusers takes float32 if nothing is said; half
    of the pipeline would then be float16, and the first call fails.
    """
    values = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**values, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def checksums(folder: Path) -> str:
    """Return one line per file of the folder, as sha256sum prints them, without its own file."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    )


def seal(folder: Path) -> None:
    """Write ``sha256.txt``, for ``sha256sum -c``, and let everybody read the files."""
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    (folder / CHECKSUMS).write_text(checksums(folder), encoding="utf-8")
