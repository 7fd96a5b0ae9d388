"""The Run page's line of facts tells experiments apart, and says what shared its calls."""

import re

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import sdlab
from dashboard.widgets.curve_words import curve_values
from dashboard.widgets.run_stage import _made
from sdlab.experiment.experiment import Experiment
from sdlab.reproducing.snippet import run_snippet
from sdlab.runs.pictures import save_pictures

PICTURE = {"hash": "0123456789abcdef", "width": 8, "height": 8}


def _line(fields):
    import sdlab
    from dashboard.widgets.run_facts import facts_line

    facts_line(sdlab.Experiment(**fields).to_dict())


def line(**fields):
    at = AppTest.from_function(_line, args=(fields,), default_timeout=240).run()
    assert not at.exception
    return re.sub(
        "(?s)<style>.*</style>|<[^>]*>", "", "".join(node.proto.body for node in at.get("html"))
    )


def test_a_curve_of_ones_own_is_headed_in_words():
    points = {"curve": "points", "curve_options": {"points": ((0.0, 14.0), (1.0, 0.05))}}
    said = line(solver="dpmpp_2m", **points)
    assert "DPM++ 2M (dpmpp_2m) · " in said and "drawn curve of 2 points" in said
    assert "14.0" not in said
    assert curve_values(points["curve"], points["curve_options"]).endswith("0 14, 1 0.05")
    table = {"curve": "sigmas", "curve_options": {"sigmas": (14.0, 1.0, 0.0)}, "num_steps": 2}
    assert "table of 3 sigmas" in line(**table)
    formula = {"curve": "formula", "curve_options": {"formula": "12 - 11*u"}}
    assert "formula 12 - 11*u" in line(**formula)


def test_the_line_of_facts_tells_experiments_apart():
    """Eta 0, options and fast mode were left out, and digits past the sixth rounded away."""
    assert sdlab.Experiment().eta is None
    changes = [
        {},
        {"eta": 0.0},
        {"eta": 0.30000000000000004},
        {"eta": 0.3},
        {"guidance_scale": 4.0000001},
        {"solver_options": {"churn": 1.0}},
        {"curve": "karras", "curve_options": {"rho": 5.0}},
        {"curve": "karras", "curve_options": {"rho": 7.0}},
        {"fast": True},
        {"image": PICTURE},
        {"image": PICTURE, "strength": 0.5},
        {"image": PICTURE, "mask_image": {**PICTURE, "mode": "L"}},
        {"control_image": PICTURE},
        {"control_image": PICTURE, "controlnet_conditioning_scale": 0.5},
        {"prompt_2": "two"},
        {"prompt_3": "two"},
        {"negative_prompt_2": "two"},
        {"negative_prompt_3": "two"},
        {"true_cfg_scale": 3.0},
        {"max_sequence_length": 77},
        {"pipeline_options": {"clip_skip": 1}},
    ]
    lines = [line(**change) for change in changes]
    assert len(set(lines)) == len(changes)
    assert "eta 0 ·" not in lines[0] and lines[1].endswith("eta 0")
    assert lines[6].endswith("karras curve · rho 5.0")


def test_a_long_option_is_cut():
    formula = "sigma_max * " + " + ".join(["u"] * 500)
    assert len(line(curve="formula", curve_options={"formula": formula})) < 250


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"shared_calls": 1, "largest_call": 4}, "made in shared calls of up to 4 rows"),
        ({"shared_calls": 0, "largest_call": 4}, "exact, as made alone"),
        ({"largest_call": 4}, "made in shared calls of up to 4 rows"),  # as older versions wrote it
        ({"largest_call": 2}, "whether it shared calls is not recorded"),
        ({}, "whether it shared calls is not recorded"),
    ],
)
def test_the_page_says_whether_a_run_was_made_alone(facts, said):
    manifest = {
        "experiment": {"model": "embedded"},
        "model": {"device": "cpu", "dtype": "float32"},
        "created": "2026-11-28T12:00:00+00:00",
        "width": 64,
        "height": 64,
    }
    assert _made({**manifest, **facts}).endswith(f" · {said}")


def test_the_python_lines_make_the_same_experiment():
    experiment = Experiment(
        prompt="a 'cat'\n", seed=2**64 - 1, solver="heun", curve="karras",
        curve_options={"rho": 5.0}, width=96,
    )  # fmt: skip
    assert made_again(experiment) == experiment


def test_the_python_lines_name_the_files_of_pictures(tmp_path, monkeypatch):
    picture = Image.new("RGB", (16, 8), "red")
    experiment = Experiment(prompt="a cat", image=picture, strength=0.5, prompt_2="two")
    save_pictures(experiment, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert made_again(experiment) == experiment


def made_again(experiment):
    """The experiment that the lines make."""
    code = run_snippet(experiment.to_dict())
    made = {}
    body = code.split("model = sdlab.load()\n")[1].split("run = ")[0]
    import sdlab

    exec(body, {"sdlab": sdlab}, made)
    return made["experiment"]
