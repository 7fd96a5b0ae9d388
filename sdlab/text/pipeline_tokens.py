"""The tokens of a run: of every prompt, by every tokenizer of its pipeline.

What the encoders were really given is taken from ``reading``; the prompt is looked for in it, and
what stands around it is the tokenizer's own start and end, pads, or the pipeline's template.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.columns import TOKENS
from sdlab.text.parts import positions_of, tokenizers
from sdlab.text.reading import Reading
from sdlab.text.tokens import Pieces, Row, cut_tokens, specials

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment

Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PromptText:
    """One prompt as one tokenizer cuts it.

    Attributes:
        prompt: "prompt" or "negative"; "prompt_2", "negative_2", ... where it has words of its own.
        tokenizer: "tokenizer", "tokenizer_2", ...
        table: As ``sdlab.tokens`` gives it; ``kind`` is "template" for what the pipeline wrote
            around the prompt, ``mask`` what the encoder was given, or else the tokenizer's own,
            ``cut`` also what the encoder read and the network was not given.
        reading: What the encoder was given; None if that was not seen.
    """

    prompt: str
    tokenizer: str
    table: pd.DataFrame
    reading: Reading | None

    @property
    def negative(self) -> bool:
        """Whether it is a negative prompt."""
        return self.prompt.startswith("negative")


def prompt_texts(
    pipeline: Any, experiment: "Experiment | Any", heard: Sequence[Reading] = ()
) -> list[PromptText]:
    """Return the prompts of an experiment as each tokenizer of a pipeline cuts them.

    Args:
        pipeline: A diffusers pipeline.
        experiment: Whose prompts; ``prompt_2`` and the like fall back on the first as in diffusers.
        heard: What the encoders were given in this run, see ``reading.readings``; without it the
            tokenizers alone are asked, and templates are not known.

    Returns:
        All prompts first, then all negative ones.
    """
    used: list[Reading] = []
    out = []
    for negative in (False, True):
        for part, tokenizer in tokenizers(pipeline).items():
            suffix = part.removeprefix("text_encoder")
            which, text = _words(experiment, suffix, negative)
            own = [one for one in heard if one.part == part]
            reading, pieces, place = _claimed(own, used, tokenizer, text)
            if reading is None:
                asked = getattr(experiment, "max_sequence_length", None)
                table = cut_tokens(tokenizer, text, positions_of(pipeline, part, asked))
            else:
                table = _read_table(tokenizer, pieces, reading, place)
            out.append(PromptText(which, f"tokenizer{suffix}", table, reading))
    return out


def pipeline_tokens(
    pipeline: Any, experiment: "Experiment | Any", heard: Sequence[Reading] = ()
) -> pd.DataFrame:
    """Return the ``tokens`` table of a run, with a column ``tokenizer`` where there are several.

    Args:
        pipeline: A diffusers pipeline.
        experiment: Whose prompts.
        heard: What the encoders were given in this run.
    """
    return token_table(prompt_texts(pipeline, experiment, heard), experiment.id)


def token_table(texts: Sequence[PromptText], run: str) -> pd.DataFrame:
    """Return the ``tokens`` table of a run, without negative prompts that were not encoded.

    Args:
        texts: Its prompts, see ``prompt_texts``.
        run: Its id.
    """
    heard = [text for text in texts if text.reading is not None]
    if heard and not any(text.negative for text in heard):
        texts = [text for text in texts if not text.negative]
    several = len({text.tokenizer for text in texts}) > 1
    columns = ["tokenizer", *TOKENS] if several else list(TOKENS)
    frames = [
        text.table.assign(run=run, prompt=text.prompt, tokenizer=text.tokenizer)[columns]
        for text in texts
    ]
    if not frames:
        return pd.DataFrame({name: [] for name in TOKENS})
    return pd.concat(frames, ignore_index=True)[_ordered(columns)]


def _ordered(columns: list[str]) -> list[str]:
    """Return the columns of the table, the tokenizer's after the prompt's."""
    own = [name for name in columns if name != "tokenizer"]
    place = own.index("prompt") + 1
    return [*own[:place], "tokenizer", *own[place:]] if len(own) < len(columns) else own


def _words(experiment: Any, suffix: str, negative: bool) -> tuple[str, str]:
    """Return what a tokenizer reads, and under which name: its own prompt, else the first."""
    field = "negative_prompt" if negative else "prompt"
    own = getattr(experiment, f"{field}{suffix}", None) if suffix else None
    short = "negative" if negative else "prompt"
    if own:
        return f"{short}{suffix}", own
    return short, getattr(experiment, field, None) or ""


def _claimed(
    heard: Sequence[Reading], used: list[Reading], tokenizer: Any, text: str
) -> tuple[Reading | None, Pieces, Span | None]:
    """Find the reading of a prompt among those of an encoder; add it to those that are used.

    Some pipelines make a prompt's letters small. An encoder reads a prompt before its negative
    prompt, so of what is not found the first that is left is taken.

    Returns:
        The reading, the prompt's pieces, and (first, last) of their positions in it, last excluded;
        None where they are not found.
    """
    pieces = [Pieces.of(tokenizer, text)]
    if len(text.lower()) == len(text) and text.lower() != text:
        pieces.append(Pieces.of(tokenizer, text.lower(), shown=text))
    left = [one for one in heard if not any(one is other for other in used)]
    for one in pieces:
        for reading in left:
            place = _place(one, reading.ids.tolist())
            if place is not None:
                used.append(reading)
                return reading, one, place
    new = [one for one in left if not any(np.array_equal(one.ids, other.ids) for other in used)]
    used += new[:1]
    return (new[0] if new else None), pieces[0], None


def _place(pieces: Pieces, ids: list[int]) -> Span | None:
    """Return (first, last) of the positions of a prompt's pieces in a sequence; None if not there.

    The last place where all stand, as a template may name the same words as an example; else the
    first from where they run into the end. The first piece may be another there, where it goes on
    from a template.
    """
    before, after = specials(pieces.tokenizer)
    if not pieces.ids:
        own = [*before, *after]
        rest = ids[len(own) :]
        same = ids[: len(own)] == own and len(set(rest)) <= 1
        return (len(before), len(before)) if same and (own or rest) else None
    end = len(ids) - len(after) if after and ids[-len(after) :] == after else len(ids)
    for skipped in (0, 1):
        wanted = pieces.ids[skipped:]
        if not wanted:
            continue
        for first in reversed(range(skipped, len(ids) - len(wanted) + 1)):
            if ids[first : first + len(wanted)] == wanted:
                return first - skipped, first + len(wanted)
        for first in range(max(skipped, end - len(wanted) + 1), end):
            if ids[first:end] == wanted[: end - first]:
                return first - skipped, end
    return None


def _read_table(
    tokenizer: Any, pieces: Pieces, reading: Reading, place: Span | None
) -> pd.DataFrame:
    """Return the token table of a prompt as its encoder was given it."""
    ids = reading.ids.tolist()
    kinds = _kinds(tokenizer, reading, place, pieces)
    first, last = place or (0, 0)
    end = len(ids) if reading.end is None else reading.end
    if "word" not in kinds[end:]:  # what is dropped behind the words is nothing that was asked for
        end = len(ids)
    rows: list[Row] = [
        (id_, kind, i - first if kind == "word" else None, i >= end)
        for i, (id_, kind) in enumerate(zip(ids, kinds, strict=True))
    ]
    if place is not None:
        rows += [(pieces.ids[i], "word", i, True) for i in range(last - first, len(pieces.ids))]
    table = pieces.table(rows)
    if reading.mask is not None:
        table.loc[: end - 1, "mask"] = reading.mask[:end]
    return table


def _kinds(tokenizer: Any, reading: Reading, place: Span | None, pieces: Pieces) -> list[str]:
    """Return the kind of each position of a reading.

    What is neither word nor pad is the tokenizer's own start and end if it is nothing else, and
    else all of it is the template.
    """
    ids, pads = reading.ids.tolist(), _pads(tokenizer, reading)
    if place is None:
        around = "unknown" if pieces.ids else "template"
        return ["pad" if pad else around for pad in pads]
    first, last = place
    words = [first <= i < last for i in range(len(ids))]
    rest = [i for i, pad in enumerate(pads) if not pad and not words[i]]
    before, after = specials(tokenizer)
    own = [ids[i] for i in rest] == [*before, *after]
    kinds = []
    for i, (word, pad) in enumerate(zip(words, pads, strict=True)):
        around = ("start" if i < first else "end") if own else "template"
        kinds.append("word" if word else "pad" if pad else around)
    return kinds


def _pads(tokenizer: Any, reading: Reading) -> list[bool]:
    """Return for each position whether it is a pad, by the mask, or else by the row at the end."""
    ids = reading.ids.tolist()
    if reading.mask is not None:
        return [not kept for kept in reading.mask]
    end = len(ids)
    while end and ids[end - 1] == tokenizer.pad_token_id:
        end -= 1
    if tokenizer.pad_token_id == tokenizer.eos_token_id and end < len(ids):
        end += 1  # the first of them is the end itself
    return [i >= end for i in range(len(ids))]
