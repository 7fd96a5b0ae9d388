"""Whatever is a whole or a real number is one for every spec, and stored as Python's own."""

import json
from fractions import Fraction

import numpy as np
import pytest

import sdlab
from sdlab import curves
from sdlab.ddim.schemes import scheme
from sdlab.noise.schedule import NoiseSchedule
from sdlab.plain import plain
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.text.encoder import encode
from sdlab.text.self_attention import attention_map

WHOLE = [np.int64, np.uint8, np.int32]
REAL = [np.float64, np.float32, np.float16, np.longdouble, Fraction]


@pytest.mark.parametrize("whole", WHOLE)
@pytest.mark.parametrize("real", REAL)
def test_an_experiment_is_the_same_whatever_its_numbers_are(whole, real):
    def made(whole, real):
        return sdlab.Experiment(
            prompt="a car",
            seed=whole(7),
            solver="edm_stochastic",
            solver_options={"churn": real(0.5)},
            curve="karras",
            curve_options={"rho": real(7.5)},
            num_steps=whole(4),
            guidance_scale=real(7.5),
            guidance_rescale=real(0.5),
            width=whole(64),
            height=whole(64),
            record=sdlab.Record(
                every=whole(2),
                attention=sdlab.AttentionRecord(steps=whole(2), max_bytes=whole(100)),
            ),
        )

    ours, python = made(whole, real), made(int, float)
    assert ours == python and ours.id == python.id
    assert ours.to_dict() == python.to_dict()
    assert_plain(ours.to_dict())
    assert "np." not in repr(ours)


def test_whole_ids_stay():
    """An id names stored runs; this one was made before numpy's numbers were taken."""
    spec = sdlab.Experiment("a car", seed=7, guidance_scale=7.5, solver_options={"a": 1, "b": 0.5})
    assert spec.id == "ae210d705893a2c3"


@pytest.mark.parametrize("seeds", [np.arange(2), [np.int64(0), np.int64(1)], range(2)])
def test_a_comparison_is_the_same_too(seeds):
    def made(seeds, whole, real):
        return sdlab.Comparison(
            entrants=[sdlab.Entrant("ddim", eta=real(0.5), solver_options={"eta": real(0.5)})],
            prompts=["a car"],
            seeds=seeds,
            budget=whole(4),
            more_budgets=[whole(8)],
            guidance_scale=real(2.5),
            reference_steps=whole(20),
            curve=None,
        )

    ours, python = made(seeds, np.int64, np.float32), made((0, 1), int, float)
    assert ours == python and ours.id == python.id
    assert ours.entrants[0].label == python.entrants[0].label
    assert_plain(ours.to_dict())


@pytest.mark.parametrize("table", [np.array([14.6, 2.5, 0.0]), [np.float32(14.5), np.int64(2), 0]])
def test_a_curve_takes_them(table):
    spec = sdlab.Experiment(curve="sigmas", curve_options={"sigmas": table}, num_steps=np.int64(2))
    assert_plain(spec.to_dict())
    schedule = NoiseSchedule.from_config(SD_CONFIG)
    made = curves.make("sigmas", schedule, np.int64(2), {"sigmas": table})
    np.testing.assert_array_equal(made, np.array(table, dtype=float))
    karras = curves.make("karras", schedule, np.int64(5), {"rho": np.float32(7.0)})
    np.testing.assert_array_equal(karras, curves.make("karras", schedule, 5, {"rho": 7.0}))
    points = np.array([[0.0, 14.0], [1.0, 0.5]])
    pairs = curves.make("points", schedule, 5, {"points": points})
    np.testing.assert_array_equal(
        pairs, curves.make("points", schedule, 5, {"points": points.tolist()})
    )


@pytest.mark.parametrize("name", ["ddim", "DDIMScheduler"])
def test_a_course_and_its_findings_take_them(name):
    def table(whole, real):
        return sdlab.course(name, whole(5), eta=real(0.5), seed=whole(1)).table()

    assert table(np.int64, np.float32).equals(table(int, float))
    assert sdlab.lint(name, np.int64(5), eta=np.float32(0.5)).equals(sdlab.lint(name, 5, eta=0.5))


def test_an_option_of_a_scheduler_takes_them(small):
    def latents(whole):
        spec = sdlab.Experiment(
            "a car",
            solver="DPMSolverMultistepScheduler",
            solver_options={"solver_order": whole(3)},
            num_steps=3,
            model="small",
        )
        return sdlab.run(small, spec).latents

    assert latents(np.int64).equal(latents(int))


def test_inversion_and_text_take_them(small):
    assert scheme("fixed_point", iterations=np.int64(2)).evaluations_up == 2
    encoding = encode(small, "a car", clip_skip=np.int64(1), attention=True)
    np.testing.assert_array_equal(
        encoding.contextual, encode(small, "a car", clip_skip=1).contextual
    )
    picture = attention_map(encoding, np.int64(0), np.int64(1))
    np.testing.assert_array_equal(picture, attention_map(encoding, 0, 1))


@pytest.mark.parametrize("field", ["seed", "num_steps", "guidance_scale", "width", "eta"])
@pytest.mark.parametrize("value", [True, np.True_, "7", 1j, np.complex64(1)])
def test_what_is_no_number_is_still_none(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        sdlab.Experiment(**{field: value})


@pytest.mark.parametrize("value", [np.float64("nan"), np.float32("inf")])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="guidance_scale must be finite"):
        sdlab.Experiment(guidance_scale=value)
    with pytest.raises(ValueError, match="must be finite JSON"):
        sdlab.Experiment(solver_options={"churn": value})


def test_a_real_number_is_no_whole_one():
    with pytest.raises(ValueError, match="seed must be a whole number"):
        sdlab.Experiment(seed=np.float64(7.0))


def test_truth_stays_truth():
    assert plain(True) is True and plain(np.True_) is True and plain(None) is None
    assert sdlab.Experiment(fast=np.True_) == sdlab.Experiment(fast=True)


def assert_plain(value):
    """Nothing but JSON's own types, at any depth; json.dumps would take np.float64 as a float."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in (str, int, float, bool, type(None)), repr(value)
        json.dumps(value)
