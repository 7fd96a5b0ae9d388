import { element, hangStrip, player } from "./common.js";

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".scrubber");
  const find = (name) => root.querySelector(`.${name}`);
  const range = find("range");
  const play = find("play");
  const where = find("where");
  const canvases = [find("left"), find("right")].slice(0, data.names.length);
  const strip = find("strip");
  root.state ??= { id: null, timer: null, sheet: null };
  const state = root.state;
  const [width, height] = data.size;
  const paint = (canvas, row, index) => {
    const band = Math.floor(index / data.columns);
    const column = index % data.columns;
    const y = (data.names.length * band + row) * height;
    canvas
      .getContext("2d")
      .drawImage(state.sheet, column * width, y, width, height, 0, 0, canvas.width, canvas.height);
  };
  const draw = () => {
    const index = Number(range.value);
    where.textContent = data.labels[index];
    range.setAttribute("aria-valuetext", data.labels[index]);
    range.style.setProperty("--done", `${(100 * index) / Math.max(1, range.max)}%`);
    root.dataset.frame = String(index);
    canvases.forEach((canvas, row) => {
      const detail = data.details ? data.details[row][index] : "";
      const figure = canvas.parentElement;
      figure.querySelector("figcaption").textContent = data.captions[row];
      figure.querySelector(".detail").textContent = detail;
      canvas.setAttribute(
        "aria-label",
        [data.names[row], data.labels[index], detail].filter(Boolean).join(", "),
      );
      if (state.sheet) paint(canvas, row, index);
    });
    [...strip.children].forEach((button, at) => {
      button.setAttribute("aria-current", String(at === index));
    });
    root.dataset.drawn = state.sheet ? "yes" : "no";
  };
  const hang = () =>
    hangStrip(state, strip, data.marks ?? [], data.labels, (button, index) => {
      data.names.forEach((_, row) => {
        const small = element("canvas", "", button);
        [small.width, small.height] = data.size;
        paint(small, row, index);
      });
      button.onclick = () => {
        stop();
        range.value = index;
        draw();
      };
    });
  const wait = Math.max(60, 2500 / data.labels.length);
  const stop = player(state, play, range, `${data.unit.toLowerCase()}s`, wait, draw);
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
