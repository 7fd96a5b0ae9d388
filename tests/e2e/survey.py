"""Every page's first state, as a person meets it: how long it is, what axe-core finds, on a phone.

axe-core (https://github.com/dequelabs/axe-core) comes with ``npm ci``, beside Biome.
"""

from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, TimeoutError

from dashboard.shell.navigation import entries

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
WIDE, PHONE, HIGH = 1400, 420, 900
LOOKS = 5
"""Times that a page is looked at before what is found counts."""
THEMES = {"light": [], "dark": ["color-contrast"]}  # the rules; in dark, what a theme can change
# What Streamlit draws and we cannot mend: the rule, what it is about, and where it comes from.
STREAMLITS_OWN = {
    ("list", "[data-testid=stSidebarNavItems]"): (
        "https://github.com/streamlit/streamlit/blob/develop/frontend/app/src/components/"
        "Navigation/SidebarNav.tsx puts the sections of the menu into its list as <div>"
    ),
    ("listitem", "[data-testid=stSidebarNavItems] > div > li"): (
        "https://github.com/streamlit/streamlit/blob/develop/frontend/app/src/components/"
        "Navigation/NavSection.tsx: the pages of a section are items of that <div>"
    ),
    ("presentation-role-conflict", "[data-testid=stFileUploaderDropzone]"): (
        "https://github.com/streamlit/streamlit/blob/develop/frontend/lib/src/components/widgets/"
        "FileUploader/FileDropzone.tsx: react-dropzone gives the place the role, Streamlit a label"
    ),
}
_STILL = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const main = document.querySelector('[data-testid=stMain]');
  const busy = '[data-testid=stSkeleton], [data-testid=stSpinner], [data-testid=stProgress]';
  const now = !app || app.dataset.testScriptState !== 'notRunning'
    || app.dataset.testConnectionState !== 'CONNECTED' || !main.querySelector('h1')
    || document.querySelector(`${busy}, [data-stale=true]`) ? performance.now()
    : main.scrollHeight + 1e6 * main.querySelectorAll('*').length;
  if (window.surveyed !== now) [window.surveyed, window.since] = [now, performance.now()];
  return performance.now() - window.since > 400;
}"""
_AXE = """async ([own, rules]) => {
  const only = rules.length ? {runOnly: {type: 'rule', values: rules}} : {};
  const found = await axe.run({elementRef: true, resultTypes: ['violations'], ...only});
  return found.violations.flatMap(({id, nodes}) => nodes.map(({element, html}) => {
    const known = own.find(([rule, what]) => rule === id && element.matches(what));
    return [id, known ? known[1] : '', html.slice(0, 200)];
  }));
}"""
_CUT = """() => [...document.querySelectorAll(
    '[data-testid=stMain] :is(button, button p, label p)')]
  .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).overflowX !== 'visible')
  .map((e) => e.textContent.trim())"""
_KEYS = """() => ['[data-testid=stElementContainer]:has([data-has-shortcut=true])',
  ':is([class*="_form"], [data-testid=stForm]) :is(.stTextInput, .stNumberInput) input']
  .map((what) => document.querySelectorAll(what).length)"""
_WIDTH = """() => Math.max(document.documentElement.scrollWidth,
  document.querySelector('[data-testid=stMain]').scrollWidth)"""


@dataclass
class Face:
    """What was seen of a page's first state.

    Attributes:
        name: The page's.
        length: Pixels from its top to its end at 1400 wide.
        ours: What axe-core found in either theme and we could mend, each as theme, rule and HTML.
        own: What it found that is Streamlit's own, as keys of ``STREAMLITS_OWN``.
        phone_width: Pixels that the page takes at 420 wide.
        cut: Texts of buttons and labels that are cut off at 420 wide.
        runs: How many buttons answer to Ctrl+Enter.
        fields: How many fields of one line Enter would press them from.
    """

    name: str
    length: int = 0
    ours: list[tuple[str, str, str]] = field(default_factory=list)
    own: set[tuple[str, str]] = field(default_factory=set)
    phone_width: int = 0
    cut: list[str] = field(default_factory=list)
    runs: int = 0
    fields: int = 0


def survey(browser: Browser, url: str, dark: Container[str]) -> Iterator[Face]:
    """Yield what is seen of each page in the menu's order; one tab goes through all of them.

    To change the theme draws the whole page and all its charts anew, so only some pages are looked
    at in the dark one too, first in that in which the page before was left.

    Args:
        browser: Any.
        url: The server's.
        dark: Names of the pages to look at in the dark theme too.
    """
    context = browser.new_context(viewport={"width": WIDE, "height": HIGH})
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(url)
    page.add_script_tag(path=AXE)
    page.add_style_tag(content="* { transition: none !important }")  # colours are read at once
    last = "light"
    for number, name in enumerate(entries()):
        themes = sorted(THEMES, key=lambda theme: theme != last) if name in dark else ["light"]
        last = themes[-1]
        page.locator(f"[data-testid=stSidebarNavLink][href$='/{name if number else ''}']").click()
        page.wait_for_function(f"location.pathname === '/{name if number else ''}'")
        yield look(page, name, themes)
    context.close()


def look(page: Page, name: str, themes: list[str]) -> Face:
    """Return what is seen of the page that is open, in each theme; then its width is as before."""
    face = Face(name)
    still(page)
    face.runs, face.fields = page.evaluate(_KEYS)
    face.length = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        page.wait_for_function(_SHOWS, arg=theme)
        for _ in range(LOOKS):
            found = page.evaluate(_AXE, [list(STREAMLITS_OWN), THEMES[theme]])
            if all(own for _, own, _ in found):
                break
            # A script may have begun: Streamlit draws what it has not come to yet pale.
            still(page)
            page.wait_for_function("!document.querySelector('[data-stale=true]')")
            page.wait_for_timeout(500)
        for rule, own, html in found:
            if own:
                face.own.add((rule, own))
            else:
                face.ours.append((theme, rule, html))
    page.set_viewport_size({"width": PHONE, "height": HIGH})
    still(page)
    with suppress(TimeoutError):  # a table is drawn anew a while after its place has shrunk
        page.wait_for_function(f"({_WIDTH})() <= {PHONE}", timeout=3000)
    face.phone_width, face.cut = page.evaluate(_WIDTH), page.evaluate(_CUT)
    page.set_viewport_size({"width": WIDE, "height": HIGH})
    return face


_SHOWS = """(theme) => {
  const app = getComputedStyle(document.querySelector('[data-testid=stApp]'));
  return (app.colorScheme === 'dark') === (theme === 'dark');
}"""


def still(page: Page) -> None:
    """Wait until nothing is computed any more and a moment passes without a change."""
    page.wait_for_function(_STILL, polling=100)
