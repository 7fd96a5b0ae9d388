"""Contact sheets, tables and stored grids, over pictures of one colour each; no model."""

import io
import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from sdlab.columns import GRID
from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.runs.contact_sheet import contact_sheet, grid_of, in_common, sheet_png, stored_sheet
from sdlab.runs.grids import grid_table, open_grid, save_grid

BASE = Experiment(prompt="a parrot on a beach")
GRID_OF_12 = Grid(BASE, {"cfg": "1, 4", "solver": "ddim, DPMSolverMultistepScheduler, heun"})


def colours(grid, size=(128, 128)):
    """Return a picture of its own colour for each cell, far from ink and white."""
    found = [x.id for x in grid.experiments]
    return {
        run: Image.new("RGB", size, (200, 40 + 3 * number, 255 - 3 * number))
        for number, run in enumerate(found)
    }


def places(sheet, picture):
    """Return the box that a picture's colour fills: left, top, right, bottom."""
    same = (np.asarray(sheet) == picture.getpixel((0, 0))).all(-1)
    ys, xs = np.nonzero(same)
    box = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    assert same.sum() == (box[2] - box[0]) * (box[3] - box[1])  # a full rectangle, nothing on it
    return box


def test_pictures_stand_in_rows_and_columns_enlarged_by_a_whole_number():
    pictures = colours(GRID_OF_12)
    sheet = contact_sheet(GRID_OF_12, pictures)
    boxes = [places(sheet, pictures[cell.experiment.id]) for cell in GRID_OF_12.cells]
    assert {(b[2] - b[0], b[3] - b[1]) for b in boxes} == {(256, 256)}
    assert boxes[0][0] == boxes[2][0] == boxes[4][0] < boxes[1][0] == boxes[3][0]
    assert boxes[0][1] == boxes[1][1] < boxes[2][1] == boxes[3][1] < boxes[4][1]


def test_labels_are_dark_large_and_outside_of_the_pictures():
    pictures = colours(GRID_OF_12)
    sheet = contact_sheet(GRID_OF_12, pictures)
    dark = np.asarray(sheet.convert("L")) < 80
    first, second = (places(sheet, pictures[GRID_OF_12.cells[i].experiment.id]) for i in (0, 1))
    above = dark[first[1] - 32 : first[1], first[0] : first[2]]
    assert above.any() and dark[second[1] - 32 : second[1], second[0] : second[2]].any()
    assert np.flatnonzero(above.any(1)).size >= 9  # capitals of a letter of 15 pixels and more
    beside = dark[first[1] : first[3], : first[0]]
    assert beside.any() and not beside[:, -4:].any()  # the longest label ends before the picture
    assert not dark[:, -2:].any() and not dark[-2:].any()


@pytest.mark.parametrize("count", [1, 5, 12])
def test_one_axis_alone_is_wrapped_and_each_picture_has_its_label(count):
    grid = Grid(BASE, {"seed": f"1-{count}"})
    pictures = colours(grid)
    sheet = contact_sheet(grid, pictures)
    dark = np.asarray(sheet.convert("L")) < 80
    for picture in pictures.values():
        left, top, right, _ = places(sheet, picture)
        assert dark[top - 32 : top, left:right].any()
    assert sheet.width < 6 * 300


def test_a_long_word_is_cut_and_a_missing_picture_says_why():
    grid = Grid(BASE, {"prompt": ["x" * 90, "y"]})
    sheet = contact_sheet(grid, {grid.experiments[0].id: "Out of memory."})
    assert (np.asarray(sheet.convert("L")) < 120).any()


def test_a_large_sheet_is_made_smaller(monkeypatch):
    grid = Grid(BASE, {"seed": "1-12"})
    monkeypatch.setattr("sdlab.runs.contact_sheet.MOST_PIXELS", 8 * 10**6)
    sheet = contact_sheet(grid, colours(grid, (2048, 1024)))
    assert 6.3e6 < sheet.width * sheet.height < 11.2e6


@pytest.mark.every
def test_the_largest_sheet_is_made_smaller():
    grid = Grid(BASE, {"seed": "1-64"})
    sheet = contact_sheet(grid, colours(grid, (2048, 1024)))
    assert 50e6 < sheet.width * sheet.height < 90e6


def test_what_varies_is_not_among_what_is_common():
    grid = Grid(
        BASE.with_(negative_prompt="rain", eta=0.5), {"cfg": "1, 4", "words": "parrot, owl"}
    )
    assert in_common(grid) == "ddim · 25 steps · seed 0 · eta 0.5 · embedded"


def test_the_png_holds_the_grid(tmp_path):
    manifest = {
        **{"id": "0" * 16, "experiment": GRID_OF_12.experiments[0].to_dict(), "width": 128},
        **{"height": 128, "model": {"name": "embedded", "hash": "1"}, "versions": {"sdlab": "0"}},
    }
    first = GRID_OF_12.experiments[0].id
    data = sheet_png(GRID_OF_12, colours(GRID_OF_12), {first: manifest})
    (tmp_path / "sheet.png").write_bytes(data)
    assert grid_of(tmp_path / "sheet.png") == GRID_OF_12
    text = Image.open(io.BytesIO(data)).info["parameters"]
    assert text.startswith("a parrot on a beach\nSteps: 25, Sampler: DDIM")
    assert 'X Type: CFG, X Values: "1, 4", Y Type: solver, Y Values: "ddim, DPM' in text


def test_another_png_is_no_sheet(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png")
    with pytest.raises(ValueError, match="is no contact sheet of a grid"):
        grid_of(tmp_path / "other.png")


def test_a_grid_is_stored_and_opened(tmp_path):
    path = save_grid(GRID_OF_12, tmp_path)
    assert open_grid(tmp_path, GRID_OF_12.id) == GRID_OF_12
    assert open_grid(tmp_path, "0" * 16) is None and open_grid(tmp_path, "../x") is None
    path.write_text("{")
    with pytest.raises(StoreError, match="cannot be read.*Run the grid again"):
        open_grid(tmp_path, GRID_OF_12.id)


def test_without_runs_the_sheet_and_the_table_say_so(tmp_path):
    data, manifests = stored_sheet(tmp_path, GRID_OF_12)
    assert Image.open(io.BytesIO(data)).size[0] > 512 and not manifests
    table = grid_table(GRID_OF_12, manifests, {GRID_OF_12.experiments[1].id: "no memory"})
    assert list(table.columns) == list(GRID)
    assert list(table["error"]) == ["", "no memory", "", "", "", ""]
    assert list(table["guidance_scale"]) == [1, 4, 1, 4, 1, 4]
    assert list(table["row"]) == [0, 0, 1, 1, 2, 2]


def test_the_table_has_every_field_of_an_experiment_but_pictures_and_records():
    missing = {field.name for field in fields(Experiment)} - set(GRID)
    assert missing == {"image", "mask_image", "control_image", "record"}
    options = Grid(BASE.with_(curve_options={"rho": 5}), {"seed": "1"})
    assert json.loads(grid_table(options, {})["curve_options"][0]) == {"rho": 5}
