// Underlines each word of the Glossary where it first stands on the page; the pointer shows its meaning.
(() => {
  if (window.sdlabTerms || !globalThis.CSS?.highlights) return; // a rerun runs this again
  window.sdlabTerms = true;
  const TERMS = /* the terms */ [].map(([name, meaning, pattern, anyCase]) => ({
    name,
    meaning,
    pattern: new RegExp(pattern, anyCase ? "i" : ""),
  }));
  const TEXT = `:is([data-testid="stMarkdownContainer"], [data-testid="stCaptionContainer"],
    [data-testid="stHeading"])`;
  const CHOICE = ':not([data-testid*="egmented"], [data-testid*="pills"])';
  const NO_TEXT = `h1, code, pre, a, svg, .katex, style, script, input, textarea, button${CHOICE},
    [data-testid="stIconMaterial"]`;
  const box = Object.assign(document.createElement("div"), { className: "sdlab-meaning" });
  box.hidden = true;
  box.role = "tooltip";
  document.body.append(box);
  let found = []; // [range, term], one a term

  // What a text holds, each term where it first stands; a longer one hides those within it.
  const held = (text) => {
    const all = TERMS.map((term) => ({ term, at: term.pattern.exec(text) })).filter(({ at }) => at);
    const end = (at) => at.index + at[0].length;
    const within = (a, b) => b.index <= a.index && end(a) <= end(b) && b[0].length > a[0].length;
    return all.filter(({ at }) => !all.some((other) => within(at, other.at)));
  };
  // For components, whose own shadow hides their words from what follows.
  window.sdlabMeaning = (text) => held(text)[0]?.term.meaning ?? "";
  const look = () => {
    const main = document.querySelector('[data-testid="stMain"]');
    if (!main) return;
    const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    const first = new Map();
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!parent?.closest(TEXT) || parent.closest(NO_TEXT) || !parent.checkVisibility()) continue;
      for (const { term, at } of held(node.data)) {
        if (first.has(term)) continue;
        const range = new Range();
        range.setStart(node, at.index);
        range.setEnd(node, at.index + at[0].length);
        first.set(term, range);
      }
    }
    found = [...first].map(([term, range]) => [range, term]);
    CSS.highlights.set("sdlab-term", new Highlight(...first.values()));
  };
  const under = (x, y) =>
    found.find(([range]) =>
      [...range.getClientRects()].some(
        (r) => r.left <= x && x <= r.right && r.top <= y && y <= r.bottom,
      ),
    );
  const show = (event) => {
    const inMain = event.target.closest?.('[data-testid="stMain"]');
    const at = inMain && under(event.clientX, event.clientY);
    box.hidden = !at;
    if (!at) return;
    const name = Object.assign(document.createElement("b"), { textContent: `${at[1].name}: ` });
    box.replaceChildren(name, at[1].meaning);
    const { left, bottom, top } = at[0].getBoundingClientRect();
    const below = bottom + 6 + box.offsetHeight < innerHeight;
    box.style.left = `${Math.max(4, Math.min(left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${below ? bottom + 6 : top - 6 - box.offsetHeight}px`;
  };
  let waits = 0;
  const later = (changes) => {
    if (changes.every(({ target }) => box.contains(target))) return;
    clearTimeout(waits);
    waits = setTimeout(look, 400);
  };
  new MutationObserver(later).observe(document.body, {
    childList: true,
    subtree: true,
    characterData: true,
  });
  document.addEventListener("mousemove", show, { passive: true });
  document.addEventListener("scroll", () => (box.hidden = true), { capture: true, passive: true });
  look();
})();
