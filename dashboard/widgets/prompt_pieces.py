"""The pieces of a prompt as boxes, each over its id."""

import html
from typing import TYPE_CHECKING

from dashboard.components.browser_files import style

if TYPE_CHECKING:
    import pandas as pd

MOST_PIECES = 12


def pieces_of(tokens: "pd.DataFrame") -> list[tuple[str, int]]:
    """Return the pieces of the prompt's words, each with its id.

    Args:
        tokens: A run's table.
    """
    rows = tokens[(tokens["prompt"] == "prompt") & (tokens["kind"] == "word") & ~tokens["cut"]]
    if "tokenizer" in rows:
        rows = rows[rows["tokenizer"] == rows["tokenizer"].iloc[0]] if len(rows) else rows
    texts = rows["piece"].str.replace(r"</w>|^\u2581|^\u0120", "", regex=True)
    return list(zip(texts, rows["id"].astype(int), strict=True))


def pieces_html(pieces: list[tuple[str, int]]) -> str:
    """Return the pieces as a square of boxes, each over its id."""
    boxes = "".join(
        f"<li>{html.escape(text)}<small>{number}</small></li>"
        for text, number in pieces[:MOST_PIECES]
    )
    more = "<li>…</li>" if len(pieces) > MOST_PIECES else ""
    return f'{style(__file__)}<ul class="prompt-pieces">{boxes}{more}</ul>'
