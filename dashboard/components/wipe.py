"""Two pictures on top of each other with a slider between them; moved in the browser alone."""

from functools import lru_cache
from typing import Any

import streamlit as st

_HTML = """
<div class="wipe">
  <div class="stage">
    <img class="a"><img class="b"><div class="edge"></div>
    <span class="tag left"></span><span class="tag right"></span>
    <input class="range" type="range" min="0" max="1000" value="500">
  </div>
</div>
"""

_CSS = """
.wipe { font-family: var(--st-font); max-width: 420px; --at: 50%; }
.stage { position: relative; aspect-ratio: var(--ratio, 1); overflow: hidden;
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); }
img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
img.sharp { image-rendering: pixelated; }
img.b { clip-path: inset(0 0 0 var(--at)); }
.edge { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 0 1px rgba(0, 0, 0, 0.5); pointer-events: none; }
.edge::after { content: "\\2194"; position: absolute; top: 50%; left: 50%;
  transform: translate(-50%, -50%); width: 30px; height: 30px; border-radius: 50%;
  background: #fff; color: #14122b; display: grid; place-items: center; font-size: 1rem;
  box-shadow: 0 0 0 1px rgba(0, 0, 0, 0.4); }
.range { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; }
.stage:focus-within { outline: 2px solid var(--st-primary-color); outline-offset: 3px; }
.tag { position: absolute; top: 8px; font-size: 0.72rem; font-weight: 600; padding: 4px 8px;
  border-radius: 99px; color: #fff; background: rgba(20, 22, 34, 0.78); max-width: 46%;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; pointer-events: none; }
.left { left: 8px; } .right { right: 8px; }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".wipe");
  const range = root.querySelector(".range");
  root.style.setProperty("--ratio", data.ratio);
  [["a", "left"], ["b", "right"]].forEach(([name, side]) => {
    const image = root.querySelector("img." + name), given = data[name];
    image.alt = given.alt;
    image.onload = () => image.classList.toggle("sharp", image.naturalWidth <= data.sharp);
    if (image.getAttribute("src") !== given.src) image.src = given.src;
    root.querySelector(".tag." + side).textContent = given.name;
  });
  const move = () => {
    root.style.setProperty("--at", range.value / 10 + "%");
    range.setAttribute("aria-valuetext", Math.round(range.value / 10) + " % " + data.a.name);
  };
  range.setAttribute("aria-label", "Between " + data.a.name + " and " + data.b.name);
  range.oninput = move;
  move();
}
"""


@lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component("sdlab.wipe", html=_HTML, css=_CSS, js=_JS)


def wipe(a: dict[str, str], b: dict[str, str], size: tuple[int, int], key: str) -> None:
    """Draw two pictures and the slider; left of it is the first.

    Args:
        a: "name", "src" and "alt" of the first.
        b: Of the second.
        size: (width, height) in pixels, for the shape.
        key: The widget's.
    """
    ratio = f"{size[0]} / {size[1]}"
    _component()(data={"a": a, "b": b, "ratio": ratio, "sharp": 320}, key=key)
