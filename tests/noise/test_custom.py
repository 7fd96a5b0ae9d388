"""Curves from tables and points are read, judged line by line, and run."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sdlab
from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.curves.builtin.own import points
from sdlab.noise.custom import check, parse_table

SCHEDULE = NoiseSchedule.from_config(
    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
)
SOUND = (14.6, 6.5, 2.7, 0.4, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "14.6, 6.5, 2.7, 0.4, 0",
        "14.6 6.5\t2.7  0.4 0",
        "14.6; 6.5; 2.7; 0.4; 0",
        "14.6\n6.5\n\n2.7\n.4\n0.0\n",
        "14.6,6.5,\r\n2.7,0.4,0",
        "14.6,\n6.5, 2.7\n0.4,0.0",
        "[14.6, 6.5, 2.7, 0.4, 0]",
        " [14.6,\n6.5, 2.7, 4e-1, 0.0]",
        b"\xef\xbb\xbf14.6,6.5,2.7,0.4,0",
        "14.6 6.5 2.7 0.4 0".encode("utf-16"),
        "sigma\n14.6\n6.5\n2.7\n0.4\n0",
        "step,sigma,note\n0,14.6,a\n1,6.5,b\n2,2.7,c\n3,0.4,d\n4,0,e",
        "Step;Sigma\n0;14.6\n1;6.5\n2;2.7\n3;0.4\n4;0",
    ],
)
def test_tables_are_read(text):
    assert parse_table(text).sigmas == SOUND


def test_a_courses_own_csv_is_read_back():
    from sdlab.runs.export import csv_bytes

    table = sdlab.course("heun", 6, curve="karras").table()
    once = table.drop_duplicates("sigma")
    read = parse_table(csv_bytes(once)).sigmas
    np.testing.assert_allclose(read, curves.make("karras", SCHEDULE, 6, {}), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The table is empty"),
        (" \n\n", "The table is empty"),
        ("14.6\nfast\n0", "Line 2 has 'fast', which is no number"),
        ("14.6, x, 0", "Line 1 has 'x', which is no number"),
        ("14.6\nNaN\n0", "Line 2 has 'NaN'; a sigma must be finite"),
        ("inf\n1\n0", "Line 1 has 'inf'; a sigma must be finite"),
        ("1e999\n1\n0", "Line 1 has '1e999'; a sigma must be finite"),
        ("14,6; 6,5; 0", "is the comma a decimal point"),
        ("14,6\n6,5\n0", "Line 1 has '14,6': is the comma a decimal point"),
        ("14 3,2 0", r"Line 1 has '3,2'.* Write 3\.2 or 3, 2"),
        ("[14.6, 6.5", "begins as a JSON list but is none"),
        ("[14.6, 'a']", "begins as a JSON list but is none"),
        ('[14.6, "a"]', "Item 2 of the list must be a number, got 'a'"),
        ("[14.6, [1]]", r"Item 2 of the list must be a number, got \[1\]"),
        ("[14.6, true]", "Item 2 of the list must be a number, got True"),
        ("[14.6, NaN]", "Line 1 has 'nan'; a sigma must be finite"),
        ("[" * 100_000, "begins as a JSON list but is none"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "The file is not text: byte 0 is 0x89"),
        ("step,sigma\n0,14.6\n1", "Line 3 has no value in the column 'sigma'"),
        ("step,sigma\n0,fast", "Line 2 has 'fast', which is no number"),
        ("the sigma curve\n1", "names no column 'sigma'"),
        ("sigma\n", "a header and no sigmas below it"),
        ("1 " * 10_002, "has 10,002 numbers; at most 10,001"),
        ("1" * 500_001, "has 500,001 bytes; at most 500,000"),
    ],
)
def test_bad_tables_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_table(text)


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80)))
def test_no_text_breaks_the_reader(text):
    try:
        table = parse_table(text)
    except ValueError as error:
        assert str(error)
        return
    assert all(map(math.isfinite, table.sigmas)) and len(table.lines) == len(table.sigmas)
    check(table.sigmas, SCHEDULE, table.where)


def test_a_sound_curve_has_no_problems():
    assert check(SOUND, SCHEDULE) == []
    assert check((14.615, 1.0, 0.029, 0.0), SCHEDULE) == []  # rounded like published tables


@pytest.mark.parametrize(
    ("values", "index", "message"),
    [
        ((14.6, 6.5, 6.5, 0.0), 2, "At step 2 of 3: sigma 6.5 stands twice"),
        ((14.6, 6.5, 7.0, 0.0), 2, "sigma rises from 6.5 to 7"),
        ((14.6, -1.0, 0.0), 1, "sigma is negative, -1"),
        ((14.6, 0.0, 0.0), 1, "sigma is 0 before the end"),
        ((14.6, math.nan, 0.0), 1, "there is no number"),
        ((math.inf, 1.0, 0.0), 0, "sigma is infinite"),
        ((14.6, 1.0), 1, "At the end: the curve ends at sigma 1; append a 0"),
        ((80.0, 1.0, 0.0), 0, "sigma 80 is above the model's largest noise level, 14.6146"),
        ((14.6, 0.002, 0.0), 1, "sigma 0.002 is below the model's smallest noise level"),
        ((14.6,), 0, "A curve needs 2 sigmas or more, got 1"),
    ],
)
def test_problems_are_said_where_they_are(values, index, message):
    found = check(values, SCHEDULE)
    assert len(found) == 1 and found[0].index == index and message in found[0].sentence
    assert found[0].value == pytest.approx(values[index], nan_ok=True) or len(values) == 1


def test_every_place_is_said_with_its_line():
    table = parse_table("14.6\n15\n\n15\n-1\n0.5")
    said = [p.sentence for p in check(table.sigmas, SCHEDULE, table.where)]
    assert [s.split(":")[0] for s in said] == ["At line 2", "At line 4", "At line 5", "At line 6"]


def test_without_a_schedule_the_range_is_open():
    assert check((80.0, 0.002, 0.0)) == []


def test_points_are_joined_in_log_sigma():
    ends = ((0, 14.6), (1, 0.03))
    ours = curves.make("points", SCHEDULE, 9, {"points": ends})
    np.testing.assert_allclose(ours, curves.exponential(9, 0.03, 14.6), rtol=1e-12)
    bent = points(5, [[0, 16.0], [0.5, 1.0], [1, 0.25]])
    np.testing.assert_allclose(bent, [16.0, 4.0, 1.0, 0.5, 0.25, 0.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0 14.6", "points must be a list"),
        (3, "points must be a list"),
        (((0, 1),), r"points must be 2 to 100 \[u, sigma\] pairs, got 1"),
        (((0, 1), 5), "point 2 must be a .* pair, got 5"),
        (((0, 1), (1, 2, 3)), "point 2 must be a .* pair"),
        (((0, 1), ("a", 1)), "point 2 must hold numbers only, it has 'a'"),
        (((0, 1), (1, 0.0)), "point 2 must have u from 0 to 1 and a finite sigma above 0"),
        (((0, 1), (1.5, 0.1)), "point 2 must have u from 0 to 1"),
        (((0, 2), (0.5, 1), (0.5, 0.5), (1, 0.1)), "point 3 must lie right of the one before"),
        (((0.1, 2), (1, 1)), "points must begin at u = 0"),
        (((0, 2), (0.9, 1)), "points must begin at u = 0 and end at u = 1"),
        (((0, 2), (1, 10**400)), "beyond 1e308"),
    ],
)
def test_bad_points_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        curves.make("points", SCHEDULE, 5, {"points": value})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((14.6, 1.0, 0.0), "sigmas has 3 values, so it is a curve of 2 steps; got num_steps 5"),
        ("14.6", "sigmas must be a list of numbers"),
        ((14.6, "a"), "sigmas must hold numbers only, it has 'a'"),
        ((14.6, 5, 4, 5, 1, 0), "At step 3 of 5: sigma rises from 4 to 5"),
    ],
)
def test_bad_sigmas_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        curves.make("sigmas", SCHEDULE, 5, {"sigmas": value})


@pytest.mark.parametrize(
    ("curve", "options"),
    [
        ("formula", {"formula": "sigma_max*(sigma_min/sigma_max)**u"}),
        ("sigmas", {"sigmas": [14.6, 6.5, 2.7, 0.4, 0]}),
        ("points", {"points": [[0, 14], [0.4, 2], [1, 0.03]]}),
        ("beta", {"over": "sigmas"}),
        ("ays_sd15", {}),
    ],
)
def test_an_experiment_runs_on_it_and_stays_json(small, curve, options):
    spec = sdlab.Experiment(
        model="small", solver="euler", num_steps=4, curve=curve, curve_options=options
    )
    assert hash(spec) == hash(sdlab.Experiment.from_dict(json.loads(spec.to_json())))
    run = sdlab.run(small, spec)
    want = curves.make(curve, small.schedule, 4, options)
    np.testing.assert_allclose(run.steps["sigma"], want[:-1], rtol=1e-6)


@pytest.mark.parametrize(
    ("curve", "options"),
    [("sigmas", {"sigmas": [14.6, 6.5, 2.7, 0]}), ("formula", {"formula": "14 - 13*u"})],
)
def test_diffusers_pipelines_take_it_too(small, curve, options):
    scheduler = sdlab.as_diffusers_scheduler(
        "heun", curve=curve, curve_options=options, config=small.pipeline.scheduler.config
    )
    scheduler.set_timesteps(3)
    assert len(scheduler.timesteps) == 5 and float(scheduler.sigmas[-1]) == 0.0
