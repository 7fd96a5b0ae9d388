from dashboard.theme import OWNERS, PALETTE, scheduler_color


def test_every_known_scheduler_has_its_own_color():
    assert len(set(PALETTE)) == len(PALETTE) > len(OWNERS)
    assert len({scheduler_color(name) for name in OWNERS}) == len(OWNERS)


def test_a_color_depends_on_the_name_alone():
    assert scheduler_color("heun") == PALETTE[1]
    assert scheduler_color("a user's own") == scheduler_color("a user's own")
    assert scheduler_color("a user's own") in PALETTE[len(OWNERS) :]
