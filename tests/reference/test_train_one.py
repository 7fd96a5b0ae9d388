"""The script that trains a model: short, of nothing but sdlab.reference, and it learns."""

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "docs" / "train_one.py"
TEXT = SCRIPT.read_text(encoding="utf-8")


def run(monkeypatch, file, steps):
    """What is left of the script's names after it ran."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "a green car", str(file), str(steps)])
    names = {}
    exec(compile(TEXT, SCRIPT, "exec"), names)
    return names


def test_it_has_a_hundred_lines_and_uses_nothing_else():
    assert len(TEXT.splitlines()) <= 100
    imported = {line.split()[1] for line in TEXT.splitlines() if re.match("import |from ", line)}
    own = {name for name in imported if name.startswith("sdlab.")}
    assert imported - own == {"sys", "time", "torch", "PIL", "sdlab"}
    pictures = {"sdlab.embedded.captions", "sdlab.embedded.world"}  # what it learns from
    assert all(name.startswith("sdlab.reference.") for name in own - pictures)


def test_it_trains_and_draws(tmp_path, monkeypatch, capsys):
    names = run(monkeypatch, tmp_path / "picture.png", 2)
    assert Image.open(tmp_path / "picture.png").size == (128, 128)
    said = capsys.readouterr().out
    assert "step 2: loss" in said and "'a green car', never shown" in said
    assert len(names["latents"]) == 30 and names["contexts"].shape == (31, 77, 128)
    assert len(names["losses"]) == 2 and 0.5 < names["losses"][0] < 2


@pytest.mark.every
def test_it_learns(tmp_path, monkeypatch):
    losses = run(monkeypatch, tmp_path / "picture.png", 120)["losses"]
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])
