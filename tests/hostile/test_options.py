"""Every option and argument of every command refuses what it cannot take, in a line."""

import pytest
import typer
from hypothesis import strategies as st
from typer.testing import CliRunner

from sdlab.cli import app
from tests.hostile.strategies import floats, integers, texts, tried

SMALL = ("--num-steps", "1", "--width", "64", "--height", "64")
RUNS = {
    "run": SMALL,
    "grid": (*SMALL, "--seeds", "1"),
    "order": ("--steps", "16,32,64"),
}
"""Commands that do little if all that is drawn is valid."""
CHECKED = ("dashboard", "train", "compare", "sweep", "price", "statistics", "audit", "fit-schedule")
"""Commands that take long if all is valid: they get one more option, which never is."""
QUICK = ("export", "passport", "plan", "runs restore", "runs rm", "runs tag", "script", "sweep")
NEVER = ("--no-such-option", "x")


def commands(group=None, path=()):
    """All commands, each by its words."""
    found = {}
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, (*path, name))
        else:
            found[(*path, name)] = command
    return found


COMMANDS = commands()


def plain(text: str) -> str:
    """A text that can be an argument of a process, and names no place that could be written."""
    return text.replace("\0", "")[:3000].replace("/", "\u2215")


values = integers.map(str) | floats.map(str) | texts.map(plain)


@st.composite
def lines(draw: st.DrawFn, path: tuple[str, ...]) -> list[str]:
    """A command line with anything for some of the command's options and for its arguments."""
    params = [param for param in COMMANDS[path].params if param.name != "help"]
    options = [param for param in params if param.param_type_name == "option"]
    line = [*path, *RUNS.get(path[0], ())]
    for param in draw(st.lists(st.sampled_from(options), max_size=3)) if options else ():
        line.append(max(param.opts, key=len))
        line += [] if param.is_flag else [draw(values)]
    line += NEVER if path[0] in CHECKED else ()
    wanted = [param for param in params if param.param_type_name == "argument"]
    more = [draw(texts.map(plain)) for _ in wanted]
    return [*line, "--", *more] if draw(st.booleans()) else [*line, *more]


def few_and_many():
    """Each command with many examples; the quick ones also with a few."""
    for path in COMMANDS:
        name = " ".join(path)
        yield pytest.param(path, 20, marks=pytest.mark.every, id=f"{name}, many")
        if name in QUICK:
            yield pytest.param(path, 3, id=name)


@pytest.mark.parametrize(("path", "examples"), few_and_many())
def test_any_line_is_done_or_refused(path, examples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def check(line):
        done = CliRunner().invoke(app, line)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code in (0, 1, 2), done.output
        assert "Traceback" not in done.output and len(done.stderr) < 20_000

    tried(lines(path), check, examples)
