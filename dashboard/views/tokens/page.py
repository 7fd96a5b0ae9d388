"""The Tokens page, first half: the prompt as pieces, beside another, and the tensors made of it."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained, opening, plain
from dashboard.shell.model_choice import say_no_model
from dashboard.shell.navigation import link_to
from dashboard.views.tokens.data import (
    Reader,
    model_in_memory,
    network_segments,
    read,
    readers,
)
from dashboard.views.tokens.padding import PADS_ACT, padding_in_words, received_in_words
from dashboard.views.tokens.tables import show_table
from dashboard.widgets.experiment_controls import PROMPT
from dashboard.worker.snapshots import ModelView
from sdlab.shipped import SHIPPED

if TYPE_CHECKING:
    from sdlab.text.tokenized import Tokenized

_PLACES = {
    "text_encoder": "the first",
    "text_encoder_2": "the second",
    "text_encoder_3": "the third",
    "text_encoder_4": "the fourth",
}
_LEGEND = "A box is a word, with its pieces and their ids."
_UNSEEN = "Wavy: the model never saw them in training."
_DIFFERS = "Red bar: the other prompt holds another token there."
_HOW_TO_READ = (
    "A dashed line in a box separates two pieces of its word; below each piece is its id. Bytes in "
    "hex are part of one letter."
)
_ABOUT_IDS = "This is all that the text encoder reads. Hover a cell for its piece."
VECTORS, ATTENTION = "The vector of each position", "How the positions look at each other"
CAUSES = "What a word does"
ALWAYS = ("CLIP",)
"""Tokenizers that fill up every prompt to the same number of positions."""
SHOWN = 77
_MASK = "1 on start, words and end, 0 on pads, as the tokenizer makes it."
_UNREAD = (
    "The vectors of this text encoder are not read here: it is a language model of another kind "
    "than CLIP's and T5's. Its tokens above are what this model's pipeline gives it."
)


def tokens_page() -> None:
    """Draw the prompts, their pieces and tensors, and what the text encoder makes of them."""
    from dashboard.views.tokens.attention import attention_section
    from dashboard.views.tokens.causes import causes_section
    from dashboard.views.tokens.vectors import vectors_section

    prompt, other = _prompts()
    with explained():
        with opening():
            model = model_in_memory()
        if model is None:
            say_no_model()
            return
        reader = _reader(model)
        encoding = read(reader, prompt)
        second = read(reader, other) if other else None
        _pieces(encoding, second, model)
        link_to("experiment", "Make a picture of this prompt", **{"experiment.prompt": prompt})
        names = ["What the text encoder reads", *[VECTORS, ATTENTION] * reader.readable, CAUSES]
        tabs = dict(zip(names, st.tabs(names, key="tokens.tab", bind="query-params"), strict=True))
        with tabs[names[0]]:
            _tensors(encoding, model, reader)
            _network(reader, prompt)
            if not reader.readable:
                st.info(_UNREAD)
        if reader.readable:
            with tabs[VECTORS]:
                vectors_section(reader, prompt, other)
            with tabs[ATTENTION]:
                attention_section(reader, prompt)
        if tabs[CAUSES].open:
            with tabs[CAUSES]:
                causes_section(encoding, reader.part, model)


def _reader(model: ModelView) -> Reader:
    """Return the tokenizer to look at; drawn as a choice where the model has several."""
    found = readers(model.hash)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError("This model has no tokenizer of its own: it is not told words.")
    kinds = {reader.part: reader.name for reader in found}
    mixed = len(set(kinds.values())) > 1
    chosen = bound().segmented_control(
        "Tokenizer and text encoder",
        list(kinds),
        format_func=lambda part: _PLACES[part] + (f", {kinds[part]}" if mixed else ""),
        default=found[0].part,
        key="tokens.part",
        help="This model reads the prompt several times, with a tokenizer and a text encoder each, "
        "and puts their vectors together.",
    )
    return next(reader for reader in found if reader.part == chosen)


def _prompts() -> tuple[str, str]:
    left, right = st.columns(2, gap="medium")
    prompt = bound(left).text_area("Prompt", PROMPT, key="tokens.prompt", height=84)
    other = bound(right).text_area(
        "Another prompt",
        key="tokens.other",
        height=84,
        placeholder="to compare with; may stay empty",
    )
    return prompt or "", (other or "").strip()


def _pieces(encoding: "Tokenized", second: "Tokenized | None", model: ModelView) -> None:
    both = [encoding] if second is None else [encoding, second]
    differs = _differences(encoding, second)
    unseen = False
    for place, one in zip(st.columns(len(both), gap="medium"), both, strict=True):
        with place:
            unseen |= _one_prompt(one, differs, model)
    captions = [_LEGEND, _UNSEEN if unseen else "", _DIFFERS if differs else ""]
    st.caption(" ".join(filter(None, captions)), help=_HOW_TO_READ)
    if second is not None:
        st.markdown(_compared(encoding, second, differs))


def _one_prompt(encoding: "Tokenized", differs: set[int], model: ModelView) -> bool:
    from dashboard.views.tokens.pieces import pieces_html
    from sdlab.text.notes import prompt_notes, unseen

    table = encoding.tokens
    marked: set[int] = set()
    if model.name in SHIPPED:
        marked = set(table.loc[unseen(table), "position"])
    st.html(pieces_html(table, marked, differs))
    for note in prompt_notes(encoding.prompt, table):
        cut = "cut off" in note
        show = st.warning if cut else st.info
        show(plain(note), icon=f":material/{'content_cut' if cut else 'info'}:")
    return bool(marked)


def _differences(encoding: "Tokenized", second: "Tokenized | None") -> set[int]:
    if second is None:
        return set()
    shared = min(len(encoding.ids), len(second.ids))
    longest = max(len(encoding.ids), len(second.ids))
    differ = {i for i in range(shared) if encoding.ids[i] != second.ids[i]}
    return differ | set(range(shared, longest))


def _compared(encoding: "Tokenized", second: "Tokenized", differs: set[int]) -> str:
    count = max(len(encoding.ids), len(second.ids))
    if not differs:
        return f"Both prompts become the same {count} tokens: to the model they are one prompt."
    first = min(differs)
    many = f"{len(differs)} of {count} positions hold"
    places = "1 position holds" if len(differs) == 1 else many
    said = f"{places} another token, the first at position {first}. "
    causal = getattr(encoding, "causal", None)
    if causal is None:
        return said
    if not causal:
        return (
            said + "T5 reads in both directions: any of the vectors may differ, those of equal "
            "tokens too."
        )
    before = "that of position 0 is" if first == 1 else f"those of positions 0 to {first - 1} are"
    return (
        f"{said}CLIP reads from left to right only: of the vectors, {before} the same for both, "
        f"and all {count - first} from there on may differ, the pads too."
    )


def _network(reader: Reader, prompt: str) -> None:
    """Say which positions of the network's text are whose, where that is not plain."""
    parts = [one.part for one in readers(reader.model)]
    told = network_segments(reader.model, prompt) if len(parts) > 1 or not reader.readable else None
    if told is None or told[1].empty:
        return
    count, table = told
    said = []
    for _, rows in table.groupby(["first", "last"]):
        first, last, own = (int(rows[name].iloc[0]) for name in ("first", "last", "own"))
        whose = [_PLACES[name.replace("tokenizer", "text_encoder")] for name in rows["tokenizer"]]
        text = f"{first} to {last - 1} are {' and '.join(whose)}'s"
        text += ", side by side" if len(whose) > 1 else ""
        said.append(text + (f", from its position {own} on" if own else ""))
    st.markdown(f"**The network's text** has {count} positions: {'; '.join(said)}.")


def _tensors(encoding: "Tokenized", model: ModelView, reader: Reader) -> None:
    from dashboard.views.tokens.pieces import grid_html
    from sdlab.text.notes import unseen
    from sdlab.text.tokens import unique_tokens

    table, count = encoding.tokens, len(encoding.ids)
    if reader.name in ALWAYS and reader.readable:
        st.markdown(received_in_words(encoding))
    first = max(SHOWN, encoding.end + 1)
    cells = table[table["position"] < first]
    rest = f"; shown are the first {first}, the rest are pads" if count > first else ""
    always = f"always {count}" if reader.name in ALWAYS else str(count)
    ids, mask = st.columns(2, gap="medium")
    with ids:
        st.markdown(f"**Token ids**, int64 [1, {count}]")
        st.html(grid_html(cells, "id", "Token ids by position, eleven a row"))
        st.caption(f"One number a position, {always}{rest}.", help=_ABOUT_IDS)
    with mask:
        st.markdown(f"**Attention mask**, int64 [1, {count}]")
        st.html(grid_html(cells, "mask", "Attention mask by position, eleven a row"))
        seen, more = padding_in_words(encoding)
        st.caption(seen, help=f"{_MASK} {more}".strip())
        if PADS_ACT in seen:
            words = {"attention.prompt": encoding.prompt, "attention.view": "Over the steps"}
            link_to("attention", "Record how much attention the pads get", **words)
            fields = {"tokens.prompt": encoding.prompt, "tokens.tab": CAUSES}
            link_to("tokens", "Do they matter? Change them and draw", **fields)
    every, unique = st.tabs(["By position", "Unique tokens"])
    with every:
        shown = table.assign(unseen=unseen(table)) if model.name in SHIPPED else table
        show_table(shown, "tokens", "One row a position; what was cut comes last.")
    with unique:
        show_table(unique_tokens(table), "unique_tokens", f"The counts add up to {count}.")
