"""Equal experiments have one id and JSON, and no bad field passes or gives a raw error."""

import dataclasses
import json

import pytest

from sdlab import Experiment, Record


def test_equal_experiments_share_id_and_hash():
    one = Experiment(prompt="a parrot", solver_options={"b": 1, "a": [1, 2]})
    two = Experiment(prompt="a parrot", solver_options={"a": [1, 2], "b": 1})
    assert one == two
    assert hash(one) == hash(two)
    assert one.id == two.id
    assert len(one.id) == 16
    assert one.id != one.with_(seed=1).id


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"guidance_scale": 4}, {"guidance_scale": 4.0}),
        ({"guidance_scale": 0.0}, {"guidance_scale": -0.0}),
        ({"eta": 1}, {"eta": 1.0}),
        ({"curve_options": {"rho": 7}}, {"curve_options": {"rho": 7.0}}),
    ],
)
def test_numbers_written_otherwise_are_the_same_experiment(one, two):
    assert Experiment(**one) == Experiment(**two)
    assert Experiment(**one).id == Experiment(**two).id
    assert Experiment.from_dict(json.loads(Experiment(**one).to_json())) == Experiment(**one)


def test_json_round_trip():
    one = Experiment(
        prompt="a «parrot» 🦜",
        seed=2**64 - 1,
        solver_options={"a": [1, [2, 3]], "b": None, "c": True},
        record=Record(tensors=["x_t"], every=3, dtype="float16"),
    )
    assert Experiment.from_dict(json.loads(one.to_json())) == one


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Experiment().seed = 3


def test_line_breaks_are_welcome():
    assert Experiment(prompt="a parrot,\n\ton a beach\r\n").prompt.startswith("a parrot")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_steps": 0}, "num_steps must be from 1 to 10000, got 0"),
        ({"num_steps": -3}, "num_steps must be from 1 to 10000, got -3"),
        ({"num_steps": 2.5}, "num_steps must be a whole number, got 2.5"),
        ({"num_steps": True}, "num_steps must be a whole number, got True"),
        ({"seed": -1}, "seed must be from 0 to 18446744073709551615, got -1"),
        ({"seed": 2**64}, "seed must be from 0 to 18446744073709551615"),
        ({"guidance_scale": float("nan")}, "guidance_scale must be finite, got nan"),
        ({"guidance_scale": float("inf")}, "guidance_scale must be finite, got inf"),
        ({"guidance_scale": "7"}, "guidance_scale must be a number, got '7'"),
        ({"guidance_rescale": 1.5}, "guidance_rescale must be from 0 to 1, got 1.5"),
        ({"eta": -0.1}, "eta must be from 0 to 1, got -0.1"),
        ({"width": 100}, "width must be a multiple of 8, got 100; try 96 or 104"),
        ({"height": 0}, "height must be from 8 to 65536, got 0"),
        ({"prompt": "a \ud800 parrot"}, r"prompt has half of a surrogate pair \(U\+D800\)"),
        ({"negative_prompt": "a\x00"}, r"negative_prompt has a control character \(U\+0000\)"),
        ({"prompt": None}, "prompt must be text, got None"),
        ({"solver_options": 3}, "solver_options must be a mapping"),
        ({"solver_options": {"a": float("nan")}}, r"solver_options\['a'\] must be finite JSON"),
        ({"solver_options": {"a": [[{}]]}}, r"solver_options\['a'\] must be finite JSON"),
        ({"solver_options": {1: 2}}, "solver_options must have text as names, got 1"),
        ({"curve_options": {"rho": object()}}, r"curve_options\['rho'\] must be finite JSON"),
        ({"record": {"every": 0}}, "every must be at least 1, got 0"),
        ({"record": {"tensors": ["xt"]}}, "Unknown tensor to record 'xt'. Did you mean 'x_t'"),
        ({"record": {"tensors": "x_t"}}, "tensors must be a list of names"),
        ({"record": {"dtype": "int8"}}, "Unknown record dtype 'int8'"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Experiment(**fields)


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="Unknown experiment field 'promt'. Did you mean 'prompt'"):
        Experiment.from_dict({"promt": "a parrot"})


def test_record_keeps_the_last_evaluation():
    record = Record(every=4)
    assert [e for e in range(10) if record.keeps(e, 10)] == [0, 4, 8, 9]


HUGE = 10**400
ODD = (
    HUGE,
    -HUGE,
    10**5000,
    5,
    "x" * 10_000,
    [],
    {},
    b"x",
    True,
    object(),
    [HUGE],
    {"x" * 9999: 1},
)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Experiment)])
def test_no_value_of_any_field_gives_a_raw_error_or_is_echoed_whole(field):
    for value in ODD:
        try:
            Experiment(**{field: value})
        except ValueError as error:
            assert len(str(error)) < 800, error
            assert field.removesuffix("_options") in str(error) or "record" in str(error), error


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (5, "record must be a Record, got 5"),
        ({"tensors": 5}, "tensors must be a list of names, got 5"),
        ({"tensor": ["x_t"]}, "Unknown field of record 'tensor'. Did you mean 'tensors'"),
        ({"attention": {"layers": 5}}, "layers must be a list of layer names, got 5"),
    ],
)
def test_a_record_that_is_none_is_refused(record, message):
    with pytest.raises(ValueError, match=message):
        Experiment(record=record)
