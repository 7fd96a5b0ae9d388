"""What a person sees first: how long pages are, what axe-core finds, how soon something is there.

A cold server on an empty runs folder opens Home: first paint, first preview, first picture. Then
one tab walks through all pages and measures each one's first state at 1400 wide: its length, what
axe-core finds in the light theme, and in the dark one of contrast. Last, a finished comparison, and
Experiment and Inside the network with a stored run are opened by their addresses, each in a browser
with an empty cache.
axe-core comes with `npm ci`.

    python benchmarks/face.py [--quick] [--json]
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compare_page import address, again, first_time  # noqa: E402
from report import Report  # noqa: E402
from startup import FLAGS, chromium_path, free_port, start_server, wait_for_server  # noqa: E402

from dashboard.shell.navigation import entries  # noqa: E402
from tests.e2e.survey import AXE, PHONE, THEMES, WIDE, survey  # noqa: E402

PATIENCE = 120_000
PICTURE = "The picture of"


def first_seconds(browser, url: str, begin: float) -> tuple[dict[str, float], str]:
    """Return the seconds from ``begin`` to what Home shows first, and the run's id."""
    page = browser.new_page(viewport={"width": WIDE, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(url, wait_until="commit")
    found = {}
    page.get_by_text("Made on this machine").wait_for()
    found["first paint"] = time.perf_counter() - begin
    preview, picture = page.get_by_alt_text("Preview of x0_pred"), page.get_by_alt_text(PICTURE)
    preview.or_(picture).first.wait_for()
    found["first preview"] = time.perf_counter() - begin
    picture.first.wait_for()
    found["first picture"] = time.perf_counter() - begin
    link = page.locator("a[href*='run?id=']").first
    link.wait_for()
    run = str(link.get_attribute("href")).partition("id=")[2][:16]
    page.close()
    return found, run


def stored_run_seconds(browser, url: str, picture: str = PICTURE) -> float:
    """Return the seconds until a page shows a picture of a stored run, in a new browser."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    begin = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_alt_text(picture).first.wait_for()
    seconds = time.perf_counter() - begin
    context.close()
    return seconds


def comparison_seconds(browser, url: str) -> float:
    """Return the seconds until a finished comparison's page is there, in a new browser."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900})
    seconds = again(context, url)
    context.close()
    return seconds


def add_faces(report: Report, browser, url: str) -> None:
    """Add the rows of every page's first state."""
    for face in survey(browser, url, dark=list(entries())):
        report.add(f"{face.name}: length", face.length, goal="<= 2000", unit="px")
        for theme in THEMES:
            count = sum(found[0] == theme for found in face.ours)
            report.add(f"{face.name}: axe, {theme}", count, goal="<= 0")
        report.add(f"{face.name}: width on a phone", face.phone_width, goal=f"<= {PHONE}")


def main() -> None:
    """Measure and print the rows."""
    from playwright.sync_api import sync_playwright

    report = Report(__doc__.splitlines()[0])
    if not AXE.is_file():
        raise SystemExit("needs axe-core (npm ci)")
    samplers, steps, reference, times = (2, 4, 8, 1) if report.arguments.quick else (6, 12, 50, 3)
    report.head()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        port, begin = free_port(), time.perf_counter()
        server, url = start_server(Path(folder), port), f"http://127.0.0.1:{port}"
        try:
            wait_for_server(server, port)
            first, run = first_seconds(browser, url, begin)
            for (name, seconds), goal in zip(first.items(), (2, 5, 6), strict=True):
                report.add(f"cold: {name}", seconds, goal=f"<= {goal}", unit="s")
            add_faces(report, browser, url)
            made = first_time(browser, url, address(samplers, steps, reference), samplers)
            pages = {
                "a finished comparison": (comparison_seconds, str(made["url"]), 2),
                "Experiment with a stored run": (
                    stored_run_seconds, f"{url}/experiment?run={run}", 1.5,
                ),
                "Inside the network with a stored run": (
                    partial(stored_run_seconds, picture="in three colours"),
                    f"{url}/network?run={run}", 1.5,
                ),
            }  # fmt: skip
            for name, (measure, at, goal) in pages.items():
                value = statistics.median(measure(browser, at) for _ in range(times))
                report.add(f"opened: {name}", value, goal=f"<= {goal}", unit="s")
        finally:
            server.terminate()
            server.wait(30)
            browser.close()
    report.close()


if __name__ == "__main__":
    main()
