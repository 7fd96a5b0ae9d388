"""What makes samplers unequal (noise, start, end, curve) is found by running them, and told."""

import pytest

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import (
    EXTRAPOLATES,
    STOCHASTIC,
    draws_noise,
    notes,
    off_curve,
    profile,
)
from sdlab.comparing.presets import of_number
from sdlab.solvers.from_diffusers import SD_CONFIG


def said(entrant, config=SD_CONFIG, **fields):
    entrant = entrant if isinstance(entrant, Entrant) else Entrant(entrant)
    spec = Comparison([entrant], ["a"], **{"budget": 20, **fields})
    return notes(spec, entrant, config)


@pytest.mark.parametrize("name", ["heun", "dpmpp_2m", "unipc", "ddim"])
def test_nothing_stands_against_solvers_of_the_same_ode(name):
    assert said(name) == []


@pytest.mark.parametrize(
    "entrant", ["euler_ancestral", Entrant("ddim", eta=0.5), Entrant("DDIMScheduler", eta=1.0)]
)
def test_noise_is_found_by_running(entrant):
    assert STOCHASTIC in said(entrant)


def test_noise_that_an_option_takes_away_is_none():
    assert said(Entrant("euler_ancestral", eta=0.0)) == []


def test_another_start_is_told_with_both_levels():
    found = said(Entrant("euler", curve="leading"))
    assert found == ["starts at sigma 11.03, the reference at 14.61"]


def test_karras_of_diffusers_spans_the_whole_schedule_unless_told_otherwise():
    assert not [note for note in said("EulerDiscreteScheduler") if "starts" in note]
    own = Entrant("EulerDiscreteScheduler", curve="karras")
    assert "starts at sigma 11.03, the reference at 14.61" in said(own)
    kept = Entrant("EulerDiscreteScheduler", solver_options={"timestep_spacing": "leading"})
    assert "starts at sigma 11.03, the reference at 14.61" in said(kept)


def test_start_noise_of_another_scale_is_told():
    found = said("EulerDiscreteScheduler")
    assert "scales its start noise to 0.9977 times the reference's" in found


def test_another_end_and_another_curve_are_told():
    found = said("DDIMScheduler")
    assert "ends at sigma 0.02917, the reference at 0: some noise is left" in found
    assert "cannot follow karras; follows trailing instead" in found
    assert "cannot follow karras; keeps the spacing of its own" in said("TCDScheduler")


def test_a_spacing_among_its_options_is_what_it_follows_and_what_the_note_says():
    own = Entrant("DDIMScheduler", solver_options={"timestep_spacing": "linspace"})
    assert own.follows("karras") == own.follows("trailing") == own.follows(None) == "linspace"
    assert "cannot follow karras; follows linspace instead" in said(own)
    assert "cannot follow trailing; follows linspace instead" in said(own, curve="trailing")
    for curve in ("linspace", None):
        assert not [note for note in said(own, curve=curve) if "follow" in note]
    spec = Comparison([own, Entrant("DDIMScheduler", curve="linspace")], ["a"], budget=5)
    ways = [profile(spec, entrant, SD_CONFIG) for entrant in spec.entrants]
    assert ways[0][:3] == ways[1][:3]
    laid = Entrant("DPMSolverMultistepScheduler", solver_options={"timestep_spacing": "leading"})
    assert laid.follows("karras") == "karras" and laid.follows("trailing") == "leading"
    both = Entrant("DDIMScheduler", "trailing", solver_options={"timestep_spacing": "linspace"})
    assert "follows linspace, its timestep_spacing, and not trailing" in said(both)


@pytest.mark.parametrize("name", ["lms", "plms", "LMSDiscreteScheduler"])
def test_a_last_step_by_earlier_predictions_is_told(name):
    assert EXTRAPOLATES in said(name)


def test_those_who_jump_as_the_reference_does_are_not_told_so():
    names = [e.solver for e in of_number(200) if not draws_noise(e)]
    told = [name for name in names if EXTRAPOLATES in said(name)]
    assert told == ["lms", "o_belm", "plms", "LMSDiscreteScheduler"]


def test_rounded_timesteps_are_told():
    (note,) = said("DPMSolverMultistepScheduler")
    assert note.startswith("tells the network timesteps rounded to whole numbers, up to 0.4")
    assert said("DPMSolverMultistepScheduler", curve="trailing", budget=10) == []


def test_what_cannot_run_says_why():
    entrant = Entrant("heun", solver_options={"nonsense": 1})
    goes = profile(Comparison([entrant], ["a"]), entrant, SD_CONFIG)
    assert goes.nfe is None and "cannot run here: Unknown" in goes.notes[0]
    short = Entrant("heun")
    goes = profile(Comparison([short], ["a"], budget=1, align="nfe"), short, SD_CONFIG)
    assert goes.nfe == 1 and goes.notes == ()


def test_another_prediction_type_is_told():
    config = {**SD_CONFIG, "prediction_type": "v_prediction"}
    found = said("KDPM2DiscreteScheduler", {**SD_CONFIG, "prediction_type": "sample"})
    assert "does not understand this model's prediction type, sample" in " ".join(found)
    read = Entrant("EulerDiscreteScheduler", solver_options={"prediction_type": "epsilon"})
    assert [note for note in said(read, config) if note.startswith("reads the network's output as")]


def test_another_noise_schedule_is_told():
    entrant = Entrant("DPMSolverMultistepScheduler", solver_options={"beta_end": 0.02})
    assert "assumes another noise schedule than the model was trained on" in said(entrant)


def test_a_budget_that_pays_for_nothing_is_told():
    entrant = Entrant("PNDMScheduler", solver_options={"skip_prk_steps": False})
    spec = Comparison([entrant], ["a"], budget=2, align="nfe")
    assert "raise the budget" in " ".join(notes(spec, entrant, SD_CONFIG))


def test_a_curve_that_a_sampler_was_not_made_with_is_said_and_no_objection():
    of = {"entrants": ["ddim", "euler", "heun"], "prompts": ["a"]}
    karras = Comparison(**of, curve="karras")
    assert off_curve(karras).startswith("ddim over karras: not made with that curve")
    assert said("ddim") == []
    several = Comparison(**{**of, "entrants": ["ddim", "unipc", "dpmpp_2m"]})
    assert off_curve(several).startswith("ddim over karras and unipc over karras: not")
    for curve in (None, "trailing"):
        assert off_curve(Comparison(**of, curve=curve)) == ""
