"""Prompts drawn as the pieces that CLIP cuts them into, and the two tensors as compact grids.

All of it is HTML made of a ``tokens`` table; colours follow the theme, and nothing is told by
colour alone: kinds are written out, what was cut is struck out, and each piece says what it is.
"""

import html
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

HUES = ("#6667ff", "#d25200", "#00948e", "#c33dbd", "#997e00", "#0089ca")
COLUMNS = 11

_STYLE = """<style>
.pieces { display: flex; flex-wrap: wrap; gap: 0.45rem 0.3rem; line-height: 1.2;
  padding: 0; margin: 0.2rem 0; }
.pieces .word { display: inline-flex; max-width: 100%; flex-wrap: wrap; border-radius: 0.4rem;
  background: color-mix(in srgb, var(--hue) 17%, transparent);
  border: 1px solid color-mix(in srgb, var(--hue) 55%, transparent); }
.pieces .word.plain { --hue: #7d8499; }
.pieces .piece { display: inline-flex; flex-direction: column; align-items: center;
  padding: 0.22rem 0.42rem 0.18rem; min-width: 1.6rem; cursor: default; }
.pieces .piece + .piece { border-left: 1px dashed color-mix(in srgb, var(--hue) 75%, transparent);
}
.pieces .text { font-weight: 600; white-space: pre-wrap; overflow-wrap: anywhere; }
.pieces .bytes { font-family: monospace; font-size: 0.8rem; font-weight: 400; }
.pieces .id { margin-top: 0.15rem; font-size: 0.72rem; opacity: 0.8;
  font-variant-numeric: tabular-nums; }
.pieces .plain .text { font-weight: 400; font-style: italic; }
.pieces .unseen :is(.text, .bytes) { text-decoration: underline wavy light-dark(#b45309, #fbbf24);
  text-decoration-thickness: 1px; text-underline-offset: 3px; }
.pieces .cut :is(.text, .bytes) { text-decoration: line-through; text-decoration-thickness: 2px; }
.pieces .cut { border-style: dashed; background: none; opacity: 0.85; }
.pieces .differs { box-shadow: inset 0 3px 0 light-dark(#d0202c, #ff7f83);
  border-top-left-radius: 0.3rem; border-top-right-radius: 0.3rem; }
.tensor { overflow-x: auto; }
.tensor table { border-collapse: collapse; font-size: 0.74rem; width: 100%;
  font-variant-numeric: tabular-nums; margin: 0; }
.tensor th { font-weight: 400; opacity: 0.75; padding: 0 0.4rem 0 0; text-align: right;
  border: 0; }
.tensor td { border: 1px solid color-mix(in srgb, currentColor 16%, transparent);
  padding: 0.14rem 0.2rem; text-align: center;
  background: color-mix(in srgb, var(--hue) 20%, transparent); }
.tensor .start { --hue: #6667ff; font-weight: 600; }
.tensor .word { --hue: #d25200; }
.tensor .end { --hue: #00948e; font-weight: 600; }
.tensor .pad { --hue: transparent; }
.tensor .pad span { opacity: 0.75; }
</style>"""


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
    inner = "".join(f"<span {how}>{''.join(parts)}</span>" for how, parts in boxes)
    return f'{_STYLE}<div class="pieces" role="list">{inner}</div>'


def grid_html(table: "pd.DataFrame", column: str, caption: str) -> str:
    """Return a tensor of the 77 positions as a grid of seven rows.

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
        f'{_STYLE}<div class="tensor"><table aria-label="{html.escape(caption)}">'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _box(number: int, cut: bool) -> str:
    kind = "word" if number >= 0 else "word plain"
    hue = f' style="--hue:{HUES[number % len(HUES)]}"' if number >= 0 else ""
    return f'class="{kind}{" cut" if cut else ""}"{hue}'


def _piece(row: dict[Any, Any], unseen: bool, differs: bool) -> str:
    marks = f"{' unseen' if unseen else ''}{' differs' if differs else ''}"
    is_text = row["kind"] == "word"
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
    id_ = int(pads["id"].iloc[0])
    other = sum(p in differs for p in pads["position"])
    about = f"{len(pads)} pads, positions {first} to {last}, id {id_}, mask 0"
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
