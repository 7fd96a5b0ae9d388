"""The scrubber: one or two rows of frames side by side, moved in the browser alone.

The whole sheet of frames goes to the browser once; dragging draws another part of it and asks the
server nothing. A run's scrubber shows x_t beside x0_pred at every kept evaluation; any other sheet
is shown as a ``Film``.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.worker.frames import Sheet

if TYPE_CHECKING:
    import pandas as pd

_HTML = """
<div class="scrubber">
  <div class="pair">
    <figure><canvas class="left" role="img"></canvas>
      <figcaption></figcaption><div class="detail"></div></figure>
    <figure><canvas class="right" role="img"></canvas>
      <figcaption></figcaption><div class="detail"></div></figure>
  </div>
  <div class="bar">
    <button class="play" type="button">&#9654;</button>
    <input class="range" type="range" min="0" step="1">
  </div>
  <output class="where" aria-live="polite"></output>
  <div class="strip"></div>
</div>
"""

_CSS = """
.scrubber { font-family: var(--st-font); color: var(--st-text-color); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0.75rem; }
figure { margin: 0; }
canvas { width: 100%; display: block; border-radius: var(--st-base-radius);
  background: var(--st-secondary-background-color); image-rendering: auto; }
figcaption { font-size: 0.8rem; opacity: 0.75; margin-top: 0.35rem; overflow-wrap: anywhere; }
.detail { font-size: 0.8rem; font-variant-numeric: tabular-nums; min-height: 1.2rem; }
.detail:empty { display: none; }
.framed .pair { grid-template-columns: repeat(2, minmax(0, 400px)); }
.framed .bar { max-width: calc(800px + 0.75rem); }
.framed canvas.sharp { image-rendering: pixelated; }
.single .pair { grid-template-columns: minmax(0, 400px); }
.single .pair figure:last-child { display: none; }
.strip { display: grid; gap: 6px 4px; margin-top: 0.7rem; }
.strip:empty { display: none; }
.strip button { all: unset; display: block; cursor: pointer; font-size: 0.7rem;
  text-align: center; border-radius: 6px; padding: 2px; border: 2px solid transparent;
  font-variant-numeric: tabular-nums; }
.strip button[aria-current=true] { border-color: var(--st-primary-color); }
.strip button:focus-visible { outline: 2px solid var(--st-primary-color); }
.strip canvas { border-radius: 3px; margin-bottom: 2px; }
.bar { display: flex; align-items: center; gap: 0.6rem; margin-top: 0.6rem; }
.range { flex: 1; min-width: 0; height: 1.5rem; margin: 0; cursor: pointer;
  appearance: none; background: none; --done: 0%; }
.range::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background:
  linear-gradient(to right, var(--st-primary-color) var(--done), var(--st-border-color) 0); }
.range::-moz-range-track { height: 4px; border-radius: 2px; background: var(--st-border-color); }
.range::-moz-range-progress { height: 4px; border-radius: 2px;
  background: var(--st-primary-color); }
.range::-webkit-slider-thumb { appearance: none; width: 16px; height: 16px; margin-top: -6px;
  border-radius: 50%; background: var(--st-primary-color); }
.range::-moz-range-thumb { width: 16px; height: 16px; border: 0; border-radius: 50%;
  background: var(--st-primary-color); }
.range:focus-visible, .play:focus-visible { outline: 2px solid var(--st-primary-color);
  outline-offset: 3px; border-radius: 4px; }
.play { border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  background: var(--st-background-color); color: var(--st-text-color); width: 2.4rem;
  height: 2.1rem; cursor: pointer; font-size: 0.85rem; }
.play:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.where { display: block; font-size: 0.85rem; font-variant-numeric: tabular-nums;
  margin-top: 0.3rem; min-height: 1.3rem; }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".scrubber");
  const find = (name) => root.querySelector("." + name);
  const range = find("range"), play = find("play"), where = find("where");
  const canvases = [find("left"), find("right")].slice(0, data.names.length);
  const strip = find("strip");
  const state = root.state ?? (root.state = { id: null, timer: null, sheet: null });
  const [width, height] = data.size;
  const stop = () => {
    clearInterval(state.timer);
    state.timer = null;
    play.innerHTML = "&#9654;";
    play.setAttribute("aria-label", "Play the " + data.unit.toLowerCase() + "s");
  };
  const paint = (canvas, row, index) => {
    const band = Math.floor(index / data.columns), column = index % data.columns;
    const y = (data.names.length * band + row) * height;
    canvas.getContext("2d").drawImage(state.sheet, column * width, y, width, height,
      0, 0, canvas.width, canvas.height);
  };
  const draw = () => {
    const index = Number(range.value);
    where.textContent = data.labels[index];
    range.setAttribute("aria-valuetext", data.labels[index]);
    range.style.setProperty("--done", (100 * index / Math.max(1, range.max)) + "%");
    root.dataset.frame = String(index);
    canvases.forEach((canvas, row) => {
      const detail = data.details ? data.details[row][index] : "";
      const figure = canvas.parentElement;
      figure.querySelector("figcaption").textContent = data.captions[row];
      figure.querySelector(".detail").textContent = detail;
      canvas.setAttribute("aria-label",
        [data.names[row], data.labels[index], detail].filter(Boolean).join(", "));
      if (state.sheet) paint(canvas, row, index);
    });
    [...strip.children].forEach((button, at) =>
      button.setAttribute("aria-current", String(at === index)));
    root.dataset.drawn = state.sheet ? "yes" : "no";
  };
  const lines = () => {
    const count = strip.children.length, fit = Math.max(1, Math.floor(strip.clientWidth / 58));
    const columns = Math.ceil(count / Math.ceil(count / fit));
    strip.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 120px))`;
  };
  const hang = () => {
    strip.replaceChildren(...(data.marks ?? []).map((mark, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-label", data.labels[index]);
      data.names.forEach((name, row) => {
        const small = document.createElement("canvas");
        [small.width, small.height] = data.size;
        paint(small, row, index);
        button.append(small);
      });
      button.append(mark);
      button.onclick = () => { stop(); range.value = index; draw(); };
      return button;
    }));
    state.resized?.disconnect();
    state.resized = new ResizeObserver(lines);
    if (data.marks) state.resized.observe(strip);
  };
  range.oninput = () => { stop(); draw(); };
  play.onclick = () => {
    if (state.timer) { stop(); return; }
    if (Number(range.value) >= data.labels.length - 1) range.value = 0;
    play.innerHTML = "&#10073;&#10073;";
    play.setAttribute("aria-label", "Pause");
    state.timer = setInterval(() => {
      range.value = Number(range.value) + 1;
      draw();
      if (Number(range.value) >= data.labels.length - 1) stop();
    }, Math.max(60, 2500 / data.labels.length));
  };
  if (state.id !== data.id) {
    stop();
    const same = state.run === data.run;
    state.id = data.id;
    state.run = data.run;
    state.sheet = null;
    range.max = data.labels.length - 1;
    range.setAttribute("aria-label", data.unit);
    root.classList.toggle("framed", Boolean(data.marks));
    root.classList.toggle("single", data.names.length === 1);
    if (!same) range.value = Math.floor(0.4 * range.max);
    canvases.forEach((canvas) => {
      [canvas.width, canvas.height] = data.size;
      canvas.classList.toggle("sharp", Math.max(width, height) <= 128);
    });
    const image = new Image();
    image.onload = () => {
      if (state.id !== data.id) return;
      state.sheet = image;
      hang();
      draw();
    };
    image.src = data.sheet;
  }
  draw();
  return stop;
}
"""


@lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component("sdlab.scrubber", html=_HTML, css=_CSS, js=_JS)


def frame_labels(steps: "pd.DataFrame", kept: Sequence[int]) -> list[str]:
    """Return what stands below each frame, by the numbers of the tables: from 0.

    Raises:
        ValueError: If an evaluation is not in the table.
    """
    rows = steps.set_index("evaluation")
    missing = [k for k in kept if k not in rows.index]
    if missing:
        raise ValueError(f"The steps table has no evaluation {missing[0]}.")
    return [
        f"evaluation {k} · step {int(rows.at[k, 'step'])} · "
        f"timestep {rows.at[k, 'timestep']:.5g} · sigma {rows.at[k, 'sigma']:.4g}"
        for k in kept
    ]


@dataclass(frozen=True)
class Film:
    """Frames to scrub through.

    Attributes:
        id: Changes when anything of it does.
        subject: The scrubber keeps its place while this stays the same.
        sheet: A data URL of the sheet: one row of frames for each name, wrapped into bands.
        size: (width, height) of one frame, in pixels.
        columns: Frames a band.
        labels: What stands below each frame.
        names: What each row shows, in a word: one or two.
        captions: What each row shows, in a sentence.
        unit: What one frame stands for, such as "Step".
        details: For each row and frame, what stands below it; or None.
        marks: The names of the frames in a strip of small ones; or None for no strip.
    """

    id: str
    subject: str
    sheet: str
    size: tuple[int, int]
    columns: int
    labels: Sequence[str]
    names: Sequence[str]
    captions: Sequence[str]
    unit: str
    details: Sequence[Sequence[str]] | None = None
    marks: Sequence[str] | None = None


def show_film(film: Film, key: str) -> None:
    """Draw the scrubber of a film; ``key`` is the widget's."""
    data = {
        "run": film.subject,
        "id": film.id,
        "sheet": film.sheet,
        "size": film.size,
        "columns": film.columns,
        "labels": film.labels,
        "names": film.names,
        "captions": film.captions,
        "unit": film.unit,
        "details": film.details,
        "marks": film.marks,
    }
    _component()(data=data, key=key)


MEANINGS = {
    "x_t": "x_t, what the network is given",
    "x0_pred": "x0_pred, the picture it expects",
}


def scrubber(run: str, sheet: Sheet, steps: "pd.DataFrame", explain: bool = True) -> None:
    """Draw the scrubber of a run.

    Args:
        run: The run's id.
        sheet: Its frames.
        steps: Its steps table, for the captions.
        explain: Whether to say how the frames were drawn.
    """
    film = Film(
        id=f"{run} {sheet.how} {len(sheet.webp)}",
        subject=run,
        sheet="data:image/webp;base64," + base64.b64encode(sheet.webp).decode(),
        size=sheet.size,
        columns=sheet.columns,
        labels=frame_labels(steps, sheet.kept),
        names=sheet.names,
        captions=[MEANINGS[name] for name in sheet.names],
        unit="Evaluation",
    )
    show_film(film, "run.scrubber")
    words = {
        "decoded": "Frames are decoded by the VAE.",
        "linear": "Frames are a linear map from latents to colours; decoding them all takes long.",
        "false colour": "False colours (latent channels 0 to 2): another model is loaded.",
    }
    if explain:
        st.caption(words.get(sheet.how, sheet.how))
