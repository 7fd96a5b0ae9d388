"""The notebook's cells run as they stand, one after the other, in a fresh interpreter.

As plain Python: what a kernel adds is the display of a last expression, not worth its packages.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[1] / "docs" / "write_a_sampler.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_it_runs(tmp_path):
    checks = (
        "assert sdlab.check_solver('midpoint') == []\nassert abs(order.order - 2) < 0.15, order"
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n\n".join([*CODE, checks])],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = done.stdout.splitlines()
    assert [line.split()[:2] for line in printed] == [
        ["euler", "order"],
        ["midpoint", "order"],
        ["heun", "order"],
    ]


def test_the_sampler_is_six_lines():
    body = CODE[0].split('@sdlab.solver("midpoint", order=2, stages=2)\n')[1]
    assert len(body.splitlines()) == 6


def test_its_outputs_are_stored():
    """Readers see the picture and the orders without running anything."""
    outputs = [o for cell in CELLS if cell["cell_type"] == "code" for o in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("order 1." in "".join(output.get("text", "")) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
