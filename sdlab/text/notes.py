"""What a person should be told about a prompt: what was cut, what is not parsed, what is unknown.

Some programs read weights and commands in a prompt: ``(word:1.2)``, ``((word))``, ``word++``,
``<lora:name:0.8>``, ``BREAK``. CLIP does not, nor does this laboratory: brackets and digits are
tokens like any other.
"""

import re

import pandas as pd

from sdlab.embedded import known_words

_SYNTAX = {
    "weights such as (word:1.2)": re.compile(r"[(\[][^()\[\]]*:\s*[+-]?\d*\.?\d+\s*[)\]]"),
    "emphasis such as ((word))": re.compile(r"\(\(.*?\)\)|\[\[.*?\]\]"),
    "emphasis such as word++": re.compile(r"\w(\+{2,}|-{2,})(?!\w)"),
    "<lora:...> and its like": re.compile(r"<(lora|lyco|hypernet):[^<>]*>"),
    "BREAK": re.compile(r"\bBREAK\b"),
}


def unparsed(prompt: str) -> list[str]:
    """Return the kinds of weighting syntax in a prompt, none of which is parsed."""
    return [name for name, pattern in _SYNTAX.items() if pattern.search(prompt)]


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
    that training never touched: it makes the prompt longer and says nothing.
    """
    known = known_words() | {","}
    return (table["kind"] == "word") & ~table["word"].str.lower().isin(known)


def prompt_notes(prompt: str, table: pd.DataFrame) -> list[str]:
    """Return what to tell about a prompt, one sentence each; empty if there is nothing.

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
    for name in unparsed(prompt):
        out.append(f"The prompt holds {name}: not parsed here, read as plain text.")
    pads = set(table.loc[table["kind"] == "pad", "id"])
    typed = table[(table["kind"] == "word") & table["id"].isin(pads)]
    if len(typed):
        text = typed["piece"].iloc[0]
        out.append(f"{text!r} in the prompt is the very token that this tokenizer pads with.")
    return out
