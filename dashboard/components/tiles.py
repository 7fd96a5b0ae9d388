"""Tiles: a picture a sampler, with its progress, figures or error below; drawn by the browser.

The server sends words and addresses only, and the browser fetches a picture when its address
changes, so that thirty tiles cost a tick little and no tile flickers.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

_HTML = '<div class="tiles" role="list"></div>'

_CSS = """
.tiles { font-family: var(--st-font); color: var(--st-text-color); display: grid; gap: 14px 12px;
  grid-template-columns: repeat(auto-fill, minmax(138px, 1fr)); padding: 2px; }
.tile { margin: 0; min-width: 0; display: flex; flex-direction: column; gap: 5px; }
.frame { position: relative; aspect-ratio: var(--ratio, 1); overflow: hidden;
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color);
  display: block; outline-offset: 2px; }
a.frame:hover { box-shadow: 0 0 0 2px var(--st-primary-color); }
a.frame:focus-visible { outline: 2px solid var(--st-primary-color); }
.frame img { width: 100%; height: 100%; object-fit: contain; display: block; }
.frame img.sharp { image-rendering: pixelated; }
.frame img[hidden] { display: none; }
.waiting .frame::after { content: ""; position: absolute; inset: 0; background:
  repeating-linear-gradient(135deg, transparent 0 10px, var(--st-border-color) 10px 11px);
  opacity: 0.45; }
.running .frame::after { display: none; }
.badge { position: absolute; left: 6px; top: 6px; font-size: 0.7rem; font-weight: 600;
  line-height: 1; padding: 4px 7px; border-radius: 99px; color: #fff;
  background: rgba(20, 22, 34, 0.78); font-variant-numeric: tabular-nums; }
.badge:empty { display: none; }
.failed .badge { background: #b3261e; }
.first .badge { background: #8a6100; }
.empty { position: absolute; inset: 0; display: flex; align-items: center;
  justify-content: center; font-size: 1.6rem; opacity: 0.35; }
.bar { height: 4px; border-radius: 2px; background: var(--st-border-color); overflow: hidden; }
.bar i { display: block; height: 100%; width: 0; background: var(--tone);
  transition: width 0.4s linear; }
.quiet .bar { display: none; }
.name { font-size: 0.85rem; font-weight: 600; line-height: 1.25; overflow-wrap: anywhere;
  display: flex; gap: 6px; }
.dot { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--tone);
  margin-top: 4px; }
.line { font-size: 0.78rem; opacity: 0.8; line-height: 1.35; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.line:empty, .error:empty { display: none; }
.error { font-size: 0.78rem; line-height: 1.35; overflow-wrap: anywhere; max-height: 7.2em;
  overflow-y: auto; border-left: 3px solid #d0362c; padding-left: 7px; }
@media (max-width: 520px) {
  .tiles { grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 12px 10px; }
}
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".tiles");
  root.setAttribute("aria-label", data.label);
  root.style.setProperty("--ratio", data.ratio);
  const made = new Map([...root.children].map((tile) => [tile.dataset.id, tile]));
  const part = (kind, name, parent) => {
    const node = document.createElement(kind);
    node.className = name;
    parent.append(node);
    return node;
  };
  const make = (tile) => {
    const node = document.createElement("figure");
    node.dataset.id = tile.id;
    node.setAttribute("role", "listitem");
    const frame = part("a", "frame", node);
    part("span", "empty", frame).setAttribute("aria-hidden", "true");
    const image = part("img", "", frame);
    image.hidden = true;
    image.onload = () => {
      image.hidden = false;
      image.classList.toggle("sharp", image.naturalWidth <= data.sharp);
    };
    image.onerror = () => { image.hidden = true; };
    part("span", "badge", frame);
    part("i", "", part("div", "bar", node));
    const name = part("figcaption", "name", node);
    part("span", "dot", name);
    part("span", "word", name);
    part("div", "line", node);
    part("div", "error", node);
    return node;
  };
  const set = (node, name, text) => {
    const found = node.querySelector("." + name);
    if (found.textContent !== text) found.textContent = text;
  };
  data.tiles.forEach((tile, index) => {
    const node = made.get(tile.id) ?? make(tile);
    made.delete(tile.id);
    if (root.children[index] !== node) root.insertBefore(node, root.children[index] ?? null);
    node.className = "tile " + tile.look;
    node.dataset.state = tile.state;
    node.style.setProperty("--tone", tile.color);
    const frame = node.querySelector(".frame"), image = node.querySelector("img");
    if (tile.href) {
      frame.href = tile.href;
      frame.target = "_blank";
      frame.rel = "noopener";
      frame.title = "Open this run in a new tab";
    } else {
      frame.removeAttribute("href");
      frame.removeAttribute("title");
    }
    image.alt = tile.alt;
    if (tile.src && image.getAttribute("src") !== tile.src) image.src = tile.src;
    if (!tile.src) { image.removeAttribute("src"); image.hidden = true; }
    set(node, "badge", tile.badge);
    set(node, "word", tile.name);
    set(node, "line", tile.line);
    set(node, "error", tile.error);
    set(node, "empty", tile.src ? "" : tile.mark);
    node.querySelector(".bar i").style.width = (100 * tile.share).toFixed(1) + "%";
  });
  made.forEach((node) => node.remove());
}
"""

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
        """What stands in place of a picture."""
        return {"failed": "✕", "cancelled": "–", "missing": "?", "interrupted": "–"}.get(
            self.state, ""
        )


@lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component("sdlab.tiles", html=_HTML, css=_CSS, js=_JS)


def show_tiles(tiles: Sequence[Tile], size: tuple[int, int], label: str, key: str) -> None:
    """Draw tiles in a grid.

    Args:
        tiles: In their order.
        size: (width, height) of the pictures, for the frames' shape.
        label: What they are, for who cannot see them.
        key: The widget's.
    """
    rows = [asdict(tile) | {"look": tile.look, "mark": tile.mark} for tile in tiles]
    ratio = f"{size[0]} / {size[1]}"
    _component()(data={"tiles": rows, "ratio": ratio, "label": label, "sharp": SHARP}, key=key)
