import pytest

from dashboard.theme import OWNERS, PALETTE, luminance, scheduler_color

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
