"""A formula is the curve that it says, in floating point alone; hostile ones get an answer."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.curves.builtin.own import formula
from sdlab.noise.formula import (
    _OPERATORS,
    FUNCTIONS,
    MAX_LENGTH,
    MAX_STEPS,
    VARIABLES,
    evaluate,
)

SCHEDULE = NoiseSchedule.from_config(
    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
)
LOW, HIGH = SCHEDULE.sigma_min, SCHEDULE.sigma_max
KARRAS = "(sigma_max**(1/7) + u*(sigma_min**(1/7) - sigma_max**(1/7)))**7"


@pytest.mark.parametrize("num_steps", [1, 2, 25])
@pytest.mark.parametrize(
    ("text", "same"),
    [("sigma_max*(sigma_min/sigma_max)**u", "exponential"), (KARRAS, "karras")],
)
def test_a_formula_is_the_curve_that_it_says(text, same, num_steps):
    ours = curves.make("formula", SCHEDULE, num_steps, {"formula": text})
    np.testing.assert_allclose(ours, curves.make(same, SCHEDULE, num_steps, {}), rtol=1e-12)


def test_every_variable_and_function_is_there():
    for name in VARIABLES:
        assert math.isfinite(formula(2, LOW, HIGH, f"{name} + 1")[0])
    for name, (function, fewest, _) in FUNCTIONS.items():
        arguments = [0.5, 2.0, 3.0][:fewest]
        text = f"{name}({', '.join(map(str, arguments))})"
        assert formula(1, LOW, HIGH, text)[0] == pytest.approx(function(*arguments))


def test_comparisons_choose():
    sigmas = formula(3, LOW, HIGH, "8 if u < 0.4 else 4 - 2*u if 0.4 <= u < 1 else 1")
    assert sigmas.tolist() == [8.0, 3.0, 1.0, 0.0]


def test_the_range_can_be_chosen():
    options = {"formula": "sigma_max*(sigma_min/sigma_max)**u", "sigma_max": 10.0}
    assert curves.make("formula", SCHEDULE, 4, options)[0] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "formula is empty"),
        ("1 +", "is no expression"),
        ("u u", "is no expression at character"),
        ("(" * 300, "is no expression|cannot be read"),
        ("1\x00", "is no expression|cannot be read"),
        ("\ud800", "cannot be read|no expression"),
        ("u" * (MAX_LENGTH + 1), "at most 500 characters, got 501"),
        ("u.real", "formula has Attribute: a formula has no attributes"),
        ("(1).__class__.__bases__", "formula has Attribute"),
        ("exp.__globals__", "formula has Attribute"),
        ("lambda: 1", "formula has Lambda: a formula has no lambda"),
        ("[u for u in (1, 2)]", "formula has ListComp"),
        ("[1][0]", "formula has Subscript"),
        ("'a' * 9", "formula may hold numbers only, it has 'a'"),
        ("1j * u", "formula may hold numbers only, it has 1j"),
        ("True + 1", "formula may hold numbers only, it has True"),
        ("f'{u}'", "formula has JoinedStr"),
        ("u ^ 2", r"write \*\* for a power"),
        ("u and 1", "instead of and / or"),
        ("(u := 2)", "a formula assigns nothing"),
        ("1 << 9", "formula has LShift"),
        ("sigm_max", "Unknown variable of a formula 'sigm_max'. Did you mean 'sigma_max'"),
        ("__import__('os')", "Unknown function of a formula '__import__'"),
        ("exec('1')", "Unknown function of a formula 'exec'"),
        ("exp", r"exp is a function; write exp\(...\)"),
        ("exp(u)(u)", "calls something that is no function's name"),
        ("log(u, 2, 3)", r"log\(\) takes 1 to 2 argument\(s\), got 3"),
        ("max(u)", r"max\(\) takes 2 to 9"),
        ("max(*u)", "plain arguments only"),
        ("exp(x=u)", "plain arguments only"),
        ("9" * 400, "a number beyond 1e308"),
        ("-" * 200 + "1", "formula is too large"),
        ("+".join("1" * 200), "formula is too large"),
    ],
)
def test_what_is_no_formula_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        evaluate(text, 5, LOW, HIGH)


@pytest.mark.parametrize(
    ("text", "index", "message"),
    [
        ("1/u", 0, r"step 0 \(u = 0\): division by zero"),
        ("1/(u - 0.5)", 2, r"step 2 \(u = 0.5\): division by zero"),
        ("u % 0", 0, "division by zero"),
        ("9**9**9**9", 0, "the number is too large"),
        ("exp(1000 * (u + 1))", 0, "the number is too large"),
        ("1e308 * 10", 0, "it is infinite"),
        ("1e308*10 - 1e308*10", 0, "it is not a number"),
        ("(u - 0.6)**0.5", 0, "it is complex there.*a power of a negative"),
        ("max(1, (u - 2)**0.5)", 0, "it is complex there"),
        ("log(u)", 0, "outside a function's domain"),
        ("sqrt(0.3 - u)", 2, r"step 2 \(u = 0.5\): outside a function's domain"),
        ("acos(1 + u)", 1, "outside a function's domain"),
        ("log(2, 1)", 0, "division by zero"),
    ],
)
def test_what_has_no_value_is_said_at_its_step(text, index, message):
    sigmas, problems = evaluate(text, 5, LOW, HIGH)
    assert problems[0].index == index and np.isnan(sigmas[index])
    assert np.isfinite(sigmas[:index]).all() and sigmas[-1] == 0
    with pytest.raises(ValueError, match=message):
        formula(5, LOW, HIGH, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u", "At step 0 of 5: sigma is 0 before the end"),
        ("1", "At step 1 of 5: sigma 1 stands twice"),
        ("1 + u", "At step 1 of 5: sigma rises from 1 to 1.25"),
        ("2 - 3*u", "At step 3 of 5: sigma is negative, -0.25"),
        ("20 - u", "sigma 20 is above the model's largest noise level, 14.6146"),
        ("1 - 0.99*u", "sigma 0.01 is below the model's smallest noise level, 0.0291672"),
    ],
)
def test_a_formula_that_is_no_curve_is_refused_where_it_fails(text, message):
    with pytest.raises(ValueError, match=f"curve 'formula': .*{message}"):
        curves.make("formula", SCHEDULE, 5, {"formula": text})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "curve 'formula' needs the option 'formula', for example"),
        ({"formula": 3}, "formula must be text, got 3"),
        ({"formula": "u", "x": 1}, "Unknown option of curve 'formula' 'x'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        curves.make("formula", SCHEDULE, 5, options)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("values", [(0.5, 0.5), (1.0, 1.0), (0.25, 3.0)])
def test_every_function_returns_a_float(name, values):
    function, fewest, most = FUNCTIONS[name]
    for count in {fewest, most}:
        try:
            value = function(*(values * 5)[:count])
        except ZeroDivisionError:
            assert name == "log"  # to the base 1
            continue
        assert type(value) is float


@pytest.mark.parametrize("kind", _OPERATORS)
def test_every_operator_and_comparison_returns_a_float(kind):
    unary = kind.__name__ in ("USub", "UAdd")
    assert type(_OPERATORS[kind](*(3.0, 2.0)[: 1 if unary else 2])) is float


# What took for ever while any part of a formula could be a whole number, and what could like it.
TWO = "((2>1)+(2>1))"
TRUE = [f"({a}{op}{b})" for a, op, b in [("u", "<=", "u"), ("1", "==", "1"), ("2", "!=", "1")]]
WHOLE = [
    *("floor(10)", "ceil(10)", "max(floor(9), 1)", "min(ceil(9), 99)", "abs(floor(-9))"),
    *("-floor(9)", "+ceil(9)", "(floor(9) if u < 2 else 1)", "floor(9)*floor(9)", "n", "sigma_max"),
    *("ceil(9.5) % floor(10)", "ceil(99) // floor(2)", "10", "0x10", "1_0", TWO, "9.0"),
]
HOSTILE = [
    *(f"({part})**floor(3e7)" for part in WHOLE),
    *(f"({part})**ceil(3e7)**floor(9)" for part in WHOLE),
    *(f"2**floor(({part})**9)" for part in WHOLE),
    *(f"({part})**({part})**({part})**({part})**({part})" for part in WHOLE),
    *("**".join([f"({'+'.join([true] * 3)})"] * 6) for true in TRUE),
    *(f"({part})*ceil(3e7)**ceil(3e7)" for part in WHOLE[:4]),
    *("9**9**9**9", "10**3e7", "floor(1e308)**floor(1e308)", "floor(9)**-floor(9e9)"),
    *("floor(7)**ceil(5e8) % ceil(3)", "(2**floor(64))**(2**floor(30))", "ceil(1e308)**2"),
    *("**".join(["9"] * 60), "*".join(["floor(1e300)"] * 35), "(-floor(9))**floor(9e9)"),
    *("exp(floor(9)**9**9)", "log(floor(9)**ceil(1e9))", "max(2, 3**floor(1e9), 1)"),
    *("1 << 99999999999", "'a' * 99999999999", "[0] * 99999999999", "99999999999 * (0,)"),
    *("9" * 499, "0x" + "f" * 490, "1e999999999", "9**9" * 120, "(" * 499, "-" * 499 + "1"),
    *("factorial(99999)", "pow(9, 99999999)", "range(9**9)", "f'{u:999999999}'", "1e308**1e308"),
    *("cos(1e308)", "tan(floor(1e308))", "1e308 % 5e-324", "floor(1e308) // 5e-324", "0**-1"),
]

_EVALUATE = """
import json, sys
from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.formula import evaluate
schedule = NoiseSchedule.from_config({})
for text in json.load(sys.stdin):
    for options in ({}, {"sigma_min": 1, "sigma_max": 10}):  # whole numbers, as a link has them
        try:
            curves.make("formula", schedule, 3, {"formula": text, **options})
        except ValueError:
            pass
    try:
        evaluate(text, 3, 1, 10)
    except ValueError:
        pass
    print("answered", flush=True)
"""


def test_hostile_formulas_all_get_an_answer():
    assert len(HOSTILE) >= 101
    done = subprocess.run(
        [sys.executable, "-c", _EVALUATE],
        input=json.dumps(HOSTILE),
        capture_output=True,
        text=True,
        timeout=600,  # against for ever
    )
    answers = done.stdout.split()
    assert len(answers) == len(HOSTILE), HOSTILE[len(answers)] + done.stderr


@pytest.mark.parametrize("num_steps", [0, -1, MAX_STEPS + 1, 10**12])
def test_the_steps_of_a_formula_are_bounded(num_steps):
    with pytest.raises(ValueError, match=rf"from 1 to {MAX_STEPS}, got"):
        evaluate("u", num_steps, LOW, HIGH)


def test_a_range_beyond_what_a_float_holds_is_refused():
    with pytest.raises(ValueError, match="beyond 1e308"):
        evaluate("u", 5, LOW, 10**400)


PARTS = st.sampled_from(
    [
        *VARIABLES,
        *FUNCTIONS,
        "(",
        ")",
        "**",
        "*",
        "+",
        "-",
        "/",
        "//",
        "%",
        "^",
        ".",
        ",",
        "<",
        "==",
    ]
    + [
        "if",
        "else",
        "9",
        "1e308",
        "0",
        "0.5",
        "[",
        "]",
        "lambda",
        ":",
        "for",
        "in",
        "'a'",
        "{",
        "}",
    ]
)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=25).map(" ".join)))
@example("9**9**9**9**9")
@example("((((9**9)**9)**9)**9)**9")
@example("(-1)**0.5 < u")
@example("max(9**300, 1) % 1e-300")
def test_no_text_hangs_or_breaks(text):
    try:
        sigmas, problems = evaluate(text, 10, LOW, HIGH)
    except ValueError as error:
        assert str(error)
        return
    bad = {p.index for p in problems}
    assert bad == set(np.flatnonzero(~np.isfinite(sigmas)))
