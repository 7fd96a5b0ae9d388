"""Who asks, as the pages are told."""

from dashboard.shell.visitor import Visitor, visitor


def test_nobody_in_particular_may_do_everything_without_login():
    assert visitor() == Visitor("", "", operator=True)
