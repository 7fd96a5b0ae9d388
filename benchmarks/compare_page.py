"""The Compare page from end to end in a real browser: 24 samplers at 20 steps, then again by URL.

A server starts on an empty runs folder and loads the embedded model; then a headless Chromium
presses Compare. The clock runs from the click to the verdict, references and summing up included.
Meanwhile it counts how often the tiles' previews change. Then browsers with nothing in their cache,
which fetch and compile the dashboard's JavaScript too, open the finished page by its address, and
each once more, as somebody who has been here before. The goal is the fresh browser's.

    python benchmarks/compare_page.py [--quick] [--json]
"""

import re
import statistics
import tempfile
import time
import urllib.parse
from pathlib import Path

from report import Report
from startup import FLAGS, chromium_path, free_port, start_server, wait_for_server

PATIENCE = 180_000
DEEP = """const deep = (root, what) => [...root.querySelectorAll(what),
  ...[...root.querySelectorAll('*')].filter((e) => e.shadowRoot)
    .flatMap((e) => deep(e.shadowRoot, what))];"""  # the tiles are in a shadow root
PICTURES = (
    "() => {"
    + DEEP
    + """
  const found = deep(document, '.tile img').filter((i) => i.getAttribute('src'));
  return found.length > 1 && found.every((i) => i.complete && i.naturalWidth > 0);
}"""
)
WATCH = (
    "() => {"
    + DEEP
    + """
  window.seen = new Set();
  setInterval(() => deep(document, '.tile img').forEach((i) => {
    if (i.complete && i.naturalWidth > 0) window.seen.add(i.src);
  }), 200);
}"""
)


def address(samplers: int, steps: int, reference: int, seed: int = 0) -> str:
    """Return the page's address with so many samplers chosen, one picture, one budget."""
    from sdlab.comparing.presets import of_number

    chosen = [("compare.samplers", entrant.solver) for entrant in of_number(samplers)]
    rest = [
        ("compare.seeds", str(seed)),
        ("compare.align", "Steps"),
        ("compare.budget", str(steps)),
        ("compare.more", ""),
        ("compare.reference", str(reference)),
    ]
    return "/compare?" + urllib.parse.urlencode([*chosen, *rest])


def forecast_of(page) -> float:
    """Return the seconds that the page says beforehand; it must say so."""
    captions = page.get_by_test_id("stCaptionContainer")
    words = captions.filter(has_text=re.compile(r"evaluations.*about \d")).first
    words.wait_for()
    found = re.search(r"about ((?:\d+ (?:h|min|s)\b ?)+)", words.inner_text())
    parts = re.findall(r"(\d+) (h|min|s)", found[1])
    return sum(int(number) * {"h": 3600, "min": 60, "s": 1}[unit] for number, unit in parts)


def first_time(browser, url: str, path: str, samplers: int) -> dict[str, float | str]:
    """Press Compare and return the seconds, the changes of previews, and the final address."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(url + path)
    button = page.get_by_role("button").filter(has=page.get_by_text("Compare", exact=True))
    button.wait_for()
    button.click(trial=True)  # waits until it can be pressed
    page.wait_for_timeout(2000)  # what the first visit imports is not the comparison's
    forecast = forecast_of(page)
    page.evaluate(WATCH)
    begin = time.perf_counter()
    button.click()
    page.locator(".tile").nth(samplers).wait_for(state="attached")
    tiles = time.perf_counter() - begin
    page.locator(".tile img:not([hidden])").first.wait_for(state="attached")
    preview = time.perf_counter() - begin
    page.get_by_role("heading", name="Measurements").wait_for()
    page.wait_for_function(PICTURES, polling=50)
    done = time.perf_counter() - begin
    changes = page.evaluate("window.seen.size")
    found = page.url
    failed = page.locator(".tile.failed").count()
    page.close()
    return {
        "tiles": tiles, "preview": preview, "done": done, "changes": changes, "url": found,
        "failed": failed, "forecast": max(forecast / done, done / forecast),
    }  # fmt: skip


def again(context, url: str) -> float:
    """Open a finished comparison in a new tab; seconds until verdict, all tiles and chart."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    begin = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(".st-key-compare_verdict").wait_for()
    page.wait_for_function(PICTURES, polling=50)
    chart = page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").first
    chart.wait_for()
    seconds = time.perf_counter() - begin
    page.close()
    return seconds


def twice(browser, url: str) -> tuple[float, float]:
    """Open a finished comparison in a browser with an empty cache, and again; seconds of both."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    found = again(context, url), again(context, url)
    context.close()
    return found


def main() -> None:
    """Measure and print the rows."""
    from playwright.sync_api import sync_playwright

    report = Report(__doc__.splitlines()[0])
    quick = report.arguments.quick
    samplers, steps, reference = (6, 6, 12) if quick else (24, 20, 100)
    path = chromium_path()
    report.head()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        port = free_port()
        server, url = start_server(Path(folder), port), f"http://127.0.0.1:{port}"
        try:
            wait_for_server(server, port)
            found = first_time(browser, url, address(samplers, steps, reference), samplers)
            later = first_time(browser, url, address(6, steps, reference, seed=1), 6)
            link = urllib.parse.urlsplit(str(found["url"]))
            one = urllib.parse.parse_qs(link.query)["id"][0]
            opened = [twice(browser, f"{url}/compare?id={one}") for _ in range(1 if quick else 5)]
        finally:
            server.terminate()
            server.wait(30)
            browser.close()
    name = f"{samplers} samplers at {steps} steps"
    report.add(f"{name}: click to all tiles", found["tiles"], unit="s")
    report.add(f"{name}: click to the first preview", found["preview"], unit="s")
    report.add(f"{name}: click to the verdict", found["done"], goal="<= 60", unit="s")
    each = found["changes"] / (samplers + 1)
    report.add("pictures shown by each tile on the way", each, goal=">= 3")
    report.add("samplers that failed", found["failed"], goal="<= 0")
    what = "forecast off by a factor, before anything ran"
    report.add(what, found["forecast"], goal="<= 1.5")
    report.add("forecast off by a factor, afterwards", later["forecast"], goal="<= 1.5")
    fresh, known = (statistics.median(seconds) for seconds in zip(*opened, strict=True))
    report.add("the finished page from its address, new browser", fresh, goal="<= 2", unit="s")
    report.add("the same, browser that was here before", known, unit="s")
    report.close()


if __name__ == "__main__":
    main()
