"""The README's Python examples run as they stand."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdlab.cli import app

pytestmark = pytest.mark.slow

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


LINES = README.read_text(encoding="utf-8").splitlines()
COMMANDS = [line.removeprefix("sdlab ") for line in LINES if line.startswith("sdlab ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line):
    command, *words = shlex.split(line)
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for word in words:
        if word.startswith("--"):
            assert word in shown.output


def test_there_are_examples():
    assert len(BLOCKS) == 5
    assert len(COMMANDS) == 8


# One interpreter for all, because importing torch and diffusers takes longer than most of them;
# each starts with names of its own. That every name is there after `import sdlab` alone is held
# by test_names.py.
RUN = """
import contextlib, io, json, sys, traceback
told = []
for block in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
            error = ""
        except BaseException:
            error = traceback.format_exc()
    told.append((error, out.getvalue()))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each example raised and printed, and the folder that they ran in."""
    folder = tmp_path_factory.mktemp("readme")
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(BLOCKS)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), folder


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs(told, number):
    (error, printed), folder = told[0][number], told[1]
    assert not error
    if "parrot.png" in BLOCKS[number]:
        assert (folder / "parrot.png").stat().st_size > 1000
        assert "displacement" in printed
