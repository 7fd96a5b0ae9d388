"""The README's Python examples run as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdlab.cli import app

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
    assert len(COMMANDS) == 7


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs(number, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[number]],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if "parrot.png" in BLOCKS[number]:
        assert (tmp_path / "parrot.png").stat().st_size > 1000
        assert "displacement" in done.stdout
