"""The notebooks' cells run as they stand, one after the other, in a fresh interpreter.

As plain Python: what a kernel adds is the display of a last expression, not worth its packages.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))


def cells(name):
    return json.loads((DOCS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def code(name):
    return ["".join(cell["source"]) for cell in cells(name) if cell["cell_type"] == "code"]


def printed(name, folder, checks):
    """The lines that a notebook prints, after which some checks hold."""
    done = subprocess.run(
        [sys.executable, "-c", "\n\n".join([*code(name), checks])],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.every
@pytest.mark.slow
def test_a_sampler_is_written(tmp_path):
    checks = (
        "assert sdlab.check_solver('midpoint') == []\nassert abs(order.order - 2) < 0.15, order"
    )
    assert [line.split()[:2] for line in printed("write_a_sampler", tmp_path, checks)] == [
        ["euler", "order"],
        ["midpoint", "order"],
        ["heun", "order"],
    ]


@pytest.mark.every
def test_the_way_from_words_to_picture_is_gone(tmp_path):
    checks = (
        "import numpy as np\n"
        "apart = np.abs(np.asarray(run.image, int) - picture.numpy().astype(int))\n"
        "assert apart.max() <= 60 and apart.mean() < 3, (apart.max(), apart.mean())\n"
        "assert losses.PREDICTIONS and len(visits) == STEPS and psnr > 30\n"
    )
    lines = printed("learn", tmp_path, checks)
    assert "736 red</w>" in lines and "places: 77 of them padding: 69" in lines
    assert (
        "sigma 1.618 is time 0.618; the two x_t differ by a factor alone: 1.3764 = 1.3764" in lines
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_compile_and_hold_no_error(path):
    found = cells(path.stem)
    assert path.stat().st_size < 500_000
    for cell in found:
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))
            assert not [o for o in cell["outputs"] if o["output_type"] == "error"]


def test_the_way_has_twelve_stations_as_the_page_has():
    from dashboard.views.learn.page import STATIONS

    headings = [
        "".join(cell["source"]) for cell in cells("learn") if cell["cell_type"] == "markdown"
    ]
    titles = [
        text.split("\n")[0] for text in headings if text.startswith("## ") and text[3].isdigit()
    ]
    assert [title.split(". ")[1].split(":")[0] for title in titles] == list(STATIONS)


def test_the_sampler_is_six_lines():
    body = code("write_a_sampler")[0].split('@sdlab.solver("midpoint", order=2, stages=2)\n')[1]
    assert len(body.splitlines()) == 6


@pytest.mark.parametrize("name, told", [("write_a_sampler", "order 1."), ("learn", "736 red</w>")])
def test_its_outputs_are_stored(name, told):
    """Readers see the pictures and the numbers without running anything."""
    outputs = [o for cell in cells(name) if cell["cell_type"] == "code" for o in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any(told in "".join(output.get("text", "")) for output in outputs)
