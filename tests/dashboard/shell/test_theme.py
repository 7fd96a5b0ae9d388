"""Colours keep to their sampler, and words can be read by the contrast that WCAG asks for."""

import re
import tomllib
from pathlib import Path

import pytest

from dashboard.components.browser_files import FOLDER
from dashboard.shell.theme import OWNERS, PALETTE, luminance, scheduler_color

# The relative luminance of the dark theme's background.
DARK = 0.0065


def shine(color):
    return luminance(tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)))


def test_luminance_is_wcags():
    """The published examples: white, black, and the grey nearest to a contrast of 4.5."""
    assert luminance((1.0, 1.0, 1.0)) == pytest.approx(1.0)
    assert luminance((0.0, 0.0, 0.0)) == 0.0
    assert 1.05 / (shine("#767676") + 0.05) == pytest.approx(4.54, abs=0.005)


def test_every_known_scheduler_has_its_own_color():
    assert len(set(PALETTE)) == len(PALETTE) == len(OWNERS)
    assert len({scheduler_color(name) for name in OWNERS}) == len(OWNERS)


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("euler", "#6667ff"),
        ("heun", "#d25200"),
        ("DDIMScheduler", "#69a5fe"),
        ("dpmpp_3m_sde", "#99655d"),
    ],
)
def test_known_names_keep_their_colors(name, color):
    assert scheduler_color(name) == color


def test_a_color_depends_on_the_name_alone():
    """Also between versions and machines: the value is kept here."""
    assert scheduler_color("mine") == "#588ac0"
    assert scheduler_color("another") == "#3e9008"


def test_new_names_need_no_entry_and_seldom_share_a_color():
    """Three colours were left for all new names; 30 names shared them ten by ten."""
    colors = [scheduler_color(f"solver_{number}") for number in range(300)]
    assert not set(colors) & set(PALETTE)
    assert len(set(colors)) > 280
    assert all(1.05 / (shine(color) + 0.05) > 3.5 for color in colors)
    assert all((shine(color) + 0.05) / (DARK + 0.05) > 3.5 for color in colors)


ROOT = Path(__file__).parents[3]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
READABLE = 4.5  # WCAG 2.2, 1.4.3


def rgb(color: str) -> tuple[float, ...]:
    """The channels of "#rgb", "#rrggbb" or "rgba(r, g, b, a)", the last laid on white."""
    if color.startswith("#"):
        digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
        return tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))
    *channels, alpha = map(float, re.findall(r"[\d.]+", color))
    return tuple(alpha * c + (1 - alpha) * 255 for c in channels)


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' relative luminances, as WCAG defines it."""
    low, high = sorted(luminance(tuple(c / 255 for c in rgb(color))) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_the_one_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#ffffff", "#a29dff") == pytest.approx(2.39, abs=0.005)


@pytest.mark.parametrize("place, theme", enumerate(("light", "dark")))
@pytest.mark.parametrize("what", ["stBaseButton-primary", "stMultiSelectTagsContainer"])
def test_words_on_the_primary_colour_can_be_read(what, place, theme):
    style = (ROOT / "dashboard" / "shell" / "main.css").read_text()
    rules = re.findall(r"([^{}]+)\{\s*color: light-dark\((#\w+), (#\w+)\)", style)
    (ink,) = {rule[1 + place] for rule in rules if what in rule[0]}
    assert contrast(ink, THEME[theme]["primaryColor"]) >= READABLE


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
@pytest.mark.parametrize("ink", ["textColor", "linkColor", "primaryColor"])
def test_words_of_the_theme_can_be_read(theme, ground, ink):
    assert contrast(THEME[theme][ink], THEME[theme][ground]) >= READABLE


@pytest.mark.parametrize("name, chip", [("tiles", "badge"), ("wipe", "tag")])
def test_chips_on_pictures_can_be_read_on_any_picture(name, chip):
    css = (FOLDER / f"{name}.css").read_text()
    rules = re.findall(r"\." + chip + r" \{([^}]*)\}", css)
    grounds = [m for rule in rules for m in re.findall(r"background: ([^;]+);", rule)]
    (ink,) = {m for rule in rules for m in re.findall(r"(?<!-)color: (#\w+)", rule)}
    assert grounds and all(contrast(ink, ground) >= READABLE for ground in grounds)
