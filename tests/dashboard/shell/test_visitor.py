"""Who asks, as the pages are told."""

from dashboard.shell.sign_in import Visitor
from dashboard.shell.visitor import visitor


def test_nobody_in_particular_may_do_everything_without_login():
    assert visitor() == Visitor("", "", operator=True)
