"""The gallery of runs: their pictures, each a link to its run, to be ticked as rows are."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.navigation import follow
from dashboard.shell.routes import page_url, picture_url
from dashboard.shell.theme import scheduler_color
from dashboard.views.runs.actions import actions
from dashboard.views.runs.rows import ROW, Listed, digest, page_of
from dashboard.views.runs.ticked import is_ticked, revision, tick
from sdlab.runs.folding import PARTS
from sdlab.runs.index import RunIndex
from sdlab.runs.parts import kind_of, title


def gallery(index: RunIndex, listed: Listed) -> None:
    """Draw the pictures of one page of a list of runs, and the actions on those that are ticked."""
    rows = listed.rows(index)
    place = st.container()
    size = (int(rows["width"].iloc[0]), int(rows["height"].iloc[0]))
    tiles = [_tile(row, index) for row in rows.to_dict("records")]
    key = f"runs.gallery.{digest(*listed, listed.opened, revision())}"
    before = rows[ROW][is_ticked(rows)].tolist()
    chosen = show_tiles(tiles, size, "Stored runs", key, follow, ticked=before)
    tick(rows, chosen, index, listed.search)
    with place:
        actions(index, rows)


def _tile(row: Mapping[Any, Any], index: RunIndex) -> Tile:
    if row[PARTS]:
        return _fold(row, index)
    line = f"{row['solver']} · {row['num_steps']} steps · seed {row['seed']}"
    return Tile(
        id=row[ROW],
        name=row["prompt"] or "(no prompt)",
        color=scheduler_color(row["solver"]),
        state="done",
        src=picture_url(row["run"], row["created"]),
        alt=f"Picture by {row['solver']} of: {row['prompt']}",
        line=line,
        badge="★" if row["star"] else "",
        href=page_url(f"run?id={row['run']}"),
    )


def _fold(row: Mapping[Any, Any], index: RunIndex) -> Tile:
    """Return the tile of a comparison or sweep: its first picture."""
    of = kind_of(index.root, row["comparison"])
    name = title(index.root, row["comparison"])
    return Tile(
        id=row[ROW],
        name=name,
        color=scheduler_color(row["solver"]),
        state="done",
        src=picture_url(row["run"], row["created"]),
        alt=f"First picture of the {of} {name}",
        line=f"a {of}",
        badge=f"{row[PARTS]:,} runs",
        href=page_url(f"{page_of(row['comparison'])}?id={row['comparison']}"),
    )
