"""The gallery of runs: their pictures, each a link to its run."""

from collections.abc import Mapping
from typing import Any

from dashboard.components.tiles import Tile, show_tiles
from dashboard.shell.navigation import follow
from dashboard.shell.routes import page_url, picture_url
from dashboard.shell.theme import scheduler_color
from sdlab.runs.index import RunIndex
from sdlab.runs.search import Search


def gallery(index: RunIndex, search: Search, limit: int, offset: int) -> None:
    """Draw the pictures of one page of the runs that a search finds."""
    rows = index.find(search, limit, offset).to_dict("records")
    size = (int(rows[0]["width"]), int(rows[0]["height"]))
    show_tiles([_tile(row) for row in rows], size, "Stored runs", "runs.gallery", follow)


def _tile(row: Mapping[Any, Any]) -> Tile:
    line = f"{row['solver']} · {row['num_steps']} steps · seed {row['seed']}"
    return Tile(
        id=row["run"],
        name=row["prompt"] or "(no prompt)",
        color=scheduler_color(row["solver"]),
        state="done",
        src=picture_url(row["run"], row["created"]),
        alt=f"Picture by {row['solver']} of: {row['prompt']}",
        line=line,
        badge="★" if row["star"] else "",
        href=page_url(f"run?id={row['run']}"),
    )
