"""The sheet of a run's frames: its size, what lies where, and how it is kept."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from dashboard.worker.frames import (
    MAX_PIXELS,
    Sheet,
    SheetPainter,
    false_colour,
    frame_size,
    read_sheet,
    write_sheet,
)
from sdlab.experiment.experiment import Experiment
from sdlab.runs.trace import Trace

RUN = Experiment(prompt="x").id


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
