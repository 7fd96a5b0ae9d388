"""Prompts drawn as the pieces they are cut into, and the two tensors as compact grids.

All of it is HTML made of a ``tokens`` table; colours follow the theme, and nothing is told by
colour alone: kinds are written out, what was cut is struck out, and each piece says what it is.
"""

import html
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from dashboard.components.browser_files import style

if TYPE_CHECKING:
    import pandas as pd

HUES = ("#6667ff", "#d25200", "#00948e", "#c33dbd", "#997e00", "#0089ca")
COLUMNS = 11


def pieces_html(
    table: "pd.DataFrame", unseen: Collection[int] = (), differs: Collection[int] = ()
) -> str:
    """Return a prompt as coloured pieces: a box a word, its pieces joined; pads as one box.

    Args:
        table: As ``sdlab.tokens`` gives it.
        unseen: Positions of pieces that the model never saw in training.
        differs: Positions at which another prompt holds another token.
    """
    boxes = []
    rows = table[table["kind"] != "pad"]
    group = rows["word_index"].fillna(-1).astype(int).where(rows["kind"] == "word", -1)
    previous = None
    for number, row in zip(group, rows.to_dict("records"), strict=True):
        key = (number, row["cut"]) if number >= 0 else None
        piece = _piece(row, row["position"] in unseen, row["position"] in differs)
        if key is not None and key == previous:
            boxes[-1][1].append(piece)
        else:
            boxes.append((_box(number, row["cut"]), [piece]))
        previous = key
        if row["kind"] == "end":
            boxes += _pads(table, differs)
    if not (rows["kind"] == "end").any():
        boxes += _pads(table, differs)
    inner = "".join(f"<span {how}>{''.join(parts)}</span>" for how, parts in boxes)
    return f'{style(__file__)}<div class="pieces" role="list">{inner}</div>'


def grid_html(table: "pd.DataFrame", column: str, caption: str) -> str:
    """Return a tensor of the positions as a grid, eleven a row.

    Args:
        table: As ``sdlab.tokens`` gives it.
        column: "id" or "mask".
        caption: What the grid is, for those who cannot see it.
    """
    kept = table[~table["cut"]].to_dict("records")
    lines = []
    for first in range(0, len(kept), COLUMNS):
        cells = "".join(
            f'<td class="{row["kind"]}" title="{_about(row)}"><span>{row[column]}</span></td>'
            for row in kept[first : first + COLUMNS]
        )
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'{style(__file__)}<div class="tensor"><table aria-label="{html.escape(caption)}">'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _box(number: int, cut: bool) -> str:
    kind = "word" if number >= 0 else "word plain"
    hue = f' style="--hue:{HUES[number % len(HUES)]}"' if number >= 0 else ""
    return f'class="{kind}{" cut" if cut else ""}"{hue}'


def _piece(row: dict[Any, Any], unseen: bool, differs: bool) -> str:
    marks = f"{' unseen' if unseen else ''}{' differs' if differs else ''}"
    is_text = row["kind"] not in ("start", "end", "pad")
    text = row["text"] if is_text else row["kind"]
    partial = is_text and text.replace(" ", "").isalnum() and text.upper() == text != text.lower()
    about = _about(row, unseen, differs)
    shown = "bytes" if partial else "text"
    return (
        f'<span class="piece{marks}" role="listitem" title="{about}" aria-label="{about}">'
        f'<span class="{shown}">{html.escape(text)}</span>'
        f'<span class="id">{row["id"]}</span></span>'
    )


def _pads(table: "pd.DataFrame", differs: Collection[int]) -> list[tuple[str, list[str]]]:
    pads = table[table["kind"] == "pad"]
    if pads.empty:
        return []
    first, last = int(pads["position"].iloc[0]), int(pads["position"].iloc[-1])
    id_, mask = int(pads["id"].iloc[0]), int(pads["mask"].iloc[0])
    other = sum(p in differs for p in pads["position"])
    about = f"{len(pads)} pads, positions {first} to {last}, id {id_}, mask {mask}"
    about += f"; at {other} of them the other prompt holds another token" if other else ""
    piece = (
        f'<span class="piece{" differs" if other else ""}" role="listitem" title="{about}" '
        f'aria-label="{about}"><span class="text">pad &times; {len(pads)}</span>'
        f'<span class="id">{id_}</span></span>'
    )
    return [('class="word plain"', [piece])]


def _about(row: dict[Any, Any], unseen: bool = False, differs: bool = False) -> str:
    parts = [f"position {row['position']}", f"id {row['id']}", f"entry {row['piece']}"]
    if row["kind"] == "word":
        parts.append(f"of the word {row['word']}")
    else:
        parts.append(str(row["kind"]))
    parts.append("cut off" if row["cut"] else f"mask {row['mask']}")
    if unseen:
        parts.append("never seen in training")
    if differs:
        parts.append("another token in the other prompt")
    return html.escape(", ".join(parts))
