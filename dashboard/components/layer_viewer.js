import { bringTab, clamp, element, hangStrip, hear, heatPicture, player } from "./common.js";

const REST = 400; // milliseconds without a move after which the place is told
const SMALL = 120;
const LARGE = 512; // at least so many pixels has a picture with a heat map over it
const OPACITY = 0.7;

export default function (component) {
  const { parentElement, setStateValue, setTriggerValue } = component;
  const [data] = component.data;
  const root = parentElement.querySelector(".viewer");
  const find = (name) => root.querySelector(`.${name}`);
  const [range, play, save, where] = ["range", "play", "save", "where"].map(find);
  const [choice, still, canvas, strip] = ["choice", "still", "frame", "strip"].map(find);
  const word = find("word");
  root.state ??= { id: null, subject: null, layer: "", sheets: new Map(), timer: null };
  const state = root.state;
  const [width, height] = data.size;
  const count = data.labels.length;
  const isFilm = (layer) => layer.row !== null || layer.heat !== null;
  const films = data.layers.filter(isFilm);
  const chosen = () => data.layers.find((layer) => layer.name === state.layer) ?? data.layers[0];
  const best = films.find((layer) => layer.name === "x0_pred") ?? films[0];
  const shown = () => (isFilm(chosen()) ? chosen() : best);

  /** Paint the chosen word's map of one evaluation over the finished picture. */
  const paintHeat = (target, { source, heat }, index) => {
    const draw = target.getContext("2d");
    const sheet = state.sheets.get(source);
    const place = heat.places[index];
    draw.imageSmoothingEnabled = false;
    if (still.naturalWidth) draw.drawImage(still, 0, 0, target.width, target.height);
    if (!sheet || place === null) return;
    const [across, down] = heat.size;
    const at = word.selectedIndex * heat.count + place;
    const corner = [(at % heat.columns) * across, Math.floor(at / heat.columns) * down];
    const grey = new OffscreenCanvas(across, down).getContext("2d");
    grey.drawImage(sheet, ...corner, across, down, 0, 0, across, down);
    const values = grey.getImageData(0, 0, across, down).data;
    draw.imageSmoothingEnabled = true;
    draw.globalAlpha = OPACITY;
    const map = heatPicture(across, down, (i) => values[4 * i] / 255);
    draw.drawImage(map, 0, 0, target.width, target.height);
    draw.globalAlpha = 1;
  };
  const paint = (target, layer, index) => {
    if (layer.heat) {
      paintHeat(target, layer, index);
      return;
    }
    const sheet = state.sheets.get(layer.source);
    if (!sheet) return;
    const band = Math.floor(index / data.columns);
    const x = (index % data.columns) * width;
    const y = (data.rows * band + layer.row) * height;
    target
      .getContext("2d")
      .drawImage(sheet, x, y, width, height, 0, 0, target.width, target.height);
  };
  const named = (layer) => (layer.heat ? `${layer.name} to ${word.value}` : layer.name);
  /** Say what the button saves: how large it is, and whether it is less than the decoded frame. */
  const sized = () => {
    const layer = chosen();
    const { naturalWidth, naturalHeight } = still;
    const of = isFilm(layer) ? [canvas.width, canvas.height] : [naturalWidth, naturalHeight];
    const said = [of.join(" x "), layer.draft].filter(Boolean).join(", ");
    find("size").textContent = of[0] ? said : "";
  };
  /** Say what is to be known of a frame, with the way to where it is explained. */
  const noted = (layer, index) => {
    const [said, link] = find("note").children;
    const note = layer.notes[index] ?? "";
    find("note").hidden = !note;
    said.textContent = note;
    link.textContent = layer.why;
    link.href = `${layer.href}&step=${data.numbers[index]}`;
    hear(link, () => {
      setTriggerValue("asked", data.numbers[index]);
      bringTab(layer.tab);
    });
  };
  const draw = () => {
    const layer = chosen();
    const index = Number(range.value);
    const film = isFilm(layer);
    const label = film ? data.labels[index] : "";
    word.hidden = !layer.heat;
    still.hidden = film || !layer.source;
    canvas.hidden = !film;
    find("empty").textContent = film || layer.source ? "" : data.empty;
    find("caption").textContent = layer.caption;
    find("frames").textContent = data.marks ? (shown() ?? layer).frames : "";
    where.textContent = label;
    range.setAttribute("aria-valuetext", data.labels[index] ?? "");
    range.style.setProperty("--done", `${(100 * index) / Math.max(1, range.max)}%`);
    root.dataset.frame = String(index);
    root.dataset.layer = layer.name;
    noted(layer, index);
    const there = !film || state.sheets.has(layer.source);
    if (film) canvas.setAttribute("aria-label", `${named(layer)}, ${label}`);
    if (film && (there || layer.heat)) {
      const grow = layer.heat ? Math.ceil(LARGE / Math.max(...data.aspect)) : 1;
      const size = layer.heat ? data.aspect.map((side) => side * grow) : data.size;
      [canvas.width, canvas.height] = size;
      canvas.classList.toggle("sharp", Math.max(...size) <= 128);
      paint(canvas, layer, index);
    }
    for (const button of choice.children) {
      button.setAttribute("aria-pressed", String(button.dataset.layer === layer.name));
    }
    [...strip.children].forEach((button, at) => {
      button.setAttribute("aria-current", String(film && at === index));
    });
    sized();
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
  state.redraw = () => {
    hang();
    draw();
  };
  state.say = () => {
    if (!root.isConnected) return;
    if (state.timer) return tell(); // it plays
    const layer = chosen();
    const frame = isFilm(layer) ? Number(range.value) : null;
    const of = layer.heat ? word.value : "";
    state.told = frame;
    setStateValue("place", { subject: data.subject, layer: state.layer, frame, word: of });
  };
  const tell = () => {
    clearTimeout(state.telling);
    state.telling = setTimeout(() => state.say(), REST);
  };
  const show = (name) => {
    state.layer = name;
    if (chosen().heat) load(chosen().source);
    state.redraw();
  };
  /** After a move: a still picture has no evaluations, so the move goes to the first film. */
  const moved = () => {
    if (!isFilm(chosen()) && best) show(best.name);
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
    const inside = root.contains(on) && on !== range && on !== word;
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
    const film = isFilm(layer);
    const blob = film
      ? await new Promise((done) => canvas.toBlob(done, "image/png"))
      : await (await fetch(layer.source)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    const of = film ? `-${data.numbers[Number(range.value)]}` : "";
    const draft = layer.draft ? "-preview" : "";
    link.download = `${data.name}-${named(layer).replaceAll(" ", "_")}${of}${draft}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const load = (source) => {
    if (state.sheets.has(source)) return;
    const image = new Image();
    image.onload = () => {
      state.sheets.set(source, image);
      if (root.isConnected) state.redraw(); // as the latest data have it
    };
    image.src = source;
  };
  const begin = () => {
    const same = state.subject === data.subject;
    const sources = films.map((layer) => layer.source);
    for (const known of state.sheets.keys())
      if (!sources.includes(known)) state.sheets.delete(known);
    const number = state.numbers?.[Number(range.value)];
    state.id = data.id;
    state.subject = data.subject;
    state.numbers = data.numbers;
    range.max = Math.max(0, count - 1);
    state.placed &&= same;
    if (!state.placed) {
      const asked = data.layers.some((layer) => layer.name === data.start.layer);
      state.layer = asked ? data.start.layer : data.layers[0].name;
      const share = chosen().row === null ? 1 : 0.4; // a still picture is the end of the way
      range.value = data.start.frame ?? Math.floor(share * (count - 1));
      state.placed = count > 0; // without frames there is no place yet
    } else if (data.numbers.includes(number)) range.value = data.numbers.indexOf(number);
    root.classList.toggle("small", data.small);
    root.style.setProperty("--aspect", data.aspect.join(" / "));
    range.setAttribute("aria-label", "Evaluation");
    range.disabled = play.disabled = !films.length;
    const words = films.find((layer) => layer.heat)?.heat.words ?? [];
    if ([...word.options].map((option) => option.value).join() !== words.join()) {
      const before = same && word.value ? word.value : data.start.word;
      word.replaceChildren(...words.map((name) => new Option(name)));
      word.value = words.includes(before) ? before : words[0];
    }
    const names = data.layers.map((layer) => layer.name);
    // Buttons that stay keep the focus.
    if ([...choice.children].map((button) => button.dataset.layer).join() !== names.join()) {
      choice.replaceChildren();
      for (const layer of data.layers) {
        const button = element("button", "", choice);
        button.textContent = layer.name;
        button.title = window.sdlabMeaning?.(layer.name) ?? "";
        if (layer.words) element("small", "", button).textContent = layer.words;
      }
    }
    [...choice.children].forEach((button, at) => {
      button.type = "button";
      button.dataset.layer = names[at];
      button.onclick = () => {
        show(names[at]);
        tell();
      };
    });
    // Until a finer sheet is here the frames of the one before stay.
    if (!same || state.sheets.has(shown()?.source)) hang();
    for (const layer of films) if (!layer.heat || layer === chosen()) load(layer.source);
  };
  const picture = data.layers.find((layer) => !isFilm(layer));
  if (picture?.source && still.getAttribute("src") !== picture.source) still.src = picture.source;
  still.onload = () => {
    still.classList.toggle("sharp", still.naturalWidth <= 320);
    sized();
    const small = data.live > 0 && strip.children[data.live - 1]?.querySelector("canvas");
    if (small) small.getContext("2d").drawImage(still, 0, 0, small.width, small.height);
    if (chosen().heat) state.redraw();
  };
  word.onchange = () => {
    state.redraw();
    tell();
  };
  still.alt = picture?.alt ?? "";
  save.disabled = !films.length && !picture?.source;
  const asked = data.start.frame;
  if (state.id !== data.id) {
    stop();
    begin();
  } else if (asked !== null && asked !== state.asked && asked !== state.told) {
    stop(); // another field of the page has moved
    range.value = asked;
    if (!isFilm(chosen()) && best) state.layer = best.name;
  }
  state.asked = asked;
  if (data.live) range.value = data.live - 1;
  draw();
  // Each drawing has a listener of its own, and Streamlit ends only the last one.
  document.removeEventListener("keydown", state.keys);
  state.keys = keys;
  document.addEventListener("keydown", keys);
  return () => {
    stop();
    document.removeEventListener("keydown", state.keys);
  };
}
