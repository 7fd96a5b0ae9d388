"""The commands of docs/answers.md print what stands below them there."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdlab.cli import app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\nsdlab (.*)\n((?:.*\n)*?)```", TEXT)
DEAR = {"audit": pytest.mark.every}  # ten seconds each


def cases():
    for command, shown in BLOCKS:
        marks = [mark for name, mark in DEAR.items() if command.startswith(name)]
        yield pytest.param(command, shown.splitlines(), id=command.split(" --")[0], marks=marks)


def test_ten_threads_are_answered_by_three_commands():
    threads = re.findall(r"^## \[([\w.-]+/[\w.-]+#\d+)\]\((.*)\)$", TEXT, re.MULTILINE)
    assert len({name for name, _ in threads}) == 10
    for name, address in threads:
        repository, _, number = name.partition("#")
        assert address == f"https://github.com/{repository}/issues/{number}"
    assert {command.split()[0] for command, _ in BLOCKS} == {"passport", "audit", "explain"}


@pytest.mark.parametrize(("command", "shown"), cases())
def test_a_command_prints_what_is_shown(command, shown, monkeypatch):
    monkeypatch.chdir(ROOT / "docs" / "answers")
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, done.output
    lines = iter(line.rstrip() for line in done.stdout.splitlines())
    for wanted in (line for line in shown if line != "…"):
        begins = wanted.removesuffix("…")
        assert any(line == wanted or (begins != wanted and line.startswith(begins.rstrip()))
                   for line in lines), wanted  # fmt: skip
