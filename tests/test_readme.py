"""The Python examples and the commands of README.md and of the manual in docs/ run as they are."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sdlab.cli import app

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
}
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCKS = [(page, block) for page, text in PAGES.items() for block in PYTHON.findall(text)]
FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
COMMANDS = {
    line.removeprefix("sdlab ")
    for text in PAGES.values()
    for block in FENCED.findall(text)
    for line in block.splitlines()
    if line.startswith("sdlab ")
}


@pytest.mark.parametrize("line", sorted(COMMANDS))
def test_commands_and_options_exist(line):
    command, *words = shlex.split(line)
    arguments = [] if command == "train" else [command]  # whose own --help takes long
    if words and words[0] in getattr(get_command(app).commands[command], "commands", ()):
        arguments.append(words[0])
    shown = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for word in words:
        if word.startswith("--"):
            assert word in shown.output


def test_there_are_examples():
    assert sum(page == "README.md" for page, _ in BLOCKS) == 3
    assert len({page for page, _ in BLOCKS}) >= 10
    assert len(COMMANDS) >= 12


# One interpreter for all, because importing torch and diffusers takes longer than most of them.
# The blocks of one page share their names, as a reader runs them from top to bottom. That every
# name is there after `import sdlab` alone is held by test_names.py.
RUN = """
import contextlib, io, json, sys, traceback
names, results = {}, []
for page, block in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(block, page, "exec"), names.setdefault(page, {"__name__": "__main__"}))
            error = ""
        except BaseException:
            error = traceback.format_exc()
    results.append((error, out.getvalue()))
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(request, tmp_path_factory):
    """What each example of some pages raised and printed, and the folder that they ran in."""
    folder = tmp_path_factory.mktemp("readme")
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(request.param)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), folder


OF_README = [block for block in BLOCKS if block[0] == "README.md"]
OF_DOCS = [block for block in BLOCKS if block[0] != "README.md"]


@pytest.mark.parametrize("results", [OF_README], ids=["README.md"], indirect=True)
def test_the_examples_of_the_readme_run(results):
    found, folder = results
    assert [error for error, _ in found] == [""] * len(OF_README)
    assert (folder / "parrot.png").stat().st_size > 1000
    assert any("displacement" in printed for _, printed in found)


@pytest.mark.every
@pytest.mark.parametrize("results", [OF_DOCS], ids=["docs"], indirect=True)
def test_the_examples_of_the_manual_run(results):
    failed = [(*block, error) for block, (error, _) in zip(OF_DOCS, results[0], strict=True)]
    assert [f"{page}: {block}\n{error}" for page, block, error in failed if error] == []
