"""The stations of the words: tokens, text encoder, attention."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.tokens import cosine_map
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.navigation import link_to
from dashboard.shell.state import session_id
from dashboard.views.learn.lesson import Lesson, number
from dashboard.views.learn.station import Equations, Station, Way
from dashboard.widgets.clearest_word import clearest_word
from dashboard.widgets.figure import figure
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.prompt_pieces import pieces_html, pieces_of

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.models.model import Model

KINDS = {
    "start": "start",
    "template": "template",
    "word": "pieces",
    "end": "end",
    "pad": "padding",
}
MOST_POSITIONS = 40


def own_tokens(lesson: Lesson) -> "pd.DataFrame":
    """Return the tokens of the prompt, by the first tokenizer, without what was cut off."""
    tokens = lesson.run.tokens
    rows = tokens[(tokens["prompt"] == "prompt") & ~tokens["cut"].astype(bool)]
    if "tokenizer" in rows and len(rows):
        rows = rows[rows["tokenizer"] == rows["tokenizer"].iloc[0]]
    return rows


def token_equations(lesson: Lesson) -> Equations:
    """Return how the positions add up, and what they are."""
    rows = own_tokens(lesson)
    counts = rows["kind"].value_counts()
    parts = [
        rf"\underbrace{{{counts[kind]}}}_{{\text{{{name}}}}}"
        for kind, name in KINDS.items()
        if counts.get(kind)
    ]
    ids = ", ".join(str(int(number)) for number in rows["id"][:10])
    return [rf"{' + '.join(parts)} = {len(rows)}"], f"The numbers: {ids}, …"


def draw_tokens(lesson: Lesson) -> None:
    """Draw the pieces of the prompt."""
    pieces = pieces_of(lesson.run.tokens)
    with st.container(width=320):
        st.html(pieces_html(pieces))
    count = len(pieces)
    st.caption(
        f"Your prompt is {count} piece{'' if count == 1 else 's'}, each over its number: "
        "this is all that is left of the letters."
    )


def without_last_word(prompt: str) -> str:
    """Return a prompt without its last word; one of a single word as it is."""
    return prompt.rsplit(maxsplit=1)[0] if len(prompt.split()) > 1 else prompt


def try_tokens(lesson: Lesson) -> Way:
    """Return the way to the prompt with a word left out."""
    prompt = lesson.experiment.prompt
    fields = {"tokens.prompt": without_last_word(prompt), "tokens.other": prompt}
    return Way(
        "Leave out the last word, and see which of the positions change: all after it, the "
        "padding too.",
        "tokens", "Tokens with a word left out", fields,
    )  # fmt: skip


def _vectors(lesson: Lesson) -> "tuple[pd.DataFrame, int, int] | None":
    """Return the cosines of a prompt's vectors, their number and length, by the model in memory."""
    model, made = lab().status().model, lesson.stored.manifest["model"]
    if model is None or model.hash != made.get("hash"):
        return None
    return _cosines(model.hash, lesson.experiment.prompt)


@st.cache_data(max_entries=24, show_spinner="Encoding the prompt …")
def _cosines(model_hash: str, prompt: str) -> "tuple[pd.DataFrame, int, int] | None":
    from sdlab.text.encoder import encode
    from sdlab.text.similar import cosine_table

    def run(model: "Model") -> "tuple[pd.DataFrame, int, int] | None":
        try:
            found = encode(model, prompt)
        except ValueError:  # an encoder whose vectors cannot be read
            return None
        last = min(found.end, MOST_POSITIONS)
        return cosine_table(found, "contextual", last), *found.contextual.shape

    return lab().ask(run, model_hash, session_id())


def draw_encoder(lesson: Lesson) -> None:
    """Draw how alike the vectors of the prompt's tokens are."""
    found = _vectors(lesson)
    if found is None:
        st.info(
            "The vectors are computed by the text encoder of the model that made this run. Load "
            f"{plain(lesson.experiment.model)} to see them.",
            icon=":material/deployed_code:",
        )
        link_to("models")
        return
    figure(
        cosine_map(found[0], "Cosine of the vectors of your prompt"),
        "Bright cells point the same way; a word's vector has taken up those before it.",
        alt="Cosine between every two contextual embeddings of the prompt",
    )


def encoder_equations(lesson: Lesson) -> Equations:
    """Return what the encoder computes, with the shape and two cosines of the prompt."""
    symbols = [
        r"c = \mathrm{Encoder}(e + p)",
        r"\cos(c_i, c_j) = \frac{c_i \cdot c_j}{\lVert c_i \rVert\,\lVert c_j \rVert}",
    ]
    found = _vectors(lesson)
    if found is None:
        return symbols, ""
    table, count, width = found
    last = int(table["row"].max())
    shown = [rf"c \in \mathbb{{R}}^{{{count} \times {width}}}"]
    if last >= 2:
        at = table.set_index(["row", "column"])["cosine"]
        shown.append(rf"\cos(c_1, c_{{{last}}}) = {number(float(at[last, 1]))}")
    return [*symbols, *shown], ""


def try_encoder(lesson: Lesson) -> Way:
    """Return the way to the vectors of the prompt."""
    return Way(
        "Compare the token table's rows with what the encoder makes of them: the same word at two "
        "places has one row, and two vectors.",
        "tokens", "Vectors of your prompt", {"tokens.prompt": lesson.experiment.prompt},
    )  # fmt: skip


def _found_word(lesson: Lesson) -> tuple[str, bytes] | None:
    folder, created = str(lesson.stored.folder), str(lesson.stored.manifest["created"])
    return clearest_word(folder, created, lesson.experiment.model)


def draw_attention(lesson: Lesson) -> None:
    """Draw where the clearest word of the prompt is read."""
    found = _found_word(lesson)
    if found is None:
        st.info(
            "This run recorded no attention. The Attention page makes the same run again and "
            "records it.",
            icon=":material/visibility:",
        )
        return
    word, shown = found
    with st.container(width=380):
        draw_picture(shown, f"Where the word {word} is read in the picture")
    st.caption(f"Bright: places that gather from “{plain(word)}”, mean over the steps recorded.")


def attention_equations(lesson: Lesson) -> Equations:
    """Return the softmax, with the shares of the clearest word."""
    symbols = r"A = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt d}\right),\quad y = A V"
    found = _found_word(lesson)
    if found is None:
        return [symbols], ""
    table = lesson.run.attention
    rows = table[(table["half"] == "cond") & (table["word"] == found[0].split(" (")[0])]
    if rows.empty:
        return [symbols], ""
    best = rows.sort_values("peak").iloc[-1]
    tokens = len(own_tokens(lesson))
    size = rf"A \in \mathbb{{R}}^{{{_cells(str(best['grid']))} \times {tokens}}}"
    return [symbols, size], (
        f"Of what the places gather, “{plain(found[0])}” has {float(best['mass']):.1%} on average, "
        f"and {float(best['peak']):.0%} at most, at one place in evaluation "
        f"{int(best['evaluation'])}."
    )


def _cells(grid: str) -> int:
    """Return the cells of a grid such as "32x32"."""
    width, _, height = grid.partition("x")
    return int(width) * int(height)


def try_attention(lesson: Lesson) -> Way:
    """Return the way to the run's attention."""
    return Way(
        "Choose two words, and go through the steps: early a word spreads over the picture, late "
        "it is at its object.",
        "attention", "Attention of this run",
        {"run": lesson.run.id, "attention.of": "A run"},
    )  # fmt: skip


TOKENS = Station(
    "Tokens",
    "What does the model read of your words?",
    "It knows no letters. A fixed list holds pieces of words, CLIP's 49,408 of them, each with a "
    "number. The prompt is cut into the pieces that the list joins first; a start token, an end "
    "token and padding make it as long as every other prompt.",
    draw_tokens,
    token_equations,
    ("tokenizer:Tokenizer.merged",),
    try_tokens,
)
ENCODER = Station(
    "Encoder",
    "How does a number become a meaning?",
    "Each token is a row of a table (e), plus a vector for its place (p). Then block after block "
    "lets every token gather from those before it, so that *red* and *car* end as one thing. The "
    "network is given all of these vectors, those of the padding too.",
    draw_encoder,
    encoder_equations,
    ("text_encoder:TextEncoder.forward", "text_encoder:Block.forward"),
    try_encoder,
)
ATTENTION = Station(
    "Attention",
    "How does a word reach its place in the picture?",
    "Every place of the picture asks a query Q, every token answers with a key K. The softmax "
    "shares a weight of 1 out among the tokens, and the place takes their values V in these "
    "shares. No other way leads from the words into the U-Net.",
    draw_attention,
    attention_equations,
    ("unet:Attention.forward",),
    try_attention,
)
