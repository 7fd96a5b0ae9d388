"""What the first page and the first picture wait for: nothing heavy that they do not need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"altair", "diffusers", "pandas", "pyarrow", "scipy", "torch", "transformers"}
HOME = f"""
import os, sys
from streamlit.testing.v1 import AppTest
from dashboard.worker import scheduler
scheduler.LONGEST_PAINT_SECONDS = 240
scheduler.Scheduler.wake = lambda self: None  # so that all that is imported is the page's
at = AppTest.from_file({str(ROOT / "dashboard/shell/main.py")!r}, default_timeout=240).run()
print(len(at.exception), bool(at.session_state["home.asked"]), *sorted({HEAVY} & set(sys.modules)))
sys.stdout.flush()
os._exit(0)
"""
PICTURE = """
import sys
from dashboard.views.home.page import scene
from dashboard.worker.held_models import HeldModels
from dashboard.worker.snapshots import ModelRequest
held = HeldModels(str).load(ModelRequest())
job = held.engine.submit(scene(0))
while held.engine.round():
    pass
print(job.state, *sys.modules)
"""


def said(code, folder):
    environment = {**os.environ, "SDLAB_RUNS": str(folder), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_home_asks_for_its_picture_with_nothing_heavy_imported(tmp_path):
    assert said(HOME, tmp_path) == ["0", "True"]


@pytest.mark.every
def test_the_first_picture_imports_one_family_of_pipelines_and_no_charts(tmp_path):
    state, *modules = said(PICTURE, tmp_path)
    parts = [name.split(".") for name in modules]
    families = {name[2] for name in parts if name[:2] == ["diffusers", "pipelines"] and name[2:]}
    assert state == "done" and "torch" in modules
    assert families == {"pipeline_loading_utils", "pipeline_utils", "stable_diffusion"}
    assert not {"altair", "sdlab.training", "torchvision"} & set(modules)
