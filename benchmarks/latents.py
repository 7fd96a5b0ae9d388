"""How quick and how true pictures of latents are: previews, film strips, the VAE's round trip.

Run: python benchmarks/latents.py [--quick] [--json]
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from report import Report, seconds

import sdlab
from sdlab.embedded.samples import drawn_picture
from sdlab.latents.film import FILMS, film, quantity, strip
from sdlab.latents.image import encode, fit
from sdlab.latents.round_trip import likeness, round_trip

ROOT = Path(__file__).resolve().parent.parent


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


def strips(report, model, runs):
    """A stored run of 50 steps as a strip and as films."""
    spec = sdlab.Experiment(prompt="a parrot on a beach", seed=7, num_steps=50)
    place = sdlab.run(model, spec).save(runs)

    def frames():
        trace = sdlab.open_run(place).trace
        return [model.decode(quantity(trace, "x0_pred", k)) for k in range(len(trace.kept))]

    taken = statistics.median(seconds(lambda: strip(frames(), 10)) for _ in range(3))
    report.add("50-step film strip from the stored run", taken, goal="<= 1.5", unit="s")
    shown = frames()
    for kind in FILMS:
        start = time.perf_counter()
        size = len(film(shown, kind))
        took = time.perf_counter() - start
        report.add(f"film of 50 frames as {kind}", took, unit="s", note=f"{size / 1e3:.0f} kB")
    return place.name


def page(report, runs, run):
    """The page's own script, in a server that has its model: what a person waits for."""
    os.environ["SDLAB_RUNS"] = str(runs)
    sys.path.insert(0, str(ROOT))
    from streamlit.testing.v1 import AppTest

    from dashboard.lab import stop_worker

    at = AppTest.from_file(str(ROOT / "dashboard" / "main.py"), default_timeout=300)
    at.switch_page("../pages/latents.py").run()
    at.query_params.update(
        {"latents.from": "Run", "latents.run": run, "latents.section": "Through a run"}
    )
    fresh = AppTest.from_file(str(ROOT / "dashboard" / "main.py"), default_timeout=300)
    fresh.query_params.update(at.query_params)
    fresh.switch_page("../pages/latents.py")
    taken = seconds(fresh.run)
    assert not fresh.exception and not fresh.error
    report.add("page Latents, through a run of 50 steps", taken, unit="s", note="AppTest")
    again = statistics.median(seconds(fresh.run) for _ in range(3))
    report.add("the same again, its frames remembered", again, unit="s", note="AppTest")
    stop_worker()


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
    report = Report(__doc__)
    report.head()
    quick = report.arguments.quick
    model = sdlab.load(device=report.arguments.device)
    preview(report, model, 10 if quick else 100)
    losses(report, model, 4 if quick else 50, 256 if quick else 512)
    with tempfile.TemporaryDirectory() as folder:
        run = strips(report, model, Path(folder))
        if not quick:
            page(report, Path(folder), run)
    report.close()


if __name__ == "__main__":
    main()
