/** Return a value kept between bounds. */
export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/** Return a new element with a class, at the end of its parent. */
export function element(kind, name, parent) {
  const node = document.createElement(kind);
  node.className = name;
  parent.append(node);
  return node;
}

/**
 * Let a button play the frames that a slider chooses; return the function that stops it.
 *
 * @param state Remembers the timer from one drawing to the next.
 * @param what What the frames are, such as "steps".
 * @param wait Milliseconds a frame.
 * @param draw Called when the slider was moved.
 */
export function player(state, play, range, what, wait, draw) {
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
    if (atEnd()) stop();
  };
  play.onclick = () => {
    if (state.timer) {
      stop();
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
