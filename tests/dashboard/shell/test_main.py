"""The first page is there before anything heavy is imported."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"altair", "diffusers", "pandas", "pyarrow", "scipy", "torch", "transformers"}
CODE = f"""
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


def test_home_asks_for_its_picture_with_nothing_heavy_imported(tmp_path):
    environment = {**os.environ, "SDLAB_RUNS": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["0", "True"]
