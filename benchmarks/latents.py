"""How quick and how true pictures of latents are: previews, film strips, the VAE's round trip.

Run: python benchmarks/latents.py [--quick] [--json] [--only previews losses strips page browser]

Without --only, --quick leaves out the last two. The page is timed twice: its own script by AppTest,
and in headless Chromium, from the address to the film drawn, in a fresh tab that has to fetch the
front end too and in one that is open already. The server has its model in memory, and no one has
seen the run before.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import torch
from report import Report, seconds
from startup import FLAGS, chromium_path, free_port, start_server

import sdlab
from sdlab.embedded.samples import drawn_picture
from sdlab.latents.film import FILMS, film, quantity, strip
from sdlab.latents.image import encode, fit
from sdlab.latents.round_trip import likeness, round_trip

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("previews", "losses", "strips", "page", "browser")
GOAL = "<= 1.5"  # seconds to a strip of 50 steps
DRAWN = ".viewer[data-drawn=yes]"


def preview(report, model, repeats):
    """The linear map: its R2 and what a preview costs."""
    latents = torch.randn(1, 4, 16, 16)
    report.add("linear preview: R2 on the decoder's colours", model.preview.r2)
    times = {
        "linear preview": lambda: model.preview(latents),
        "decoding": lambda: model.decode(latents),
    }
    for name, function in times.items():
        function()
        taken = [1000 * seconds(function) for _ in range(repeats)]
        goal = "<= 2" if name == "linear preview" else ""
        report.add(f"{name} of a latent, 128x128", statistics.median(taken), goal=goal, unit="ms")


def stored(model, runs, count):
    """Store runs of 50 steps and return their ids."""
    spec = sdlab.Experiment(prompt="a parrot on a beach", num_steps=50)
    return [sdlab.run(model, spec.with_(seed=seed)).save(runs).name for seed in range(count)]


def strips(report, model, place):
    """A stored run of 50 steps as a strip and as films."""

    def frames(picture):
        trace = sdlab.open_run(place).trace
        return [picture(quantity(trace, "x0_pred", k)) for k in range(len(trace.kept))]

    for name, picture in {"linear map": model.preview, "VAE": model.decode}.items():
        taken = statistics.median(seconds(lambda p=picture: strip(frames(p), 10)) for _ in range(3))
        report.add(f"50-step film strip from the stored run, by the {name}", taken, unit="s")
    shown = frames(model.decode)
    for kind in FILMS:
        start = time.perf_counter()
        size = len(film(shown, kind))
        took = time.perf_counter() - start
        report.add(f"film of 50 frames as {kind}", took, unit="s", note=f"{size / 1e3:.0f} kB")


def address(run, section):
    """Return what the page's address holds."""
    return {"latents.from": "Run", "latents.run": run, "latents.section": section}


def page(report, runs, names):
    """The page's own script, in a server that has its model: what the server does for a person."""
    os.environ["SDLAB_RUNS"] = str(runs)
    sys.path.insert(0, str(ROOT))
    from streamlit.testing.v1 import AppTest

    from dashboard.shell.lab import stop_worker

    def opened(**params):
        at = AppTest.from_file(str(ROOT / "dashboard" / "shell" / "main.py"), default_timeout=300)
        at.query_params.update(params)
        at.switch_page("../../pages/latents.py")
        taken = seconds(at.run)
        assert not at.exception and not at.error
        return at, taken

    opened()
    views = [opened(**address(run, "Through a run")) for run in names]
    taken = statistics.median(first for _, first in views)
    name = "page Latents, through a run of 50 steps"
    report.add(name, taken, goal=GOAL, unit="s", note="AppTest")
    again = statistics.median(seconds(at.run) for at, _ in views)
    report.add("the same again, its frames remembered", again, unit="s", note="AppTest")
    stop_worker()


def browser(report, runs, names):
    """The same in a headless Chromium, from the address to the film drawn."""
    from playwright.sync_api import sync_playwright

    path, port = chromium_path(), free_port()
    server = start_server(runs, port)
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
            tabs = in_tabs(chromium, f"http://127.0.0.1:{port}", names)
            chromium.close()
    finally:
        server.terminate()
        server.wait(30)
    for what, taken in tabs.items():
        goal = GOAL if what.startswith("50-step") else ""
        report.add(what, statistics.median(taken), goal=goal, unit="s", note="Chromium")


def in_tabs(chromium, base, names):
    """Return the seconds of each run in a fresh tab and in an open one."""
    names = iter(names)
    title, fresh, finer, known, there = [], [], [], [], []
    warm_up(chromium, base)
    for run in names:
        tab = chromium.new_page(viewport={"width": 1400, "height": 900})
        url = f"{base}/latents?{urlencode(address(run, 'Through a run'))}"
        start = time.perf_counter()
        tab.goto(url, wait_until="commit")
        tab.get_by_role("heading", name="Latents").wait_for(timeout=120_000)
        title.append(time.perf_counter() - start)
        tab.locator(DRAWN).wait_for(timeout=120_000)
        fresh.append(time.perf_counter() - start)
        tab.get_by_text("Decoding them for a finer view").wait_for(state="detached")
        finer.append(time.perf_counter() - start)
        start = time.perf_counter()
        tab.goto(url, wait_until="commit")
        tab.locator(DRAWN).wait_for(timeout=120_000)
        known.append(time.perf_counter() - start)
        tab.close()
        other = next(names, None)
        if other is None:
            break
        tab = chromium.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(f"{base}/latents?{urlencode(address(other, 'What they hold'))}")
        tab.get_by_role("heading", name="Tables").wait_for(timeout=120_000)
        tab.wait_for_timeout(1000)
        start = time.perf_counter()
        tab.get_by_text("Through a run", exact=True).click()
        tab.locator(DRAWN).wait_for(timeout=120_000)
        there.append(time.perf_counter() - start)
        tab.close()
    return {
        "50-step film strip, section chosen in an open tab": there,
        "50-step film strip, in a fresh tab": fresh,
        "the page's title, in a fresh tab": title,
        "50-step film strip, in a fresh tab, again": known,
        "all its 100 frames decoded, in a fresh tab": finer,
    }


def warm_up(chromium, base):
    """Wait for the server, and until it has shown what needs the model."""
    from playwright.sync_api import Error

    tab = chromium.new_page()
    for _ in range(600):
        try:
            tab.goto(f"{base}/latents", wait_until="commit")
            break
        except Error:
            time.sleep(0.1)
    tab.get_by_role("heading", name="Tables").wait_for(timeout=120_000)
    tab.close()


def losses(report, model, count, side):
    """What the VAE loses of drawn scenes, and what tiles change."""
    trips = [round_trip(model, drawn_picture(number)[0]) for number in range(count)]
    for name, unit in (("psnr", "dB"), ("ssim", "")):
        values = [getattr(trip.likeness, name) for trip in trips]
        note = f"{min(values):.3f} to {max(values):.3f}"
        title = f"VAE round trip of {count} scenes: {name.upper()}"
        report.add(title, statistics.fmean(values), unit=unit, note=note)
    latents = encode(model, fit(drawn_picture(0)[0], side, side))
    whole, tiled = (model.decode(latents, tiled=way) for way in (False, True))
    title = f"decoding {side}x{side} in tiles against at once: PSNR"
    report.add(title, likeness(whole, tiled).psnr, unit="dB")


def main():
    """Measure and print."""
    own = {"--only": {"nargs": "+", "choices": PARTS}}
    report = Report(__doc__.splitlines()[0], own)
    report.head()
    quick, wanted = report.arguments.quick, report.arguments.only
    wanted = wanted or (PARTS[:3] if quick else PARTS)
    model = sdlab.load(device=report.arguments.device)
    if "previews" in wanted:
        preview(report, model, 10 if quick else 100)
    if "losses" in wanted:
        losses(report, model, 4 if quick else 50, 256 if quick else 512)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        # The page and the browser each have runs that they have not seen.
        names = stored(model, runs, 3 if quick else 9) if set(wanted) & set(PARTS[2:]) else []
        if "strips" in wanted:
            strips(report, model, runs / names[0])
        if "browser" in wanted:
            browser(report, runs, names[1:] if quick else names[3:])
        if "page" in wanted:
            page(report, runs, names[:1] if quick else names[:3])
    report.close()


if __name__ == "__main__":
    main()
