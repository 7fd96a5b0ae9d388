"""`sdlab grid`: the sheet, the table, the runs, and that they are those of `sdlab run`."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app
from sdlab.columns import GRID
from sdlab.runs.contact_sheet import grid_of
from sdlab.runs.grids import open_grid

SMALL = ["--width", "64", "--height", "64", "--num-steps", "3", "--device", "cpu"]


def call(*args):
    return CliRunner().invoke(app, list(args))


def made(place, *args):
    files = ("--sheet", str(place / "s.png"), "--table", str(place / "t.csv"))
    done = call("grid", "a cat", *args, *SMALL, *files, "--root", str(place / "runs"))
    assert done.exit_code == 0, done.output
    return grid_of(place / "s.png")


@pytest.mark.every
def test_shared_it_is_the_run_alone_within_rounding_and_alone_bit_for_bit(tmp_path, embedded):
    asked = ("--vary", "cfg=1, 4", "--vary", "solver=ddim, heun", "--seeds", "1-2")
    grid = made(tmp_path, *asked, "--shared")
    assert open_grid(tmp_path / "runs", grid.id) == grid and grid.sides == (2, 2, 2)
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns) == list(GRID) and len(table) == 8
    assert table["shared"].all() and table["error"].isna().all()
    cell = grid.cells[3]
    path = tmp_path / "runs" / cell.experiment.id
    alone = sdlab.run(embedded, cell.experiment)
    # float32 rounding, which adds up over the steps; see "Exact, shared or fast" in the manual
    torch.testing.assert_close(sdlab.open_run(path).latents, alone.latents, rtol=0, atol=1e-3)

    assert made(tmp_path, *asked)  # exact, unless asked otherwise: made again in its place
    assert torch.equal(sdlab.open_run(path).latents, alone.latents)
    assert not pd.read_csv(tmp_path / "t.csv")["shared"].any()
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    picture = np.asarray(alone.image.resize((256, 256), Image.Resampling.NEAREST))
    tiles = np.lib.stride_tricks.sliding_window_view(sheet[:, :, 0], (1, 256))[:, :, 0]
    tops, lefts = np.nonzero((tiles == picture[0, :, 0]).all(-1))
    assert any(
        np.array_equal(sheet[y : y + 256, x : x + 256], picture)
        for y, x in zip(tops, lefts, strict=True)
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Name an axis, such as --vary"),
        (["--vary", "cfg"], "--vary must be FIELD=VALUES"),
        (["--vary", "cfg=x"], "guidance_scale: 'x' is no number; write for example"),
        (["--vary", "sovler=ddim"], "Did you mean 'solver'?"),
        (["--vary", "solver=ddim, hoin"], "'hoin'"),
        (["--seeds", "1-99"], "at most 64 pictures, got 99"),
    ],
)
def test_what_it_refuses_in_one_line(args, message, tmp_path):
    done = call("grid", "a cat", *args, *SMALL, "--root", str(tmp_path))
    assert done.exit_code == 2 and message in done.output
    assert len(done.output.strip().splitlines()) == 1 and not any(tmp_path.iterdir())
