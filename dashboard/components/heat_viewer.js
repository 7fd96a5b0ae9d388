import { clamp, element, heatPicture, player } from "./common.js";

const unpack = (text) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
};
const digits = (value) => (value === 0 ? "0" : value.toPrecision(3));
const paintScale = (canvas) => {
  [canvas.width, canvas.height] = [128, 1];
  canvas.getContext("2d").drawImage(
    heatPicture(128, 1, (i) => i / 127),
    0,
    0,
  );
};

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".heat");
  const find = (name) => root.querySelector(`.${name}`);
  const range = find("range");
  const play = find("play");
  const where = find("where");
  const mean = find("mean");
  const own = find("own");
  const cells = find("cells");
  const opacity = find("opacity");
  const threshold = find("threshold");
  root.state ??= { id: null, timer: null, maps: [], place: null };
  const state = root.state;
  const [height, width] = data.grid;
  const size = height * width;
  const count = data.labels.length;

  const frame = () => (mean.checked ? count : Number(range.value));
  const value = (map, index, cell) => (map.values[index * size + cell] / 65535) * map.top;
  const paint = (map, index) => {
    let top = map.top;
    if (own.checked || mean.checked) {
      top = 0;
      for (let i = 0; i < size; i++) top = Math.max(top, value(map, index, i));
    }
    const share = (cell) => (top ? value(map, index, cell) / top : 0);
    const small = heatPicture(width, height, share, Number(threshold.value));
    const canvas = map.canvas;
    const draw = canvas.getContext("2d");
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
      here = `here ${digits(value(map, index, row * width + column))}`;
      map.mark.style.left = `${100 * state.place.x}%`;
      map.mark.style.top = `${100 * state.place.y}%`;
    }
    map.mark.hidden = !state.place;
    map.here.textContent = here;
    map.box.setAttribute(
      "aria-label",
      `Heat map of ${[map.word, where.textContent, here].filter(Boolean).join(", ")}. Click, or ` +
        "press the arrow keys and Enter, to ask about a place.",
    );
  };
  const draw = () => {
    const index = frame();
    where.textContent = mean.checked ? data.mean : data.labels[index];
    range.disabled = play.disabled = mean.checked || count < 2;
    range.setAttribute("aria-valuetext", where.textContent);
    find("cut").textContent = `${Math.round(100 * threshold.value)} %`;
    for (const map of state.maps) paint(map, index);
    root.dataset.frame = String(index);
    root.dataset.subject = data.subject;
  };
  const ask = () => {
    const looked = mean.checked ? null : Number(range.value);
    const { x, y } = state.place ?? { x: null, y: null };
    setTriggerValue("place", { x, y, frame: looked, at: Date.now() });
  };
  const build = () => {
    state.maps = data.words.map((word) => {
      const figure = document.createElement("figure");
      const box = element("div", "layers", figure);
      box.tabIndex = 0;
      box.setAttribute("role", "button");
      box.style.aspectRatio = data.aspect.join(" / ");
      const picture = element("img", "", box);
      picture.src = data.picture;
      picture.alt = "";
      const canvas = element("canvas", "", box);
      const grow = Math.ceil(256 / Math.max(width, height));
      [canvas.width, canvas.height] = [width * grow, height * grow];
      const mark = element("span", "mark", box);
      const caption = element("figcaption", "", figure);
      element("b", "", caption).textContent = word.label;
      const scale = element("div", "scale", caption);
      const low = element("span", "", scale);
      paintScale(element("canvas", "", scale));
      const high = element("span", "", scale);
      const here = element("div", "here", caption);
      box.onclick = (event) => {
        const area = box.getBoundingClientRect();
        state.place = {
          x: clamp((event.clientX - area.left) / area.width, 0, 1),
          y: clamp((event.clientY - area.top) / area.height, 0, 1),
        };
        draw();
        ask();
      };
      box.onkeydown = (event) => {
        const step = {
          ArrowLeft: [-1, 0],
          ArrowRight: [1, 0],
          ArrowUp: [0, -1],
          ArrowDown: [0, 1],
        }[event.key];
        if (event.key === "Enter" && state.place) ask();
        if (!step) return;
        event.preventDefault();
        const from = state.place ?? { x: 0.5, y: 0.5 };
        state.place = {
          x: clamp(from.x + step[0] / width, 0, 1),
          y: clamp(from.y + step[1] / height, 0, 1),
        };
        draw();
      };
      return {
        word: word.label,
        values: unpack(word.frames),
        top: word.top,
        figure,
        box,
        canvas,
        mark,
        low,
        high,
        here,
      };
    });
    find("maps").replaceChildren(...state.maps.map((map) => map.figure));
  };
  const wait = Math.max(33, 1650 / count);
  const stop = player(state, play, range, "evaluations", wait, draw, ask);
  mean.onchange = ask;
  [mean, own, cells, opacity, threshold].forEach((input) => {
    input.oninput = draw;
  });
  if (state.id !== data.id) {
    const isNew = state.id === null;
    stop();
    if (isNew) {
      opacity.value = 0.7;
      threshold.value = 0;
      mean.checked = true;
    }
    range.max = count - 1;
    if (state.subject !== data.subject) {
      state.place = null;
      range.value = Math.floor(0.4 * (count - 1));
    }
    if (isNew && data.place) {
      if (data.place.x !== null) state.place = { x: data.place.x, y: data.place.y };
      mean.checked = data.place.frame === null;
      range.value = data.place.frame ?? range.value;
    }
    range.setAttribute("aria-label", "Evaluation");
    state.id = data.id;
    state.subject = data.subject;
    build();
  }
  draw();
  return stop;
}
