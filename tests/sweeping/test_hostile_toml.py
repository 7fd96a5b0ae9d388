"""A sweep's TOML of whatever types makes a sweep, or a ``ValueError`` says what is wrong."""

from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep
from sdlab.sweeping.sweep_file import sweep_of_toml

VALUES = (
    *("true", "-1", "0", "1e400", "-inf", "nan", "9" * 30, "0x7fffffffffffffff", "1.5", '""'),
    *('"\\u0000"', "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "[]", "[[]]", "[1, [2]]"),
    *("{}", "{a = 1}", "[{a = 1}]", "[1, 1]", "[nan, nan]", '[1, "a", true]', '"range(0, 1e12)"'),
    *('"range(0,1,1e-9)"', '"0-999999999"', '"1-2 (+0)"', '"none"', '"a,b,,"', "[1979-05-27]"),
    *('"range(nan,inf)"', '"range(5,1)"', '"choice("', '"[[[["', '"1' + "0" * 5000 + '"', "'\"'"),
    *('"sort(3,1,2)"', '"shuffle(range(3))"', '"tag(a, 1, 2)"', '"interval(0, 1)"', '"${x}"'),
)
NAMES = (
    *(field.name for field in fields(Experiment)),
    *("words", "steps", "cfg", '"curve_options.rho"', '"solver_options."', '"a.b.c"', '""', "nope"),
)
PLACES = ("{name} = {value}", "[base]\n{name} = {value}", "[axes]\n{name} = {value}")


def read(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(sweep_of_toml(text), Sweep)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.every] * (place % 4 > 0))
        for place, name in enumerate(NAMES)
    ],
)
def test_every_field_of_any_type(name):
    for value in VALUES:
        for place in PLACES:
            read(place.format(name=name, value=value))


@pytest.mark.parametrize("entry", ["axes", "base", "prompts", "seeds"])
@pytest.mark.parametrize("value", VALUES)
def test_every_entry_of_any_type(entry, value):
    read(f"{entry} = {value}")


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
@given(st.text(alphabet='ab=[]{}."\n,0-9-:T#\\', max_size=60))
@example("a = " + "[" * 5000)
@example("a." * 5000 + "b = 1")
@example("seeds = " + "1" * 5000)
@example("[axes]\nseed = " + "[" * 900 + "]" * 900)
def test_any_text(text):
    read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[axes]\nseed = "range(0, 1e12)"', "has more than 100,000 values; make the range shorter"),
        ("[axes]\nseed = [1979-05-27]", "seed: .*does not suit"),
        ("[axes]\nguidance_scale = [nan]", "must be finite|does not suit"),
        ("[base]\nguidance_scale = inf", "guidance_scale must be finite"),
        ("[base]\nrecord.every = 1979-05-27", "every must be a whole number"),
        ("seeds = " + "[" * 5000, "nested too deep"),
        ('[axes]\nseed = "${x}"', r"seed: '\$\{x\}' is no whole number"),
        ('[axes]\nseed = "range(nan,inf)"', "cannot be read"),
        ('[axes]\nseed = "shuffle(range(0, 1e12))"', "leave out shuffle"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        sweep_of_toml(text)
