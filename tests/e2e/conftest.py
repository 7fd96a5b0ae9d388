"""One server and one Chromium for all tests here; each test has its own browser context."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[2]
# Patience, in milliseconds: a page answers in tenths of a second, but nothing may hang on the load
# of the machine, so every wait is for a condition and may take as long as a very busy one needs.
SECONDS = 120_000
LONG = 3 * SECONDS
expect.set_options(timeout=SECONDS)


BREAKS = '''
import sdlab

@sdlab.solver("breaks", order=1)
def breaks(x, sigmas, noise):
    """Euler; in a real run of five steps it falls over in the third, in no check."""
    for number, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        if number == 2 and len(sigmas) == 6 and x.shape[1] == 4:
            raise ValueError("the bridge is out at step 3")
        x = x + (sigma_next - sigma) * (x - (yield x, sigma)) / sigma
    return x
'''


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(
    runs: Path,
    log: Path,
    base: str = "",
    start: Sequence[str] = (sys.executable, "-m", "streamlit", "run", "streamlit_app.py"),
    folder: Path = ROOT,
    **variables: str,
) -> tuple[subprocess.Popen, str]:
    port = free_port()
    command = [*start, "--server.port", str(port), "--server.headless", "true"]
    command += ["--server.fileWatcherType", "none"]
    command += ["--server.baseUrlPath", base] if base else []
    environment = {**os.environ, "SDLAB_RUNS": str(runs), **variables}
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=sink, stderr=sink)
    url = f"http://127.0.0.1:{port}" + (f"/{base}" if base else "")
    end = time.monotonic() + SECONDS / 1000
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=10)
            return process, url
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    process.kill()
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("e2e") / "runs"


@pytest.fixture(scope="session")
def server(runs) -> Iterator[str]:
    """The one server, with a sampler plugged in that falls over in mid-run."""
    folder = runs.parent / "solvers"
    folder.mkdir()
    (folder / "breaks.py").write_text(BREAKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDLAB_SOLVERS", str(folder))
        process, url = start_server(runs, runs.parent / "server.log")
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture
def new_page(browser, server) -> Iterator[Callable[[str], Page]]:
    contexts = []

    def opened(address: str) -> Page:
        context = browser.new_context(
            viewport={"width": 1400, "height": 900}, accept_downloads=True
        )
        context.set_default_timeout(SECONDS)
        contexts.append(context)
        page = context.new_page()
        page.goto(server + address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def open_form(new_page) -> Callable[..., Page]:
    """Opens the Experiment page with the settings given, by its own URL parameters."""

    def opened(**settings: object) -> Page:
        query = "&".join(f"experiment.{name}={value}" for name, value in settings.items())
        page = new_page(f"/experiment?{query}")
        expect(run_button(page)).to_be_enabled(timeout=SECONDS)
        return page

    return opened


def button(page: Page, label: str):
    """A button by its label, beside which its shortcut may stand."""
    return page.get_by_role("button").filter(has=page.get_by_text(label, exact=True))


def run_button(page: Page):
    return button(page, "Run")


def settle(page: Page) -> None:
    """Wait until the script is through and the browser connected."""
    page.wait_for_selector(
        "[data-testid=stApp][data-test-script-state=notRunning]"
        "[data-test-connection-state=CONNECTED]"
    )


def type_prompt(page: Page, text: str) -> None:
    field = page.get_by_label("Prompt", exact=True)
    field.fill(text)
    field.press("Tab")
    settle(page)


def wait_done(page: Page) -> None:
    expect(page.get_by_role("heading", name="Measurements")).to_be_visible(timeout=LONG)


def run_id(page: Page) -> str:
    page.wait_for_url("**run=*")
    return page.evaluate("new URLSearchParams(location.search).get('run')")
