"""What can be audited, and what is said of the rest."""

import re
from pathlib import Path

import pytest

from sdlab.auditing.accuracy import Runs
from sdlab.auditing.conditions import conditions
from sdlab.auditing.named import subject_of
from sdlab.solvers.registry import solvers
from tests.auditing import samplers

FILE = Path(samplers.__file__)
TWO = "def f(model, x, sigmas): return x\ndef g(model, x, sigmas): return x"
HEUN = """
from itertools import pairwise
import sdlab

@sdlab.solver("mine_here", order=2, stages=2)
def mine_here(x, sigmas, noise):
    for sigma, following in pairwise(sigmas):
        x = x + (x - (yield x, sigma)) / sigma * (following - sigma)
    return x
"""


def test_a_file_names_a_function_or_a_generator(tmp_path):
    found = subject_of(f"{FILE}:sample_heun")
    assert (found.name, found.kind, found.source) == ("sample_heun", "function", "samplers.py")
    mine = tmp_path / "mine.py"
    mine.write_text(HEUN)
    found = subject_of(mine)
    assert (found.name, found.kind) == ("mine_here", "solver")
    assert "mine_here" not in solvers()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import comfy.samplers", "imports comfy, which is not installed here"),
        ("x = 1", "has no sampler"),
        ("1 / 0", "does not run: ZeroDivisionError"),
        (
            "def f(model, x, sigmas): return x\ndef g(model, x, sigmas): return x",
            "name one: a.py:f",
        ),
    ],
)
def test_a_file_that_cannot_be_taken(tmp_path, text, said):
    path = tmp_path / "a.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        subject_of(str(path))


@pytest.mark.parametrize(
    ("sampler", "options", "said"),
    [
        ("nowhere.py", {}, "there is no file 'nowhere.py'"),
        (f"{FILE}:sample_hein", {}, "sample_heun"),
        (f"{FILE}:sample_fast", {}, "must be a function of k-diffusion's shape"),
        (f"{FILE}:sample_ancestral", {"etta": 1}, "Unknown option of sample_ancestral"),
        ("hein", {}, "heun"),
        (int, {}, "int is no scheduler of diffusers"),
        ("CogVideoXDDIMScheduler", {}, "can sample neither"),
    ],
)
def test_what_is_no_sampler_is_told(sampler, options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        subject_of(sampler, options)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sample_peeking", "it asks the model for 'inner_model'"),
        ("sample_endless", "asks for more than 576 predictions in 8 steps"),
    ],
)
def test_a_function_that_fails_is_told(name, said):
    runs = Runs(subject_of(getattr(samplers, name)), "vp", False, False, 0)
    with pytest.raises(ValueError, match=said):
        runs.row(8)


def test_names_of_web_uis_and_classes_are_taken():
    assert subject_of("DPM++ 2M Karras").name == "dpmpp_2m"
    found = subject_of("EulerDiscreteScheduler")
    assert (found.kind, found.paths, found.spacing) == ("scheduler", ("vp",), "karras")
    assert subject_of("DDIMScheduler").spacing == "leading"
    assert subject_of("FlowMatchEulerDiscreteScheduler").paths == ("flow",)


def test_levels_at_the_edge():
    found = conditions(subject_of(samplers.sample_dpmpp_2m))
    assert found["ends at sigma 0"] == found["starts at sigma 4096"] == "fine"
    assert found["two equal sigmas"] == "not finite"
    assert conditions(subject_of("heun"))["two equal sigmas"] == "fine"
    laid = conditions(subject_of("DPMSolverMultistepScheduler"))
    assert list(laid) == ["1 step", "2 steps", "8 steps", "final_sigmas_type 'sigma_min'"]
    assert set(laid.values()) == {"fine"}
