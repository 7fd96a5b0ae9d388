"""Colours and dashes of programs on the Schedule passport page."""

import pytest

from dashboard.charts.passport import engine_color, styles
from sdlab.passports.passport import ENGINES


def test_every_program_has_a_colour_and_its_lines_differ_by_dashes():
    assert len({engine_color(engine) for engine in ENGINES}) == len(ENGINES)
    colors, dashes = styles({"a": "comfyui", "b": "comfyui", "c": "diffusers"})
    assert colors["a"] == colors["b"] != colors["c"]
    assert dashes["a"] == dashes["c"] == [1, 0] != dashes["b"]


def test_an_unknown_program_has_none():
    with pytest.raises(ValueError, match="engine must be one of comfyui"):
        engine_color("paint")
