"""A store of many runs: how long until they are found, sorted and shown, and what that takes.

The runs are synthetic: one small run of the embedded model, its folder copied under other
experiments, the large files as links to a few. Each figure of a store is of a fresh process, or of
one that has looked before, as the row says; the page is opened by a headless Chromium on a server
that is running. The first look at a store of 100,000 reads 100,000 manifests, once.

    python benchmarks/store.py [--quick] [--json]
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from report import Report, seconds
from startup import FLAGS, chromium_path, free_port, start_server, wait_for_server

import sdlab
from sdlab.runs.index import CACHE, RunIndex
from sdlab.runs.marks import mark
from sdlab.runs.search import Search
from sdlab.runs.sql import query_runs

SIZES = (1000, 10_000, 100_000)
SOLVERS = ("heun", "ddim", "euler", "dpmpp_2m", "unipc", "DPMSolverMultistepScheduler")
WORDS = ("parrot", "car", "boat", "beach", "night", "red", "blue", "small", "old", "rain")
LINKS = 10_000
"""Folders that share one file; file systems allow some ten thousand links to one."""
SEARCH = Search(text="red beach", solver=("heun", "ddim"), order="seconds")
SQL = "SELECT solver, num_steps, avg(seconds) AS s FROM runs GROUP BY ALL ORDER BY s"
PATIENCE = 120_000


def fill(root: Path, stored: Path, count: int) -> None:
    """Bring a store to so many runs."""
    facts = json.loads((stored / "manifest.json").read_text())
    for number in range(len(list(root.glob("[0-9a-f]*"))), count):
        shared = root.parent / f"shared-{number // LINKS}"
        if not shared.is_dir():
            shutil.copytree(stored, shared, ignore=shutil.ignore_patterns("manifest.json"))
        _add(root, facts, shared, number)


def _add(root: Path, facts: dict, shared: Path, number: int) -> None:
    drawn = random.Random(number)
    changes = {
        "prompt": " ".join(drawn.sample(WORDS, 5)),
        "seed": number,
        "solver": drawn.choice(SOLVERS),
        "num_steps": drawn.randint(5, 50),
        "guidance_scale": drawn.randint(2, 16) / 2,
    }
    experiment = sdlab.Experiment.from_dict(facts["experiment"] | changes)
    made = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    own = {"id": experiment.id, "experiment": experiment.to_dict(), "created": made.isoformat()}
    own["total_ms"] = drawn.uniform(100, 10_000)
    folder = root / experiment.id
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(facts | own))
    for path in shared.iterdir():
        os.link(path, folder / path.name)


def fresh(root: Path) -> tuple[float, float]:
    """Return the seconds that a fresh process takes to know the store, and its memory in MiB."""
    code = (
        "import sys, time, psutil; start = time.perf_counter();"
        "from sdlab.runs.index import index_of; index = index_of(sys.argv[1]); index.refresh();"
        "print(time.perf_counter() - start, psutil.Process().memory_info().rss / 2**20)"
    )
    command = [sys.executable, "-c", code, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, memory = done.stdout.split()
    return float(taken), float(memory)


def add_rows(report: Report, root: Path, count: int) -> None:
    """Measure one store."""
    name = f"{count:,} runs"
    (root / CACHE).unlink(missing_ok=True)
    report.add(f"{name}: first look, each manifest read", fresh(root)[0], unit="s")
    taken, memory = zip(*(fresh(root) for _ in range(3)), strict=True)
    report.add(f"{name}: a fresh process, with its cache", statistics.median(taken), unit="s")
    report.add(f"{name}: its memory", statistics.median(memory), unit="MiB")
    index = RunIndex(root)
    index.refresh()
    run = index.find(SEARCH, 1)["run"][0]

    def changed() -> None:
        mark(root, [run], note=str(time.time_ns()))
        index.refresh()

    def searched() -> None:
        index.refresh()
        index.totals(SEARCH)
        index.find(SEARCH, 50)

    report.add(f"{name}: one is marked, and seen", _median(changed), unit="s")
    time.sleep(2.5)  # by then the store's age can be trusted
    index.refresh()
    report.add(f"{name}: filter and sort", _median(searched), goal="<= 0.5", unit="s")
    found = index.totals(SEARCH).runs
    report.add(f"{name}: of which it finds", found)
    report.add(
        f"{name}: SQL, mean time by solver and steps",
        _median(lambda: query_runs(SQL, root)),
        unit="s",
    )
    report.add(f"{name}: all as a pandas table", _median(lambda: sdlab.runs(root)), unit="s")


def _median(function) -> float:
    return statistics.median(seconds(function) for _ in range(5))


def paint_seconds(browser, url: str) -> float:
    """Return the seconds until the Runs page shows its table, in a browser with an empty cache."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    start = time.perf_counter()
    page.goto(f"{url}/runs", wait_until="commit")
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    taken = time.perf_counter() - start
    context.close()
    return taken


def add_page(report: Report, root: Path, count: int) -> None:
    """Measure the page of one store, in a browser."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    server, url = start_server(root, port), f"http://127.0.0.1:{port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        try:
            wait_for_server(server, port)
            report.add(
                f"{count:,} runs: the page of a cold server", paint_seconds(browser, url), unit="s"
            )
            time.sleep(20)  # torch is imported after the first page
            again = statistics.median(paint_seconds(browser, url) for _ in range(3))
            report.add(f"{count:,} runs: the page's first paint", again, goal="<= 2", unit="s")
        finally:
            browser.close()
            server.terminate()
            server.wait(30)


def main() -> None:
    """Measure and print."""
    report = Report(__doc__.splitlines()[0])
    report.head()
    sizes = SIZES[:1] if report.arguments.quick else SIZES
    spec = sdlab.Experiment(prompt="a red parrot", num_steps=4, width=64, height=64)
    with tempfile.TemporaryDirectory() as place:
        stored = sdlab.run(sdlab.load(device="cpu"), spec).save(Path(place) / "first")
        root = Path(place) / "runs"
        root.mkdir()
        for count in sizes:
            fill(root, stored, count)
            add_rows(report, root, count)
            add_page(report, root, count)
    report.close()


if __name__ == "__main__":
    main()
