"""Takes the README's pictures anew, from a run on the model as it is now.

Run: python -m tests.e2e.pictures [experiment] [compare] [attention]   (needs chromium)
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.conftest import FLAGS
from tests.e2e.conftest import ROOT, SECONDS, button, settle, start_server

RUN = {
    "experiment": {"experiment.prompt": "a penguin in the snow", "experiment.seed": 2},
    "compare": {
        "compare.samplers": [
            *("ddim", "euler", "heun", "dpmpp_2m", "unipc"),
            *("lms", "euler_ancestral", "DDIMScheduler"),
        ],
        "compare.prompts": "a red car on a beach\na blue balloon in the sky",
        "compare.seeds": "0, 1, 2",
        "compare.align": "Evaluations",
        "compare.budget": 12,
        "compare.more": "4, 6, 8, 16",
    },
    "attention": {},
}
START = {"experiment": "Run", "compare": "Compare", "attention": "Run and record"}
SIZE = {
    "experiment": (1400, 1250),
    "compare": (1400, 1230),
    "attention": (1400, 1230),
}
FILE = {"experiment": "screenshot.png", "compare": "compare.png", "attention": "attention.png"}
PATIENCE = 900_000


def take(page: Page, url: str, name: str) -> None:
    """Make a run on a page, wait for all that it shows, and save the page's upper part."""
    page.goto(f"{url}/{name}?{urlencode(RUN[name], doseq=True)}")
    settle(page)
    button(page, START[name]).click()
    if name == "compare":
        page.get_by_role("heading", name="Measurements").wait_for(timeout=PATIENCE)
    elif name == "attention":
        page.locator(".heat canvas").first.wait_for()
        page.locator(".heat .layers").first.click(position={"x": 65, "y": 60})
        page.get_by_text("Where this place looks").first.wait_for()
    else:
        page.get_by_text("Frames are decoded by the VAE.").wait_for()
    page.mouse.move(1390, 5)
    page.set_viewport_size(dict(zip(("width", "height"), SIZE[name], strict=True)))
    settle(page)
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(ROOT / "docs" / FILE[name], optimize=True)


def main() -> None:
    """Take the pictures that were named, or all."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("needs a chromium on the PATH (apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, url = start_server(Path(folder) / "runs", Path(folder) / "server.log")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            for name in sys.argv[1:] or RUN:
                page = browser.new_page(viewport={"width": 1400, "height": 900})
                page.set_default_timeout(2 * SECONDS)
                take(page, url, name)
        finally:
            browser.close()
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
