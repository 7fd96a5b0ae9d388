"""How a pipeline arranges its pictures in a batch, read from the call's arguments.

A batch is [uncond, ...; cond, ...] with guidance, the pictures of one prompt side by side, and the
conditional half alone without. Pipelines show their guidance in properties; those without such
properties take it from the call's argument and use guidance if it is above 1.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd

from sdlab.attention.network_text import LATENTS
from sdlab.errors import ModelError
from sdlab.text.pipeline_tokens import PromptText, prompt_texts
from sdlab.text.reading import Reading
from sdlab.text.tokens import tokens
from sdlab.tracing.halves import Asked

SCALES = ("guidance_scale", "true_cfg_scale")
"""What pipelines call their guidance scale."""


class Unread(ModelError):
    """Something that a pipeline does and this recorder cannot read; a sentence without subject."""


def asked(pipe: Any, given: dict[str, Any]) -> Asked:
    """Return what a pipeline and its call say of their guidance at this evaluation."""
    told = [_numbers(getattr(pipe, name, None), given.get(name)) for name in SCALES]
    scales = tuple(dict.fromkeys(x for each in told for x in each))
    perturbed = bool(getattr(pipe, "do_perturbed_attention_guidance", False))
    guides = getattr(pipe, "do_classifier_free_guidance", None)
    if not guides and not (perturbed and guides is not None):  # some say no, and guide
        guides = not scales or any(scale > 1.0 for scale in scales)
    return Asked(scales, bool(guides), perturbed)


def _numbers(*values: Any) -> list[float]:
    return [float(x) for x in values if isinstance(x, (int, float))]


def is_guided(pipe: Any, given: dict[str, Any], rows: int, pictures: int | None) -> bool:
    """Return whether the batch has an unconditional half, by its rows.

    Args:
        pipe: The pipeline.
        given: The call's arguments by name.
        rows: Rows of the batch.
        pictures: How many pictures it is for; None if neither prompt nor embeddings say it; then
            the pipeline's properties decide.

    Raises:
        Unread: If the rows are neither one nor two a picture, or nothing says which.
    """
    if pictures is not None:
        if rows not in (pictures, 2 * pictures):
            raise Unread(
                f"gives its U-Net {rows} rows for {pictures} pictures, a layout that this recorder"
                " does not know; it reads one row a picture, or two with guidance"
            )
        return rows == 2 * pictures
    guides = getattr(pipe, "do_classifier_free_guidance", None)
    scale = next(iter(asked(pipe, given).scales), None)
    if guides is None and scale is None:
        raise Unread("does not say whether it guides, nor how many pictures it makes")
    return bool(scale > 1.0 if guides is None and scale is not None else guides)


def count_pictures(given: dict[str, Any]) -> int | None:
    """Return a call's number of pictures by its prompts or embeddings; None if it has neither."""
    words = given.get("prompt")
    each = given.get("prompt_embeds") if words is None else words
    if each is None:
        return None
    return int(given.get("num_images_per_prompt") or 1) * (
        1 if isinstance(each, str) else len(each)
    )


def prompts(pipe: Any, given: dict[str, Any], rows: int) -> list[dict[str, str | None]]:
    """Return prompt and negative prompt of every picture; None where they are not known.

    "cond_2" and "uncond_2" are what the second text encoder reads, where that is another text.

    Args:
        pipe: The pipeline.
        given: The call's arguments by name.
        rows: Rows of one half of the batch.
    """
    count = int(given.get("num_images_per_prompt") or 1)
    prompt, embeds = given.get("prompt"), given.get("prompt_embeds")
    if prompt is None and embeds is None:  # drawn after a picture, not after words
        return [{"cond": None, "uncond": None}] * rows
    if prompt is None:
        words: list[str | None] = [None] * len(embeds)  # type: ignore[arg-type]
    else:
        words = [prompt] if isinstance(prompt, str) else list(prompt)
    columns = {"cond": words}
    if given.get("negative_prompt_embeds") is not None:
        columns["uncond"] = [None] * len(words)
    else:
        columns["uncond"] = _each(given.get("negative_prompt") or "", len(words))
    if getattr(pipe, "tokenizer", None) is not None:
        for half, name in (("cond", "prompt"), ("uncond", "negative_prompt")):
            second = given.get(f"{name}_2")
            if second and given.get(f"{name}_embeds") is None:
                columns[f"{half}_2"] = _each(second, len(words))
    each = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [one for one in each for _ in range(count)]


def rows(told: Mapping[str, Any]) -> int:
    """Return the rows of a network's call, by its latents among its arguments by name."""
    return next((len(told[name]) for name in LATENTS if name in told), 1)


def texts(
    pipe: Any, given: dict[str, Any], pictures: int, heard: Sequence[Reading]
) -> list[list[PromptText]]:
    """Return the prompts of every picture as the pipeline's tokenizers cut them.

    Empty where they are not known because their embeddings were given.

    Args:
        pipe: The pipeline.
        given: The call's arguments by name.
        pictures: How many there are.
        heard: What the text encoders were given.
    """
    prompt = given.get("prompt")
    if prompt is None:
        return [[]] * pictures
    number = 1 if isinstance(prompt, str) else len(prompt)
    out = []
    for place in range(number):
        words = {
            name: value if isinstance(value, str) else value[place]
            for name, value in given.items()
            if name.startswith(("prompt", "negative_prompt")) and _is_text(value, number)
        }
        length = given.get("max_sequence_length")
        asked = SimpleNamespace(**words, max_sequence_length=length)
        out.append(prompt_texts(pipe, asked, heard))
    return [one for one in out for _ in range(max(1, pictures // number))]


def _is_text(value: Any, count: int) -> bool:
    if isinstance(value, str):
        return True
    several = isinstance(value, (list, tuple)) and len(value) == count
    return several and all(isinstance(one, str) for one in value)


def tables(
    pipe: Any, given: dict[str, Any], told: Mapping[str, Any], pictures: int
) -> list[dict[str, pd.DataFrame]]:
    """Return the token tables of every picture by "cond", "uncond", "cond_2" and "uncond_2".

    Args:
        pipe: The pipeline.
        given: The call's arguments by name.
        told: The network's arguments by name.
        pictures: How many there are.
    """
    text: Any = told.get("encoder_hidden_states")
    length = text.shape[1] if getattr(text, "ndim", 0) == 3 else 0
    each = prompts(pipe, given, pictures)
    return [
        {name: token_table(pipe, words, length, name) for name, words in own.items()}
        for own in (each if len(each) == pictures else [{"cond": None}] * pictures)
    ]


def token_table(pipe: Any, words: str | None, length: int, name: str) -> pd.DataFrame:
    """Return the token table of a prompt, or one with only positions if it is not known.

    Args:
        pipe: The pipeline.
        words: The prompt.
        length: Positions of the text.
        name: "cond" or "uncond", with "_2" for what the second text encoder reads.
    """
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None or name.endswith("_2"):
        tokenizer = getattr(pipe, "tokenizer_2", None)
    longest = getattr(tokenizer, "model_max_length", None)  # a processor of words and pictures
    if words is not None and longest == length:
        return tokens(tokenizer, words)
    return pd.DataFrame(
        {
            "position": range(length),
            "id": 0,
            "piece": "",
            "word": "",
            "word_index": pd.array([None] * length, dtype="Int64"),
            "kind": "unknown",
            "mask": 1,
            "cut": False,
        }
    )


def _each(text: "str | list[str]", count: int) -> list[str | None]:
    return [text] * count if isinstance(text, str) else list(text)
