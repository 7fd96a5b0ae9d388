"""The Tokens page, first half: the prompt as pieces, beside another, and the tensors made of it."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained, opening, plain
from dashboard.views.tokens.data import Reader, encoded, model_in_memory, readers
from dashboard.views.tokens.tables import show_table
from dashboard.widgets.experiment_controls import PROMPT
from dashboard.worker.snapshots import ModelView
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from sdlab.text.encoder import Encoding

_NAMES = {"text_encoder": "the first", "text_encoder_2": "the second"}
_LEGEND = (
    "A box is a word; a dashed line in it separates two of its pieces; below each piece is its id. "
    "Bytes in hex are part of one letter."
)
_UNSEEN = "Words with a wavy line: the embedded model never saw them in training."
_DIFFERS = "Pieces under a red bar: the other prompt holds another token at that position."
_ABOUT_IDS = (
    "One number a position, always 77 of them: this is all that the text encoder reads. "
    "Hover a cell for its piece."
)
_ABOUT_MASK = {
    False: "1 on start, words and end, 0 on pads. The tokenizer makes it, but this model's "
    "pipeline does not use it: the pads take part like any other token, and their vectors guide "
    "the picture too (Toker et al. 2025, arXiv 2501.06751).",
    True: "1 on start, words and end, 0 on pads. This model's pipeline passes it to the encoder, "
    "which then never looks at the pads.",
}


def tokens_page() -> None:
    """Draw the prompts, their pieces and tensors, and what the text encoder makes of them."""
    from dashboard.views.tokens.attention import attention_section
    from dashboard.views.tokens.vectors import vectors_section

    prompt, other = _prompts()
    with explained():
        with opening():
            model = model_in_memory()
        if model is None:
            st.warning("No model is in memory; load one on the Models page.")
            return
        reader = _reader(model)
        encoding = encoded(reader, prompt)
        second = encoded(reader, other) if other else None
        _pieces(encoding, second, model)
        st.header("What the text encoder reads", anchor=False)
        _tensors(encoding, model)
        st.header("The vector of each position", anchor=False)
        vectors_section(reader, prompt, other)
        st.header("How the positions look at each other", anchor=False)
        attention_section(reader, prompt)


def _reader(model: ModelView) -> Reader:
    """Return the text encoder to look at; drawn as a choice where the model has two."""
    found = readers(model.hash)
    if len(found) == 1:
        return found[0]
    chosen = bound().segmented_control(
        "Tokenizer and text encoder",
        [reader.part for reader in found],
        format_func=_NAMES.get,
        default=found[0].part,
        key="tokens.part",
        help="This model reads the prompt twice, with two tokenizers and two text encoders, and "
        "joins their vectors for each position.",
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


def _pieces(encoding: "Encoding", second: "Encoding | None", model: ModelView) -> None:
    both = [encoding] if second is None else [encoding, second]
    differs = _differences(encoding, second)
    unseen = False
    for place, one in zip(st.columns(len(both), gap="medium"), both, strict=True):
        with place:
            unseen |= _one_prompt(one, differs, model)
    captions = [_LEGEND, _UNSEEN if unseen else "", _DIFFERS if differs else ""]
    st.caption(" ".join(filter(None, captions)))
    if second is not None:
        st.markdown(_compared(encoding, second, differs))


def _one_prompt(encoding: "Encoding", differs: set[int], model: ModelView) -> bool:
    from dashboard.views.tokens.pieces import pieces_html
    from sdlab.text.notes import prompt_notes, unseen

    table = encoding.tokens
    marked: set[int] = set()
    if model.name == EMBEDDED:
        marked = set(table.loc[unseen(table), "position"])
    st.html(pieces_html(table, marked, differs))
    for note in prompt_notes(encoding.prompt, table):
        cut = "cut off" in note
        show = st.warning if cut else st.info
        show(plain(note), icon=f":material/{'content_cut' if cut else 'info'}:")
    return bool(marked)


def _differences(encoding: "Encoding", second: "Encoding | None") -> set[int]:
    if second is None:
        return set()
    return {i for i, same in enumerate(encoding.ids == second.ids) if not same}


def _compared(encoding: "Encoding", second: "Encoding", differs: set[int]) -> str:
    if not differs:
        return "Both prompts become the same 77 tokens: to the model they are one prompt."
    first = min(differs)
    places = "1 position holds" if len(differs) == 1 else f"{len(differs)} of 77 positions hold"
    before = "that of position 0 is" if first == 1 else f"those of positions 0 to {first - 1} are"
    return (
        f"{places} another token, the first at position {first}. CLIP reads from left to right "
        f"only: of the vectors, {before} the same for both, and all {77 - first} from there on "
        "may differ, the pads too."
    )


def _tensors(encoding: "Encoding", model: ModelView) -> None:
    from dashboard.views.tokens.pieces import grid_html
    from sdlab.text.notes import unseen
    from sdlab.text.tokens import unique_tokens

    table = encoding.tokens
    ids, mask = st.columns(2, gap="medium")
    with ids:
        st.markdown("**Token ids**, int64 [1, 77]")
        st.html(grid_html(table, "id", "Token ids by position, eleven a row"))
        st.caption(_ABOUT_IDS)
    with mask:
        st.markdown("**Attention mask**, int64 [1, 77]")
        st.html(grid_html(table, "mask", "Attention mask by position, eleven a row"))
        st.caption(_ABOUT_MASK[encoding.masks_pads])
    every, unique = st.tabs(["By position", "Unique tokens"])
    with every:
        shown = table.assign(unseen=unseen(table)) if model.name == EMBEDDED else table
        show_table(shown, "tokens", "One row a position; what was cut comes last.")
    with unique:
        show_table(unique_tokens(table), "unique_tokens", "The counts add up to 77.")
