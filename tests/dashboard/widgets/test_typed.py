"""What is typed into the fields of an experiment."""

import pytest

from dashboard.widgets.typed import parse_options, parse_seed


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("rho=7", {"rho": 7}),
        ("a=1.5, b=true , c=words", {"a": 1.5, "b": True, "c": "words"}),
        ("a=True, b=None", {"a": True, "b": None}),
        ("a=[1, 2], b=3", {"a": [1, 2], "b": 3}),
        ('a="x, y"', {"a": '"x'}),
    ],
)
def test_options_are_read_as_typed(text, options):
    if text.startswith('a="'):
        with pytest.raises(ValueError, match="name=value"):
            parse_options(text)
    else:
        assert parse_options(text) == options


@pytest.mark.parametrize("text", ["=1", "a", "a=1,b", "a=1,a=2"])
def test_options_that_are_none_say_so(text):
    with pytest.raises(ValueError, match="name=value|twice"):
        parse_options(text)


@pytest.mark.parametrize("text", ["", "1.5", "abc", "0x10", "1e3", "١٢٣x"])
def test_a_seed_that_is_none_says_so(text):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to"):
        parse_seed(text)
