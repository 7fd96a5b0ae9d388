"""Tiles: a picture for each sampler, with its progress, figures or error; drawn by the browser.

The server sends only texts and addresses, and the browser fetches a picture when its address
changes, so that an update of thirty tiles costs little and no tile flickers.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass

from dashboard.components.browser_files import component

SHARP = 320


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes:
        id: Stays the same while it is the same run.
        name: The sampler.
        color: Its colour.
        state: "queued", "running", "done", "failed" and so on.
        src: Address of its picture; "" if there is none.
        alt: What the picture shows.
        line: Figures below the name.
        badge: A word on the picture.
        error: Why it failed.
        share: Of its evaluations that are done, 0 to 1.
        href: Where a click leads; "" for nowhere.
        first: Whether it stands out.
        heading: What stands above it and those after it, over the whole width; "" for nothing.
    """

    id: str
    name: str
    color: str
    state: str
    src: str = ""
    alt: str = ""
    line: str = ""
    badge: str = ""
    error: str = ""
    share: float = 0.0
    href: str = ""
    first: bool = False
    heading: str = ""

    @property
    def look(self) -> str:
        """The tile's classes of style."""
        words = ["waiting"] if self.state in ("queued", "running", "decoding", "saving") else []
        words += ["running"] if self.src else []
        words += [] if words else ["quiet"]
        words += ["failed"] if self.state == "failed" else []
        return " ".join([*words, *(["first"] if self.first else [])])

    @property
    def mark(self) -> str:
        """What is shown instead of a picture."""
        return {"failed": "✕", "cancelled": "–", "missing": "?", "interrupted": "–"}.get(
            self.state, ""
        )


def show_tiles(
    tiles: Sequence[Tile],
    size: tuple[int, int],
    label: str,
    key: str,
    follow: Callable[[str], None],
    columns: int = 0,
    ticked: Collection[str] | None = None,
) -> list[str]:
    """Draw tiles in a grid and return the ids of those that are ticked.

    Args:
        tiles: In their order.
        size: (width, height) of the pictures, for the frames' shape.
        label: What they are, for who cannot see them.
        key: The widget's.
        follow: Opens in this session where the tile that was clicked leads.
        columns: How many stand in a row, scrolled where they do not fit; 0 for as many as fit.
        ticked: The ids of the tiles that are ticked when they are first drawn under this key; each
            tile has a box to tick then. None for none.
    """
    rows = [asdict(tile) | {"look": tile.look, "mark": tile.mark} for tile in tiles]
    ratio = f"{size[0]} / {size[1]}"
    before = None if ticked is None else list(ticked)
    sheet = {"tiles": rows, "ratio": ratio, "label": label, "sharp": SHARP, "columns": columns}
    heard = component("tiles")(
        data=sheet | {"ticked": before},
        key=key,
        default={"ticked": before or []},
        on_opened_change=_heard,
        on_ticked_change=_heard,
    )
    if href := next((tile.href for tile in tiles if tile.id == heard.opened), ""):
        follow(href)
    told = heard.ticked if isinstance(heard.ticked, list) else []
    return [tile.id for tile in tiles if tile.id in told]


def _heard() -> None:
    """Declare the component's trigger; its value is read from the result."""
