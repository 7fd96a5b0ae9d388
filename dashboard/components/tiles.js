import { element, hear } from "./common.js";

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".tiles");
  root.setAttribute("aria-label", data.label);
  root.style.setProperty("--ratio", data.ratio);
  root.classList.toggle("fixed", data.columns > 0);
  root.style.setProperty("--columns", data.columns);
  if (data.columns > 0) root.tabIndex = 0; // it may scroll, also by keyboard
  root.ticked ??= new Set(data.ticked ?? []);
  const made = new Map([...root.children].map((tile) => [tile.dataset.id, tile]));
  const make = (tile) => {
    const node = document.createElement("div");
    node.dataset.id = tile.id;
    node.setAttribute("role", "listitem");
    const frame = element("a", "frame", node);
    element("span", "empty", frame).setAttribute("aria-hidden", "true");
    const image = element("img", "", frame);
    image.hidden = true;
    image.onload = () => {
      image.hidden = false;
      image.classList.toggle("sharp", image.naturalWidth <= data.sharp);
    };
    image.onerror = () => {
      image.hidden = true;
    };
    element("span", "badge", frame);
    const box = element("input", "", element("label", "tick", node));
    box.type = "checkbox";
    element("i", "", element("div", "bar", node));
    const name = element("div", "name", node);
    element("span", "dot", name);
    element("span", "word", name);
    element("div", "line", node);
    element("div", "error", node);
    return node;
  };
  const head = (part) => {
    const node = document.createElement("div");
    node.dataset.id = part.id;
    node.setAttribute("role", "listitem");
    node.className = "heading";
    element("span", "word", node);
    return node;
  };
  const set = (node, name, text) => {
    const found = node.querySelector(`.${name}`);
    if (found.textContent !== text) found.textContent = text;
  };
  const parts = data.tiles.flatMap((tile) =>
    tile.heading ? [{ id: `above ${tile.id}`, above: tile.heading }, tile] : [tile],
  );
  parts.forEach((tile, index) => {
    const node = made.get(tile.id) ?? (tile.above ? head(tile) : make(tile));
    made.delete(tile.id);
    if (root.children[index] !== node) root.insertBefore(node, root.children[index] ?? null);
    if (tile.above) {
      set(node, "word", tile.above);
      return;
    }
    node.className = `tile ${tile.look}`;
    node.dataset.state = tile.state;
    node.style.setProperty("--tone", tile.color);
    const frame = node.querySelector(".frame");
    const image = node.querySelector("img");
    if (tile.href) {
      frame.href = tile.href;
      frame.title = "Open this run";
      hear(frame, () => setTriggerValue("opened", tile.id));
    } else {
      frame.removeAttribute("href");
      frame.removeAttribute("title");
      frame.onclick = null;
    }
    const box = node.querySelector(".tick input");
    box.parentElement.hidden = !data.ticked;
    box.checked = root.ticked.has(tile.id);
    box.setAttribute("aria-label", `Tick ${tile.alt || tile.name}`);
    box.onchange = () => {
      if (box.checked) root.ticked.add(tile.id);
      else root.ticked.delete(tile.id);
      setStateValue("ticked", [...root.ticked]);
    };
    image.alt = tile.alt;
    if (tile.src && image.getAttribute("src") !== tile.src) image.src = tile.src;
    if (!tile.src) {
      image.removeAttribute("src");
      image.hidden = true;
    }
    set(node, "badge", tile.badge);
    set(node, "word", tile.name);
    set(node, "line", tile.line);
    set(node, "error", tile.error);
    set(node, "empty", tile.src ? "" : tile.mark);
    node.querySelector(".bar i").style.width = `${(100 * tile.share).toFixed(1)}%`;
  });
  for (const node of made.values()) node.remove();
}
