import { clamp } from "./common.js";

const PAD = { left: 44, right: 14, top: 12, bottom: 30 };
const NAMES = "http://www.w3.org/2000/svg";

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".editor");
  const svg = root.querySelector(".plot");
  const where = root.querySelector(".where");
  root.state ??= { points: null, number: -1, held: null, timer: null };
  const state = root.state;
  const round = (value) => Number(value.toPrecision(4));
  if (state.held === null && state.timer === null && data.number >= state.number) {
    state.points = data.points.map((point) => [...point]);
    state.number = data.number;
  }
  const box = () => {
    const rect = svg.getBoundingClientRect();
    return { width: Math.max(120, rect.width), height: Math.max(120, rect.height), rect };
  };
  const low = Math.log(data.range[0]);
  const high = Math.log(data.range[1]);
  const x = (u, size) => PAD.left + u * (size.width - PAD.left - PAD.right);
  const y = (sigma, size) =>
    PAD.top + ((high - Math.log(sigma)) / (high - low)) * (size.height - PAD.top - PAD.bottom);
  const sigmaAt = (pixel, size) =>
    Math.exp(
      clamp(
        high - ((pixel - PAD.top) / (size.height - PAD.top - PAD.bottom)) * (high - low),
        low,
        high,
      ),
    );
  const uAt = (pixel, size) =>
    clamp((pixel - PAD.left) / (size.width - PAD.left - PAD.right), 0, 1);
  const make = (name, attributes, text) => {
    const node = document.createElementNS(NAMES, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    svg.appendChild(node);
    return node;
  };
  const path = (points, size) => {
    const pairs = points.map(([u, sigma]) => [x(u, size).toFixed(1), y(sigma, size).toFixed(1)]);
    return `M${pairs.map((pair) => pair.join(" ")).join(" L")}`;
  };
  const say = (index) => {
    const [u, sigma] = state.points[index];
    const place = `point ${index + 1} of ${state.points.length}`;
    return `${place} · u ${u.toFixed(3)} · ${data.level} ${sigma.toPrecision(4)}`;
  };
  const send = () => {
    clearTimeout(state.timer);
    state.timer = null;
    state.number += 1;
    setStateValue("points", { number: state.number, points: state.points });
  };
  const sendSoon = () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(send, 350);
  };
  const move = (index, u, sigma) => {
    const points = state.points;
    const last = points.length - 1;
    if (index === 0) u = 0;
    else if (index === last) u = 1;
    else u = clamp(u, points[index - 1][0] + 0.005, points[index + 1][0] - 0.005);
    points[index] = [round(u), round(clamp(sigma, data.range[0], data.range[1]))];
  };
  const add = (u, sigma) => {
    if (state.points.length >= data.most) {
      where.textContent = "No more points fit.";
      return -1;
    }
    const index = state.points.findIndex((point) => point[0] > u);
    const before = state.points[index - 1];
    const after = state.points[index];
    if (index < 1 || u - before[0] < 0.005 || after[0] - u < 0.005) return -1;
    state.points.splice(index, 0, [round(u), round(sigma)]);
    return index;
  };
  const remove = (index) => {
    if (index === 0 || index === state.points.length - 1) {
      where.textContent = "The ends stay: the curve runs from u 0 to u 1.";
      return false;
    }
    state.points.splice(index, 1);
    return true;
  };
  const draw = (focus) => {
    const size = box();
    const had = [...svg.querySelectorAll(".hit")].indexOf(root.getRootNode().activeElement);
    if (focus === undefined && had >= 0) focus = Math.min(had, state.points.length - 1);
    svg.textContent = "";
    svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    for (const tick of data.ticks) {
      const at = y(tick, size);
      make("line", { class: "grid", x1: PAD.left, x2: size.width - PAD.right, y1: at, y2: at });
      make("text", { class: "label", x: PAD.left - 6, y: at + 4, "text-anchor": "end" }, tick);
    }
    for (const u of [0, 0.25, 0.5, 0.75, 1]) {
      make(
        "text",
        { class: "label", x: x(u, size), y: size.height - 10, "text-anchor": "middle" },
        u,
      );
    }
    make(
      "text",
      { class: "label", x: size.width - PAD.right - 4, y: PAD.top + 12, "text-anchor": "end" },
      `${data.level} (log) over u, 0 first step to 1 last`,
    );
    if (data.baseline.length) make("path", { class: "base", d: path(data.baseline, size) });
    make("path", { class: "line", d: path(state.points, size) });
    state.points.forEach((point, index) => {
      const cx = x(point[0], size);
      const cy = y(point[1], size);
      const hit = make("circle", {
        class: "hit",
        cx,
        cy,
        r: 16,
        tabindex: 0,
        role: "slider",
        "aria-label": `Point ${index + 1}`,
        "aria-orientation": "vertical",
        "aria-valuemin": data.range[0],
        "aria-valuemax": data.range[1],
        "aria-valuenow": point[1],
        "aria-valuetext": say(index),
      });
      make("circle", { class: "dot", cx, cy, r: 6 });
      hit.onpointerdown = (event) => grab(event, index);
      hit.onkeydown = (event) => press(event, index);
      hit.onfocus = () => {
        where.textContent = say(index);
      };
      if (focus === index) hit.focus();
    });
    root.dataset.points = JSON.stringify(state.points);
  };
  const grab = (event, index) => {
    event.preventDefault();
    const again = state.tapped === index && event.timeStamp - state.tappedAt < 400;
    state.tapped = index;
    state.tappedAt = event.timeStamp;
    if (again && remove(index)) {
      state.tapped = null;
      draw(index - 1);
      send();
      return;
    }
    state.held = index;
    svg.setPointerCapture(event.pointerId);
    draw(index);
  };
  svg.onpointermove = (event) => {
    if (state.held === null) return;
    const size = box();
    state.moved = true;
    move(
      state.held,
      uAt(event.clientX - size.rect.left, size),
      sigmaAt(event.clientY - size.rect.top, size),
    );
    where.textContent = say(state.held);
    draw(state.held);
  };
  svg.onpointerup = svg.onpointercancel = () => {
    if (state.held === null) return;
    const index = state.held;
    state.held = null;
    draw(index);
    if (state.moved) send();
    state.moved = false;
  };
  svg.ondblclick = (event) => {
    const size = box();
    const left = event.clientX - size.rect.left;
    const top = event.clientY - size.rect.top;
    const near = state.points.some(
      (point) => Math.hypot(x(point[0], size) - left, y(point[1], size) - top) < 16,
    );
    if (near || event.timeStamp - (state.tappedAt ?? -1e9) < 400) return;
    const index = add(uAt(left, size), sigmaAt(top, size));
    if (index >= 0) {
      draw(index);
      send();
    }
  };
  const press = (event, index) => {
    const [u, sigma] = state.points[index];
    const far = event.shiftKey ? 5 : 1;
    const step = Math.exp((high - low) * 0.01 * far);
    let focus = index;
    if (event.key === "ArrowUp") move(index, u, sigma * step);
    else if (event.key === "ArrowDown") move(index, u, sigma / step);
    else if (event.key === "ArrowRight") move(index, u + 0.01 * far, sigma);
    else if (event.key === "ArrowLeft") move(index, u - 0.01 * far, sigma);
    else if (event.key === "Delete" || event.key === "Backspace") {
      if (!remove(index)) {
        event.preventDefault();
        return;
      }
      focus = index - 1;
    } else if (event.key === "Insert" || event.key === "+") {
      const next = state.points[Math.min(index + 1, state.points.length - 1)];
      const from = index + 1 < state.points.length ? state.points[index] : state.points[index - 1];
      focus = add((from[0] + next[0]) / 2, Math.sqrt(from[1] * next[1]));
      if (focus < 0) return;
    } else return;
    event.preventDefault();
    draw(focus);
    where.textContent = say(focus);
    sendSoon();
  };
  if (state.held === null) draw();
  const watcher = new ResizeObserver(() => {
    if (state.held === null) draw();
  });
  watcher.observe(svg);
  return () => watcher.disconnect();
}
