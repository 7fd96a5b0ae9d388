"""The heat viewer: heat maps over a picture, one a word, scrubbed in the browser alone.

All frames go to the browser once, 16 bits a cell; moving the slider, the opacity or the threshold
asks the server nothing. A click sends the place back, as shares of the picture's width and height.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import numpy as np

LEVELS = 65535

_HTML = """
<div class="heat">
  <div class="maps"></div>
  <div class="bar">
    <button class="play" type="button">&#9654;</button>
    <input class="range" type="range" min="0" step="1">
    <label class="tick"><input class="mean" type="checkbox"> mean</label>
  </div>
  <output class="where" aria-live="polite"></output>
  <div class="settings">
    <label>Opacity <input class="opacity" type="range" min="0" max="1" step="0.05"></label>
    <label>Hide below <input class="threshold" type="range" min="0" max="0.95" step="0.05">
      <span class="cut"></span></label>
    <label class="tick"><input class="own" type="checkbox"> each step its own scale</label>
    <label class="tick"><input class="cells" type="checkbox"> show cells</label>
  </div>
</div>
"""

_CSS = """
.heat { font-family: var(--st-font); color: var(--st-text-color); font-size: 0.85rem; }
.maps { display: grid; gap: 0.75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(200px, 100%), 1fr)); }
figure { margin: 0; max-width: 512px; }
.layers { position: relative; cursor: crosshair; border-radius: var(--st-base-radius);
  overflow: hidden; background: var(--st-secondary-background-color); }
.layers canvas, .layers img { width: 100%; height: 100%; display: block; position: absolute;
  inset: 0; image-rendering: auto; }
.layers:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.mark { position: absolute; width: 13px; height: 13px; border: 2px solid #fff; border-radius: 50%;
  box-shadow: 0 0 0 1.5px #000; transform: translate(-50%, -50%); pointer-events: none; }
figcaption { margin-top: 0.35rem; overflow-wrap: anywhere; }
figcaption b { font-weight: 600; }
.scale { display: flex; align-items: center; gap: 0.4rem; font-variant-numeric: tabular-nums;
  font-size: 0.75rem; opacity: 0.85; }
.scale canvas { flex: 1; height: 8px; border-radius: 4px; min-width: 40px; }
.here { min-height: 1.1rem; font-size: 0.78rem; font-variant-numeric: tabular-nums; }
.bar, .settings { display: flex; align-items: center; gap: 0.4rem 1rem; margin-top: 0.6rem;
  flex-wrap: wrap; }
.settings label { display: flex; align-items: center; gap: 0.4rem; }
.tick { display: flex; align-items: center; gap: 0.3rem; white-space: nowrap; }
.range { flex: 1; min-width: 8rem; cursor: pointer; accent-color: var(--st-primary-color); }
.settings input { accent-color: var(--st-primary-color); cursor: pointer; }
.settings input[type=range] { width: 7rem; }
.cut { min-width: 2.6rem; font-variant-numeric: tabular-nums; }
.play { border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  background: var(--st-background-color); color: var(--st-text-color); width: 2.4rem;
  height: 2.1rem; cursor: pointer; font-size: 0.85rem; }
.play:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.play:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.where { display: block; font-variant-numeric: tabular-nums; margin-top: 0.3rem;
  min-height: 1.3rem; }
"""

_JS = """
const STOPS = [[0,0,4],[28,16,68],[79,18,123],[129,37,129],[181,54,122],[229,80,100],
  [251,135,97],[254,194,135],[252,253,191]];
const colour = (share) => {
  const place = Math.min(0.9999, Math.max(0, share)) * (STOPS.length - 1);
  const low = Math.floor(place), rest = place - low;
  return STOPS[low].map((value, i) => Math.round(value + rest * (STOPS[low + 1][i] - value)));
};
const LUT = Array.from({ length: 256 }, (_, i) => colour(i / 255));
const unpack = (text) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
};
const digits = (value) => value === 0 ? "0" : value.toPrecision(3);

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".heat");
  const find = (name) => root.querySelector("." + name);
  const range = find("range"), play = find("play"), where = find("where");
  const mean = find("mean"), own = find("own"), cells = find("cells");
  const opacity = find("opacity"), threshold = find("threshold");
  const state = root.state ?? (root.state = { id: null, timer: null, maps: [], place: null });
  const [height, width] = data.grid, size = height * width, count = data.labels.length;

  const stop = () => {
    clearInterval(state.timer);
    state.timer = null;
    play.innerHTML = "&#9654;";
    play.setAttribute("aria-label", "Play the evaluations");
  };
  const frame = () => mean.checked ? count : Number(range.value);
  const value = (map, index, cell) => map.values[index * size + cell] / 65535 * map.top;
  const paint = (map, index) => {
    let top = map.top;
    if (own.checked || mean.checked) {
      top = 0;
      for (let i = 0; i < size; i++) top = Math.max(top, value(map, index, i));
    }
    const image = new ImageData(width, height);
    const cut = Number(threshold.value);
    for (let i = 0; i < size; i++) {
      const share = top ? value(map, index, i) / top : 0;
      const [r, g, b] = LUT[Math.min(255, Math.round(share * 255))];
      image.data.set([r, g, b, share < cut ? 0 : 255], 4 * i);
    }
    const small = new OffscreenCanvas(width, height);
    small.getContext("2d").putImageData(image, 0, 0);
    const canvas = map.canvas, draw = canvas.getContext("2d");
    draw.clearRect(0, 0, canvas.width, canvas.height);
    draw.imageSmoothingEnabled = !cells.checked;
    draw.drawImage(small, 0, 0, canvas.width, canvas.height);
    canvas.style.opacity = opacity.value;
    map.low.textContent = "0";
    map.high.textContent = digits(top);
    let here = "";
    if (state.place) {
      const column = Math.min(width - 1, Math.floor(state.place.x * width));
      const row = Math.min(height - 1, Math.floor(state.place.y * height));
      here = "here " + digits(value(map, index, row * width + column));
      map.mark.style.left = 100 * state.place.x + "%";
      map.mark.style.top = 100 * state.place.y + "%";
    }
    map.mark.hidden = !state.place;
    map.here.textContent = here;
    map.box.setAttribute("aria-label", "Heat map of " + map.word + ", " +
      where.textContent + (here ? ", " + here : "") +
      ". Click, or press the arrow keys and Enter, to ask about a place.");
  };
  const draw = () => {
    const index = frame();
    where.textContent = mean.checked ? data.mean : data.labels[index];
    range.disabled = play.disabled = mean.checked || count < 2;
    range.setAttribute("aria-valuetext", where.textContent);
    find("cut").textContent = Math.round(100 * threshold.value) + " %";
    state.maps.forEach((map) => paint(map, index));
    root.dataset.frame = String(index);
    root.dataset.subject = data.subject;
  };
  const ask = () => setTriggerValue("place", { ...state.place, at: Date.now() });
  const build = () => {
    const made = data.words.map((word) => {
      const figure = document.createElement("figure");
      const box = document.createElement("div");
      box.className = "layers";
      box.tabIndex = 0;
      box.setAttribute("role", "button");
      box.style.aspectRatio = data.aspect.join(" / ");
      const picture = new Image();
      picture.src = data.picture;
      picture.alt = "";
      const canvas = document.createElement("canvas");
      const grow = Math.ceil(256 / Math.max(width, height));
      [canvas.width, canvas.height] = [width * grow, height * grow];
      const mark = document.createElement("span");
      mark.className = "mark";
      box.append(picture, canvas, mark);
      const caption = document.createElement("figcaption");
      const bold = document.createElement("b");
      bold.textContent = word.label;
      const scale = document.createElement("div");
      scale.className = "scale";
      const low = document.createElement("span"), high = document.createElement("span");
      const bar = document.createElement("canvas");
      [bar.width, bar.height] = [128, 1];
      const line = bar.getContext("2d");
      for (let i = 0; i < 128; i++) {
        line.fillStyle = "rgb(" + LUT[2 * i].join() + ")";
        line.fillRect(i, 0, 1, 1);
      }
      scale.append(low, bar, high);
      const here = document.createElement("div");
      here.className = "here";
      caption.append(bold, scale, here);
      figure.append(box, caption);
      box.onclick = (event) => {
        const area = box.getBoundingClientRect();
        const share = (at, from, side) => Math.min(1, Math.max(0, (at - from) / side));
        state.place = { x: share(event.clientX, area.left, area.width),
          y: share(event.clientY, area.top, area.height) };
        draw();
        ask();
      };
      box.onkeydown = (event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
          ArrowDown: [0, 1] }[event.key];
        if (event.key === "Enter" && state.place) ask();
        if (!step) return;
        event.preventDefault();
        const from = state.place ?? { x: 0.5, y: 0.5 };
        const move = (at, by, cells) => Math.min(1, Math.max(0, at + by / cells));
        state.place = { x: move(from.x, step[0], width), y: move(from.y, step[1], height) };
        draw();
      };
      return { word: word.label, values: unpack(word.frames), top: word.top, figure, box, canvas,
        mark, low, high, here };
    });
    state.maps = made;
    find("maps").replaceChildren(...made.map((map) => map.figure));
  };
  const play_on = () => {
    if (state.timer) { stop(); return; }
    if (Number(range.value) >= count - 1) range.value = 0;
    play.innerHTML = "&#10073;&#10073;";
    play.setAttribute("aria-label", "Pause");
    state.timer = setInterval(() => {
      range.value = Number(range.value) + 1;
      draw();
      if (Number(range.value) >= count - 1) stop();
    }, Math.max(33, 1650 / count));
  };

  play.onclick = play_on;
  range.oninput = () => { stop(); draw(); };
  [mean, own, cells, opacity, threshold].forEach((input) => { input.oninput = draw; });
  if (state.id !== data.id) {
    stop();
    if (state.id === null) {
      opacity.value = 0.7;
      threshold.value = 0;
      mean.checked = true;
    }
    if (state.subject !== data.subject) {
      state.place = null;
      range.value = 0;
    }
    range.max = count - 1;
    if (state.subject !== data.subject) range.value = Math.floor(0.4 * (count - 1));
    range.setAttribute("aria-label", "Evaluation");
    state.id = data.id;
    state.subject = data.subject;
    build();
  }
  draw();
  return stop;
}
"""


@dataclass(frozen=True)
class HeatFilm:
    """Heat maps to scrub through.

    Attributes:
        id: Changes when anything of it does.
        subject: The viewer keeps its place while this stays the same.
        picture: PNG of the picture below the maps.
        size: (width, height) of the picture, for its shape.
        words: For each map its label.
        frames: For each map float32 [E, h, w], not negative.
        means: For each map float32 [h, w], the mean of the chosen frames.
        labels: What stands below each frame.
        mean_label: What stands below the mean.
    """

    id: str
    subject: str
    picture: bytes
    size: tuple[int, int]
    words: Sequence[str]
    frames: "Sequence[np.ndarray]"
    means: "Sequence[np.ndarray]"
    labels: Sequence[str]
    mean_label: str


@lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component("sdlab.heat", html=_HTML, css=_CSS, js=_JS)


def heat_viewer(film: HeatFilm, key: str) -> tuple[float, float] | None:
    """Draw the viewer; return the place that was just clicked, (x, y) in 0 ... 1, or None."""
    pairs = zip(film.words, film.frames, film.means, strict=True)
    data = {
        "id": film.id,
        "subject": film.subject,
        "picture": "data:image/png;base64," + base64.b64encode(film.picture).decode(),
        "aspect": film.size,
        "grid": film.frames[0].shape[1:],
        "words": [_packed(*pair) for pair in pairs],
        "labels": list(film.labels),
        "mean": film.mean_label,
    }
    place = _component()(data=data, key=key, on_place_change=_heard).place
    return None if not place else (float(place["x"]), float(place["y"]))


def _heard() -> None:
    """Make the component's trigger known; its value is read from the result."""


def _packed(label: str, frames: "np.ndarray", mean: "np.ndarray") -> dict[str, Any]:
    """Return one word's frames and, last, their mean, as 16-bit shares of the largest value."""
    import numpy as np

    every = np.concatenate([frames, mean[None]])
    top = float(every.max())
    levels = np.round(every / top * LEVELS) if top > 0 else np.zeros_like(every)
    packed = base64.b64encode(levels.astype("<u2").tobytes()).decode()
    return {"label": label, "frames": packed, "top": top}
