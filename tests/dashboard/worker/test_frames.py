"""The sheet of a run's frames: its size, what lies where, and how it is kept."""

import gc
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dashboard.worker import frame_painter
from dashboard.worker.frames import (
    MAX_PIXELS,
    MAX_SIDE,
    ROWS,
    Sheet,
    SheetPainter,
    frame_size,
    read_sheet,
    write_sheet,
)
from sdlab.experiment.experiment import Experiment
from sdlab.latents.frames import false_colour, grey_channels
from sdlab.runs.run import Run
from sdlab.runs.trace import Trace
from tests.dashboard.worker.waiting import LONG, SHORT, ended, running, until

pytestmark = pytest.mark.usefixtures("decoded_frames")

RUN = Experiment(prompt="x").id


@pytest.mark.parametrize("size", [(128, 128), (512, 768), (8, 4096)])
@pytest.mark.parametrize("count", [1, 25, 1999])
def test_a_sheet_stays_within_its_limits(size, count):
    width, height = frame_size(*size, count)
    assert 8 <= width <= MAX_SIDE and 8 <= height <= MAX_SIDE
    assert len(ROWS) * count * width * height <= MAX_PIXELS * 1.1 or min(width, height) == 8


def test_a_painted_sheet_holds_each_frame_in_its_place():
    values = torch.arange(3, dtype=torch.float32).reshape(3, 1, 1, 1).expand(3, 4, 2, 2)
    trace = Trace([0, 2, 3], [1.0] * 4, {"x_t": values, "x0_pred": values + 10})

    def picture(latents):
        return Image.new("RGB", (16, 16), (int(latents.mean()) * 10, 0, 0))

    painter = SheetPainter(trace, (16, 16), picture)
    assert list(painter.paint()) == [1, 2, 3]
    pixels = np.asarray(painter._canvas)
    assert painter.names == ROWS and pixels.shape == (64, 48, 3)
    assert [pixels[8, 8 + 16 * i, 0] for i in range(3)] == [0, 10, 20]
    assert [pixels[24, 8 + 16 * i, 0] for i in range(3)] == [100, 110, 120]
    sheet = painter.sheet("linear")
    assert sheet.kept == (0, 2, 3)
    assert pixels[sheet.corner("x0_pred", 1)[::-1]][0] == 110
    left, top = sheet.corner("channels", 2)
    assert (pixels[top : top + 16, left : left + 16] == 255).all()  # the largest of the run


def test_a_sheet_has_rows_for_what_was_recorded_only():
    values = torch.arange(3, dtype=torch.float32).reshape(3, 1, 1, 1).expand(3, 4, 2, 2)
    trace = Trace([0, 1, 2], [1.0] * 3, {"x0_pred": values})
    painter = SheetPainter(
        trace, (16, 16), lambda x: Image.new("RGB", (16, 16), (int(x.mean()), 0, 0))
    )
    assert list(painter.paint()) == [1, 2, 3]
    assert painter._canvas.size == (48, 16)
    sheet = painter.sheet("linear")
    assert sheet.names == ("x0_pred",) and sheet.corner("x0_pred", 2) == (32, 0)
    assert painter._canvas.getpixel(sheet.corner("x0_pred", 2)) == (2, 0, 0)


def test_a_sheet_is_read_as_written(tmp_path):
    sheet = Sheet(b"RIFF", (0, 1), (16, 8), 2, "linear", ("x0_pred",))
    assert read_sheet(tmp_path, RUN) is None
    write_sheet(tmp_path, RUN, sheet)
    assert read_sheet(tmp_path, RUN) == sheet
    (tmp_path / f"{RUN}.json").write_text(json.dumps({"kept": []}))
    assert read_sheet(tmp_path, RUN) is None


def test_channels_lie_in_a_square_around_grey():
    latents = torch.tensor([0.0, 2.0, -2.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 4)
    maps = np.asarray(grey_channels(latents, 2.0))
    assert maps.shape == (4, 8, 3)
    assert [maps[y, x, 0] for y, x in ((0, 0), (0, 4), (2, 0), (2, 4))] == [128, 255, 1, 0]


def test_false_colours_survive_values_that_are_no_numbers():
    latents = torch.full((1, 4, 3, 5), float("nan"))
    latents[0, 1] = torch.linspace(-2, 3, 15).view(3, 5)
    red, green, blue = np.moveaxis(np.asarray(false_colour(latents)), -1, 0)
    assert not red.any() and not blue.any()
    assert green.ravel().tolist() == (np.arange(15) / 14 * 255).astype(int).tolist()


def test_frames_come_after_the_picture_and_on_demand(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: not worker.frames.busy_with(run))
    sheet = worker.frames.sheet(run)
    assert sheet.kept == (0, 1) and sheet.size == (128, 128)
    again = make_worker()
    (again.runs / ".dashboard" / "frames" / f"{run}.webp").unlink()
    again.frames.want(run)
    until(lambda: again.frames.sheet(run) is not None)


def test_frames_wait_until_somebody_looks(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT, frames=False)
    ended(worker, run)
    assert not worker.frames.busy_with(run) and worker.frames.sheet(run) is None
    worker.frames.want(run)
    until(lambda: worker.frames.sheet(run))


def test_frames_that_wait_keep_no_run_in_memory(make_worker, monkeypatch):
    """Where there is always a run under way, they wait for long; the oldest are given up."""
    monkeypatch.setattr(frame_painter, "MOST_WAITING", 2)
    worker = make_worker()
    until(lambda: worker.status().model)
    worker._held.current.decode_seconds = 0.05
    long = worker.submit(LONG, session="a")
    runs = []
    for seed in range(4):
        runs.append(worker.submit(SHORT.with_(seed=seed), session="b"))
        assert ended(worker, runs[-1]).state == "done"
    until(lambda: [worker.frames.busy_with(run) for run in runs] == [False, False, True, True])
    assert all(worker.frames.sheet(run).how != "decoded" for run in runs)
    assert worker.get(long).live

    def in_memory():
        gc.collect()
        return [one.id for one in gc.get_objects() if isinstance(one, Run) and one.id in runs]

    until(lambda: not in_memory())
    worker.cancel(long, "a")
    until(lambda: worker.frames.sheet(runs[3]).how == "decoded")


def test_a_sketch_of_many_frames_is_no_long_piece(monkeypatch):
    """600 steps took 1.25 s, for which everybody waited."""
    clock = iter(range(1000))
    monkeypatch.setattr(frame_painter.time, "monotonic", lambda: 0.03 * next(clock))
    frames = ((done, 50) for done in range(1, 51))
    pieces = [done for done, _ in frame_painter.now_and_then(frames)]
    assert pieces == list(range(4, 51, 4))


def test_a_large_picture_is_sketched_as_it_takes_long_to_decode(make_worker):
    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    held = worker._held.current
    held.decode_seconds = 0.05
    for side, draw in ((held.view.default_size[0], held.picture), (2048, held.sketch)):
        latents = side // held.model.vae_factor
        job = SimpleNamespace(plan=SimpleNamespace(shape=(4, latents, latents)))
        assert worker._flight.previews.means(held, job)[0] == draw
    worker.cancel(run, "a")


def test_a_crowd_is_sketched_and_a_few_are_decoded(make_worker, monkeypatch):
    import torch

    worker = make_worker()
    until(lambda: worker.status().model)
    held, drawn = worker._held.current, []
    held.decode_seconds = 0.05

    def noted(name):
        real = getattr(held, name)
        return lambda latents: drawn.append(name) or real(latents)

    for name in ("sketch", "picture"):
        monkeypatch.setattr(held, name, noted(name))
    runs = [worker.submit(LONG.with_(seed=seed)) for seed in range(7)]
    for run in runs:
        worker.touch(run, "a")
    until(lambda: len(drawn) > 6)
    assert "picture" not in drawn[6:]
    for run in runs[1:]:
        worker.cancel(run, "a")
    until(lambda: "picture" in drawn[6:])
    worker.cancel(runs[0], "a")
    ended(worker, runs[0])
    latents = torch.zeros(1, 4, 16, 12)
    assert held.sketch(latents).size == held.model.preview(latents).size


@pytest.mark.every
def test_a_decoder_that_looked_slow_under_load_is_measured_again(make_worker, monkeypatch):
    seconds = iter((9.0, 0.5, 0.01))
    monkeypatch.setattr("dashboard.worker.held_model._decode_seconds", lambda model: next(seconds))
    monkeypatch.setattr("dashboard.worker.held_model.MEASURE_AGAIN_SECONDS", 0.0)
    worker = make_worker()
    until(lambda: worker.status().model)
    until(lambda: worker.status().model.decodes_fast)
    assert next(seconds, None) is None  # a quick one is not measured again
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: (sheet := worker.frames.sheet(run)) and sheet.how == "decoded")


def test_frames_drawn_while_the_decoder_looked_slow_become_decoded(make_worker, monkeypatch):
    load = [True]
    monkeypatch.setattr(
        "dashboard.worker.held_model._decode_seconds", lambda model: 9.0 if load[0] else 0.01
    )
    monkeypatch.setattr("dashboard.worker.held_model.MEASURE_AGAIN_SECONDS", 0.0)
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: worker.frames.sheet(run))
    assert worker.frames.sheet(run).how == "linear"
    load[0] = False
    until(lambda: worker.status().model.decodes_fast)
    worker.frames.want(run)
    until(lambda: worker.frames.sheet(run).how == "decoded")


def test_all_frames_are_decoded_by_choice_and_stay_so(make_worker, monkeypatch):
    monkeypatch.setattr("dashboard.worker.held_model._decode_seconds", lambda model: 9.0)
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: worker.frames.sheet(run) and not worker.frames.busy_with(run))
    assert worker.frames.sheet(run).how == "linear"
    model = worker.status().model
    worker.study("frames", worker.frames.decoding(run), model.hash, "me")
    until(lambda: not worker.get("frames").live)
    view = worker.get("frames")
    assert (view.state, view.done, view.total) == ("done", 2, 2)
    assert worker.frames.sheet(run).how == "decoded"
    worker.frames.forget_settled()
    worker.frames.want(run)
    until(lambda: not worker.frames.busy_with(run))
    assert worker.frames.sheet(run).how == "decoded"


def test_no_other_models_decoder_draws_a_run(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    manifest = worker.runs / run / "manifest.json"
    own = worker.status().model.hash
    manifest.write_text(manifest.read_text().replace(own, "0" * 16))
    worker.study("frames", worker.frames.decoding(run), own, "me")
    until(lambda: not worker.get("frames").live)
    assert "made by another model" in worker.get("frames").error
