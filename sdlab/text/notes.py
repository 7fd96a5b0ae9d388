"""Notes on a prompt for the user: what was cut off, what is not parsed, what is unknown.

Some programs read weights and commands in a prompt: ``(word:1.2)``, ``((word))``, ``word++``,
``[cat|dog]``, ``<lora:name:0.8>``, ``BREAK``, ``AND`` (AUTOMATIC1111, ComfyUI, compel, NovelAI,
dynamic prompts). Neither CLIP nor sdlab does: brackets and digits are tokens like any other.
"""

import math
import re

import pandas as pd

from sdlab.embedded import known_words
from sdlab.models.guidance import TRUE, Guidance
from sdlab.text.spelling import spelled

_SYNTAX = {
    "weights such as (word:1.2)": re.compile(r"[(\[][^()\[\]]*:\s*[+-]?\d*\.?\d+\s*[)\]]"),
    # (?>...) tries the first opening only, so that a long row of them takes no longer.
    "emphasis such as ((word))": re.compile(
        r"\A(?:(?>.*?\(\().*\)\)|(?>.*?\[\[).*\]\]|(?>.*?\{\{).*\}\})", re.DOTALL
    ),
    "emphasis such as word++": re.compile(r"\w(\+{2,}|-{2,})(?!\w)"),
    "emphasis such as (two words)++": re.compile(r"[)\"'](\++|-+)(?![\w+-])"),
    "alternation such as [a|b]": re.compile(r"\[[^\[\]|]*\|[^\[\]]*\]"),
    "a choice such as {a|b}": re.compile(r"\{[^{}|]*\|[^{}]*\}"),
    "a wildcard such as __animal__": re.compile(r"(?<!\w)__\w+__(?!\w)"),
    ".and(), .blend() or .swap()": re.compile(r"[)\"']\.(and|blend|swap)\("),
    "<lora:...> and its like": re.compile(r"<(lora|lyco|hypernet):[^<>]*>|\bembedding:\w"),
    "BREAK": re.compile(r"\bBREAK\b"),
    "AND": re.compile(r"\bAND\b"),
}


def unparsed(prompt: str) -> list[str]:
    """Return the kinds of weighting syntax in a prompt, none of which is parsed."""
    return [name for name, pattern in _SYNTAX.items() if pattern.search(prompt)]


def unparsed_note(prompt: str, what: str = "prompt") -> list[str]:
    """Return a sentence for each kind of weighting syntax in a prompt.

    Args:
        prompt: The text.
        what: What it is called.
    """
    return [
        f"The {what} holds {name}: not parsed here, read as plain text."
        for name in unparsed(prompt)
    ]


def ignored_negative(
    negative_prompt: str, guidance_scale: float, guided: bool = False, by_true_cfg: bool = False
) -> str:
    """Return the sentence for a negative prompt that does nothing; "" if it acts or is empty.

    It replaces the empty prompt in guidance, so without guidance it is not used.

    Args:
        negative_prompt: The text.
        guidance_scale: Of the experiment.
        guided: Whether the network uses guidance; a distilled one does not at any scale.
        by_true_cfg: Whether ``true_cfg_scale`` is what guides this model by a negative prompt.
    """
    if not negative_prompt.strip() or guided:
        return ""
    if by_true_cfg:
        return "The negative prompt is ignored: it acts through true_cfg_scale; set that above 1."
    if guidance_scale > 1:
        return "The negative prompt is ignored: this model has its guidance within and needs none."
    return (
        f"The negative prompt is ignored: it acts through guidance, and at guidance_scale"
        f" {guidance_scale:g} there is none. Set it above 1."
    )


def negative_note(
    negative_prompt: str,
    guidance: Guidance,
    guidance_scale: float,
    true_cfg_scale: float | None = None,
) -> str:
    """Return the sentence for a negative prompt that does nothing on a model; "" if it acts.

    Args:
        negative_prompt: The text.
        guidance: What makes it act on that model.
        guidance_scale: Of the experiment.
        true_cfg_scale: Of the experiment.
    """
    acts = guidance.acts(guidance_scale, true_cfg_scale)
    scale = guidance_scale if guidance.by else math.inf  # no scale would help
    return ignored_negative(negative_prompt, scale, acts, guidance.by == TRUE)


def ignored_scale(guidance_scale: float, default: float) -> str:
    """Return the sentence for a guidance scale that was set on a model that reads none; else "".

    Args:
        guidance_scale: Of the experiment.
        default: What it is if nobody sets it.
    """
    if guidance_scale == default or guidance_scale <= 1:  # 1 is none, which is what there is
        return ""
    return (
        f"guidance_scale {guidance_scale:g} is ignored: this network was not distilled with one"
        " (guidance_embeds is False). true_cfg_scale above 1 guides it."
    )


def cut_off(prompt: str, table: pd.DataFrame) -> str:
    """Return the end of the prompt that the 77-token limit cut off; "" if all of it fits.

    Args:
        prompt: The text.
        table: Its ``sdlab.tokens``.
    """
    cut = table[table["cut"]]
    return "" if cut.empty else prompt[int(cut["first"].iloc[0]) :].strip()


def unseen(table: pd.DataFrame) -> pd.Series:
    """Return for each row whether it is of a word that the embedded model never saw in training.

    Captions held ``known_words`` and commas. Any other piece, also "." and emoji, has an embedding
    that training never changed: it makes the prompt longer and means nothing.
    """
    known = known_words() | {","}
    return (table["kind"] == "word") & ~table["word"].map(spelled).isin(known)


def prompt_notes(prompt: str, table: pd.DataFrame) -> list[str]:
    """Return the notes on a prompt, one sentence each; empty if there are none.

    Args:
        prompt: The text.
        table: Its ``sdlab.tokens``.
    """
    out = []
    cut = int(table["cut"].sum())
    if cut:
        noun = "token does" if cut == 1 else "tokens do"
        rest = cut_off(prompt, table)
        out.append(f"{cut} {noun} not fit into the sequence and are cut off: {rest[:300]!r}.")
    out += unparsed_note(prompt)
    pads = set(table.loc[table["kind"] == "pad", "id"])
    typed = table[(table["kind"] == "word") & table["id"].isin(pads)]
    if len(typed):
        text = typed["piece"].iloc[0]
        out.append(f"{text!r} in the prompt is the very token that this tokenizer pads with.")
    return out
