import { clamp, element, hangStrip, player } from "./common.js";

const REST = 400; // milliseconds without a move after which the place is told
const SMALL = 120;

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".viewer");
  const find = (name) => root.querySelector(`.${name}`);
  const [range, play, save, where] = ["range", "play", "save", "where"].map(find);
  const [choice, still, canvas, strip] = ["choice", "still", "frame", "strip"].map(find);
  root.state ??= { id: null, subject: null, layer: "", sheets: new Map(), timer: null };
  const state = root.state;
  const [width, height] = data.size;
  const count = data.labels.length;
  const films = data.layers.filter((layer) => layer.row !== null);
  const chosen = () => data.layers.find((layer) => layer.name === state.layer) ?? data.layers[0];
  const best = films.find((layer) => layer.name === "x0_pred") ?? films[0];
  const shown = () => (chosen().row === null ? best : chosen());

  const paint = (target, layer, index) => {
    const sheet = state.sheets.get(layer.source);
    if (!sheet) return;
    const band = Math.floor(index / data.columns);
    const x = (index % data.columns) * width;
    const y = (data.rows * band + layer.row) * height;
    target
      .getContext("2d")
      .drawImage(sheet, x, y, width, height, 0, 0, target.width, target.height);
  };
  const draw = () => {
    const layer = chosen();
    const index = Number(range.value);
    const film = layer.row !== null;
    const label = film ? data.labels[index] : "";
    still.hidden = film || !layer.source;
    canvas.hidden = !film;
    find("empty").textContent = film || layer.source ? "" : data.empty;
    find("caption").textContent = layer.caption;
    where.textContent = label;
    range.setAttribute("aria-valuetext", data.labels[index] ?? "");
    range.style.setProperty("--done", `${(100 * index) / Math.max(1, range.max)}%`);
    root.dataset.frame = String(index);
    root.dataset.layer = layer.name;
    if (film) {
      canvas.setAttribute("aria-label", `${layer.name}, ${label}`);
      paint(canvas, layer, index);
    }
    for (const button of choice.children) {
      button.setAttribute("aria-pressed", String(button.dataset.layer === layer.name));
    }
    [...strip.children].forEach((button, at) => {
      button.setAttribute("aria-current", String(film && at === index));
    });
    const there = film ? state.sheets.has(layer.source) : true;
    root.dataset.drawn = there ? "yes" : "no";
  };
  const hang = () => {
    const layer = shown();
    const shrink = SMALL / Math.max(...data.aspect);
    hangStrip(state, strip, data.marks ?? [], data.labels, (button, index) => {
      const small = element("canvas", "", button);
      [small.width, small.height] = data.aspect.map((side) => Math.ceil(side * shrink));
      button.disabled = !layer;
      if (!layer) return;
      paint(small, layer, index);
      button.onclick = () => go(index);
    });
  };
  const tell = () => {
    clearTimeout(state.telling);
    state.telling = setTimeout(() => {
      if (!root.isConnected) return;
      if (state.timer) return tell(); // it plays
      const film = chosen().row !== null;
      const frame = film ? Number(range.value) : null;
      setStateValue("place", { subject: data.subject, layer: state.layer, frame });
    }, REST);
  };
  const show = (name) => {
    state.layer = name;
    hang();
    draw();
  };
  /** After a move: a still picture has no evaluations, so the move goes to the first film. */
  const moved = () => {
    if (chosen().row === null && best) show(best.name);
    else draw();
    tell();
  };
  const stop = player(state, play, range, "evaluations", Math.max(60, 2500 / count), moved);
  const go = (index) => {
    stop();
    range.value = index;
    moved();
  };
  /** The arrows scrub wherever they have no other meaning: not in a field, not in a choice. */
  const keys = (event) => {
    const on = event.composedPath()[0];
    const inside = root.contains(on) && on !== range;
    const free = inside || on === document.body || (on.tagName === "BUTTON" && !on.role);
    if (!free || event.ctrlKey || event.metaKey || event.altKey || !films.length) return;
    const at = Number(range.value);
    const ends = inside && { Home: 0, End: count - 1 };
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ...ends }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(clamp(to, 0, count - 1));
  };
  save.onclick = async () => {
    const layer = chosen();
    const film = layer.row !== null;
    const blob = film
      ? await new Promise((done) => canvas.toBlob(done, "image/png"))
      : await (await fetch(layer.source)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    const of = film ? `-${data.numbers[Number(range.value)]}` : "";
    link.download = `${data.name}-${layer.name.replaceAll(" ", "_")}${of}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const load = (source) => {
    if (state.sheets.has(source)) return;
    const image = new Image();
    image.onload = () => {
      state.sheets.set(source, image);
      if (!root.isConnected) return;
      hang();
      draw();
    };
    image.src = source;
  };
  const begin = () => {
    const same = state.subject === data.subject;
    const sources = films.map((layer) => layer.source);
    for (const known of state.sheets.keys())
      if (!sources.includes(known)) state.sheets.delete(known);
    state.id = data.id;
    state.subject = data.subject;
    range.max = Math.max(0, count - 1);
    state.placed &&= same;
    if (!state.placed) {
      const asked = data.layers.some((layer) => layer.name === data.start.layer);
      state.layer = asked ? data.start.layer : data.layers[0].name;
      range.value = data.start.frame ?? Math.floor(0.4 * (count - 1));
      state.placed = count > 0; // without frames there is no place yet
    }
    root.classList.toggle("small", data.small);
    root.style.setProperty("--aspect", data.aspect.join(" / "));
    range.setAttribute("aria-label", "Evaluation");
    range.disabled = play.disabled = !films.length;
    [canvas.width, canvas.height] = data.size;
    canvas.classList.toggle("sharp", Math.max(width, height) <= 128);
    const names = data.layers.map((layer) => layer.name);
    // Buttons that stay keep the focus.
    if ([...choice.children].map((button) => button.textContent).join() !== names.join()) {
      choice.replaceChildren();
      for (const name of names) element("button", "", choice).textContent = name;
    }
    [...choice.children].forEach((button, at) => {
      button.type = "button";
      button.dataset.layer = names[at];
      button.onclick = () => {
        show(names[at]);
        tell();
      };
    });
    hang();
    for (const source of new Set(sources)) load(source);
  };
  const picture = data.layers.find((layer) => layer.row === null);
  if (picture?.source && still.getAttribute("src") !== picture.source) still.src = picture.source;
  still.onload = () => {
    still.classList.toggle("sharp", still.naturalWidth <= 320);
    const small = data.live > 0 && strip.children[data.live - 1]?.querySelector("canvas");
    if (small) small.getContext("2d").drawImage(still, 0, 0, small.width, small.height);
  };
  still.alt = picture?.alt ?? "";
  save.disabled = !films.length && !picture?.source;
  if (state.id !== data.id) {
    stop();
    begin();
  }
  if (data.live) range.value = data.live - 1;
  draw();
  document.addEventListener("keydown", keys);
  return () => {
    stop();
    document.removeEventListener("keydown", keys);
  };
}
