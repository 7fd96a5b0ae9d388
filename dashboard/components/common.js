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
