/** Return a value kept between bounds. */
export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/** Return a new element with a class, at the end of its parent. */
export function element(kind, name, parent) {
  const node = document.createElement(kind);
  node.className = name;
  parent.append(node);
  return node;
}

/** Bring a tab of the page into view, once the server has opened it. */
export function bringTab(name, tries = 50) {
  const open = [...document.querySelectorAll("[role=tab][aria-selected=true]")];
  const tab = open.find((node) => node.textContent.trim() === name);
  if (tab) tab.scrollIntoView({ block: "start" });
  else if (tries) setTimeout(() => bringTab(name, tries - 1), 200);
}

/** Have a plain click on a link told, and not followed; with Ctrl and the like it is followed. */
export function hear(link, tell) {
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    tell();
  };
}

/**
 * Let a button play the frames that a slider chooses; return the function that stops it.
 *
 * @param state Remembers the timer from one drawing to the next.
 * @param what What the frames are, such as "steps".
 * @param wait Milliseconds a frame.
 * @param draw Called when the slider was moved.
 * @param settled Called when the slider has come to rest.
 */
export function player(state, play, range, what, wait, draw, settled = () => {}) {
  const stop = () => {
    clearInterval(state.timer);
    state.timer = null;
    play.innerHTML = "&#9654;";
    play.setAttribute("aria-label", `Play the ${what}`);
  };
  const atEnd = () => Number(range.value) >= Number(range.max);
  const advance = () => {
    range.value = Number(range.value) + 1;
    draw();
    if (!atEnd()) return;
    stop();
    settled();
  };
  play.onclick = () => {
    if (state.timer) {
      stop();
      settled();
      return;
    }
    if (atEnd()) range.value = 0;
    play.innerHTML = "&#10073;&#10073;";
    play.setAttribute("aria-label", "Pause");
    state.timer = setInterval(advance, wait);
  };
  range.oninput = () => {
    stop();
    draw();
  };
  range.onchange = settled;
  return stop;
}

/**
 * Hang up a strip of small pictures, in as many lines of one length as they need.
 *
 * @param state Remembers who watches the strip's width.
 * @param marks What stands below each picture.
 * @param labels What each is called, for who cannot see it.
 * @param make Puts the picture into its button; called with the button and its place.
 */
export function hangStrip(state, strip, marks, labels, make) {
  const buttons = marks.map((mark, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1; // the slider reaches all of them
    button.setAttribute("aria-label", labels[index]);
    make(button, index);
    button.append(mark);
    return button;
  });
  strip.replaceChildren(...buttons);
  const lines = () => {
    const fit = Math.max(1, Math.floor(strip.clientWidth / 48));
    const columns = Math.ceil(marks.length / Math.ceil(marks.length / fit));
    strip.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 120px))`;
  };
  state.resized?.disconnect();
  state.resized = new ResizeObserver(lines);
  if (marks.length) state.resized.observe(strip);
}

const HEAT_STOPS = [
  [0, 0, 4],
  [28, 16, 68],
  [79, 18, 123],
  [129, 37, 129],
  [181, 54, 122],
  [229, 80, 100],
  [251, 135, 97],
  [254, 194, 135],
  [252, 253, 191],
];
const heatColour = (share) => {
  const place = clamp(share, 0, 0.9999) * (HEAT_STOPS.length - 1);
  const low = Math.floor(place);
  const rest = place - low;
  return HEAT_STOPS[low].map((value, i) =>
    Math.round(value + rest * (HEAT_STOPS[low + 1][i] - value)),
  );
};
const HEAT = Array.from({ length: 256 }, (_, i) => heatColour(i / 255));

/**
 * Return a heat map as a canvas with one pixel a cell.
 *
 * @param share Returns a cell's share of the largest value, 0 ... 1.
 * @param cut Cells below this share are clear.
 */
export function heatPicture(width, height, share, cut = 0) {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const part = share(i);
    const [r, g, b] = HEAT[Math.min(255, Math.round(part * 255))];
    image.data.set([r, g, b, part < cut ? 0 : 255], 4 * i);
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
