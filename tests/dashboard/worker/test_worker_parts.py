"""The worker's parts alone: watchers, ledger, frames, small words."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from dashboard.shell.messages import sentence
from dashboard.shell.sidebar import readable_bytes
from dashboard.views.run.page import python_code
from dashboard.widgets.job_panel import progress_text, readable_seconds
from dashboard.widgets.run_film import frame_labels
from dashboard.widgets.typed import parse_options, parse_seed
from dashboard.worker.frames import (
    MAX_PIXELS,
    Sheet,
    SheetPainter,
    false_colour,
    frame_size,
    read_sheet,
    write_sheet,
)
from dashboard.worker.held_model import Library
from dashboard.worker.interrupted_runs import Ledger
from dashboard.worker.job import png
from dashboard.worker.runs_in_flight import Flight
from dashboard.worker.snapshots import JobView, ModelRequest
from dashboard.worker.watchers import HEARTBEAT_SECONDS, Watchers
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.runs.trace import Trace
from tests.conftest import make_pipeline

RUN = Experiment(prompt="x").id


def test_a_watcher_counts_while_its_heart_beats():
    now = [0.0]
    watchers = Watchers(clock=lambda: now[0])
    watchers.touch(RUN, "a")
    now[0] = HEARTBEAT_SECONDS - 1
    watchers.touch(RUN, "b")
    assert watchers.count(RUN) == 2
    now[0] = HEARTBEAT_SECONDS + 1
    assert watchers.count(RUN) == 1
    watchers.leave(RUN, "b")
    assert watchers.count(RUN) == 0
    watchers.forget(RUN)
    assert watchers.count("unknown") == 0


def test_the_ledger_finds_the_runs_of_a_dead_process(tmp_path):
    dead = tmp_path / "live" / "999999999-1"
    dead.mkdir(parents=True)
    experiment = Experiment(prompt="left over")
    (dead / f"{experiment.id}.json").write_text(experiment.to_json())
    (dead / "broken.json").write_text("{")
    assert Ledger(tmp_path).recover() == [experiment]
    assert not dead.exists()
    assert Ledger(tmp_path).recover() == [experiment]


@pytest.mark.parametrize(
    "text",
    ["5", "[]", '{"record": 5}', '{"model": ["x"]}', '{"seed": 1e999}', "[" * 99999, '{"x": 1}'],
)
def test_a_spoilt_ledger_file_is_passed_over(tmp_path, text):
    folder = tmp_path / "interrupted"
    folder.mkdir(parents=True)
    (folder / f"{RUN}.json").write_text(Experiment(prompt="x").to_json())
    (folder / "0123456789abcdef.json").write_text(text)
    (found,) = Ledger(tmp_path).recover()
    assert found.id == RUN and JobView(found.id, found, "interrupted").experiment.to_json()


def test_a_pipe_in_the_ledger_is_passed_over(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes with a name; runs on POSIX")
    (tmp_path / "interrupted").mkdir()
    os.mkfifo(tmp_path / "interrupted" / f"{RUN}.json")
    assert Ledger(tmp_path).recover() == []


def test_the_ledger_leaves_another_living_server_alone(tmp_path):
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    first.begin(Experiment(prompt="x"))
    assert second.recover() == []
    first.end(RUN)
    assert not list((tmp_path / "live").rglob("*.json"))


def test_a_ledger_that_cannot_be_written_costs_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    ledger = Ledger(tmp_path / "file")
    ledger.begin(Experiment())
    ledger.interrupt(Experiment().id)
    assert ledger.recover() == []


@pytest.mark.parametrize("size", [(128, 128), (512, 768), (8, 4096)])
@pytest.mark.parametrize("count", [1, 25, 1999])
def test_a_sheet_stays_within_its_limits(size, count):
    width, height = frame_size(*size, count)
    assert 8 <= width <= 256 and 8 <= height <= 256
    assert 2 * count * width * height <= MAX_PIXELS * 1.1 or min(width, height) == 8


def test_a_painted_sheet_holds_each_frame_in_its_place():
    values = torch.arange(3, dtype=torch.float32).reshape(3, 1, 1, 1).expand(3, 4, 2, 2)
    trace = Trace([0, 2, 3], [1.0] * 4, {"x_t": values, "x0_pred": values + 10})

    def picture(latents):
        return Image.new("RGB", (16, 16), (int(latents.mean()) * 10, 0, 0))

    painter = SheetPainter(trace, (16, 16), picture)
    assert list(painter.paint()) == [1, 2, 3]
    pixels = np.asarray(painter._canvas)
    assert pixels.shape == (32, 48, 3)
    assert [pixels[8, 8 + 16 * i, 0] for i in range(3)] == [0, 10, 20]
    assert [pixels[24, 8 + 16 * i, 0] for i in range(3)] == [100, 110, 120]
    sheet = painter.sheet("linear")
    assert sheet.kept == (0, 2, 3)
    assert pixels[sheet.corner("x0_pred", 1)[::-1]][0] == 110


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


def test_false_colours_survive_values_that_are_no_numbers():
    latents = torch.full((1, 4, 3, 5), float("nan"))
    latents[0, 1] = torch.linspace(-2, 3, 15).view(3, 5)
    red, green, blue = np.moveaxis(np.asarray(false_colour(latents)), -1, 0)
    assert not red.any() and not blue.any()
    assert green.ravel().tolist() == (np.arange(15) / 14 * 255).astype(int).tolist()


@pytest.mark.parametrize(("size", "side"), [((128, 128), 384), ((1024, 512), 320), ((8, 8), 320)])
def test_a_preview_keeps_pixels_square(size, side):
    import io

    out = Image.open(io.BytesIO(png(Image.new("RGB", size))))
    assert max(out.size) == side or size == (128, 128)
    assert out.width * size[1] == out.height * size[0]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("rho=7", {"rho": 7}),
        ("a=1.5, b=true , c=words", {"a": 1.5, "b": True, "c": "words"}),
        ("a=True, b=None", {"a": True, "b": None}),
        ("a=[1, 2], b=3", {"a": [1, 2], "b": 3}),
        ('a="x, y"', {"a": '"x'}),
    ],
)
def test_options_are_read_as_typed(text, options):
    if text.startswith('a="'):
        with pytest.raises(ValueError, match="name=value"):
            parse_options(text)
    else:
        assert parse_options(text) == options


@pytest.mark.parametrize("text", ["=1", "a", "a=1,b", "a=1,a=2"])
def test_options_that_are_none_say_so(text):
    with pytest.raises(ValueError, match="name=value|twice"):
        parse_options(text)


@pytest.mark.parametrize("text", ["", "1.5", "abc", "0x10", "1e3", "١٢٣x"])
def test_a_seed_that_is_none_says_so(text):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to"):
        parse_seed(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.4, "59 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")],
)
def test_durations_in_words(seconds, words):
    assert readable_seconds(seconds) == words


def test_sizes_in_words():
    assert readable_bytes(86e6) == "86 MB" and readable_bytes(1.72e9) == "1.72 GB"


def test_progress_in_words():
    view = JobView(RUN, Experiment(), "running", 6, 25, rate=1.666, seconds_left=11.2)
    assert progress_text(view) == "Evaluation 6 of 25 · 1.67 steps/s · 11 s left"
    assert progress_text(view.with_(state="saving")) == "Saving …"


def test_an_unexpected_error_goes_to_the_log_and_not_to_the_screen(caplog):
    assert sentence(ValueError("num_steps must be at least 1")) == "num_steps must be at least 1"
    assert sentence(SdlabError("the disk is full")) == "the disk is full"
    try:
        raise KeyError("secret detail")
    except KeyError as error:
        said = sentence(error)
    assert "secret" not in said and "KeyError" in said
    assert "secret detail" in caplog.text and "Traceback" in caplog.text


def test_frame_labels_name_the_evaluation(steps):
    labels = frame_labels(steps, [0, 24])
    assert labels[0] == "evaluation 0 · step 0 · timestep 999 · sigma 14.6"
    with pytest.raises(ValueError, match="no evaluation 25"):
        frame_labels(steps, [25])


def test_the_python_lines_make_the_same_experiment():
    experiment = Experiment(
        prompt="a 'cat'\n", seed=2**64 - 1, solver="heun", curve="karras",
        curve_options={"rho": 5.0}, width=96,
    )  # fmt: skip
    code = python_code(experiment.to_dict())
    made = {}
    body = code.split("model = sdlab.load()\n")[1].split("run = ")[0]
    import sdlab

    exec(body, {"sdlab": sdlab}, made)
    assert made["experiment"] == experiment


def test_the_catalogue_is_judged_for_the_model_in_memory():
    import sdlab

    kinds = {"embedded": "epsilon", "other": "sample"}
    library = Library(lambda source=None: sdlab.load(make_pipeline(kinds[source or "embedded"])))
    library.swap(ModelRequest())
    library.make_catalogue()

    def fits(name: str) -> bool:
        return bool(library.catalogue.set_index("name").at[name, "compatible"])

    assert fits("PNDMScheduler") and fits("heun")
    library.swap(ModelRequest("other"))
    assert not fits("PNDMScheduler") and fits("heun")


def test_the_pace_is_of_the_rounds_that_other_load_slowed_least(tmp_path):
    flight = Flight(None, tmp_path, bool, print)
    assert flight.pace is None
    for _ in range(20):
        flight._measure(2, 6.4)  # learned while the machine was busy
    assert flight.pace == 3.2
    flight._measure(0, 9.0)  # only decoded
    for _ in range(8):
        flight._measure(2, 0.4)
    assert flight.pace == 0.2
    flight._measure(2, 6.4)
    assert flight.pace == 0.2
    flight.forget_pace()
    assert flight.pace is None
