"""How a pipeline arranges its pictures in a batch, read from the call's arguments.

A batch is [uncond, ...; cond, ...] with guidance, the pictures of one prompt side by side, and the
conditional half alone without. Pipelines show their guidance in properties; those without such
properties take it from the call's argument and use guidance if it is above 1.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.errors import ModelError
from sdlab.text.tokens import tokens

if TYPE_CHECKING:
    from torch import Tensor


class Unread(ModelError):
    """Something that a pipeline does and this recorder cannot read; a sentence without subject."""


def inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> "tuple[Tensor, float, Tensor]":
    """Return (sample, timestep, text) of a U-Net's call.

    Raises:
        Unread: If the rows are of several timesteps, or the text is masked.
    """
    names = ("sample", "timestep", "encoder_hidden_states")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if kwargs.get("encoder_attention_mask") is not None:
        raise Unread(
            "masks the text in the U-Net's attention (encoder_attention_mask), which this recorder"
            " does not read"
        )
    time = given["timestep"]
    times = set(time.flatten().tolist()) if hasattr(time, "flatten") else {time}
    if len(times) != 1:
        raise Unread(
            f"gives its U-Net {len(times)} timesteps in one batch; this recorder reads batches of"
            " one"
        )
    return given["sample"], float(times.pop()), given["encoder_hidden_states"]


def guidance_scale(pipe: Any, given: dict[str, Any]) -> float | None:
    """Return the scale of this evaluation; None if neither pipeline nor call has it."""
    scale = getattr(pipe, "guidance_scale", None)
    if scale is None:
        scale = given.get("guidance_scale")
    return None if scale is None else float(scale)


def guidance_rescale(pipe: Any, given: dict[str, Any]) -> float:
    """Return the guidance rescale of this evaluation, 0 ... 1."""
    rescale = getattr(pipe, "guidance_rescale", None)
    return float((given.get("guidance_rescale") if rescale is None else rescale) or 0.0)


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
    scale = guidance_scale(pipe, given)
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
    if words is not None and tokenizer is not None and tokenizer.model_max_length == length:
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
