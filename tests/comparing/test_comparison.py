"""A comparison's fields are checked, its budgets become steps, and it comes back from its JSON."""

import json

import pytest
from PIL import Image

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.presets import DEFAULT, PRESETS, of_number, preset
from sdlab.solvers.from_diffusers import SD_CONFIG

ONE = {"entrants": [Entrant("heun")], "prompts": ["a"]}


def test_it_comes_back_from_its_json():
    import json

    spec = Comparison(
        [Entrant("ddim", eta=0.5, solver_options={}), Entrant("lms", curve_options={"rho": 5})],
        ["a", "b"],
        more_budgets=[5, 9],
    )
    again = Comparison.from_dict(json.loads(spec.to_json()))
    assert again == spec and again.id == spec.id and hash(again) == hash(spec)


def test_a_budget_of_evaluations_pays_for_fewer_steps_of_two_stages():
    spec = Comparison([Entrant("heun"), Entrant("PNDMScheduler")], ["a"], budget=20, align="nfe")
    steps = {cell.entrant: cell.experiment.num_steps for cell in spec.cells(SD_CONFIG)}
    assert steps == {"heun": 10, "PNDMScheduler": 19}


def test_the_first_budget_is_recorded_whole_and_what_the_others_predict():
    spec = Comparison(**ONE, budget=8, more_budgets=(4, 8))
    recorded = {cell.budget: cell.experiment.record.tensors for cell in spec.cells(SD_CONFIG)}
    assert recorded == {8: ("x_t", "x0_pred"), 4: ("x0_pred",)}


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"entrants": []}, "entrants must hold at least one"),
        ({"entrants": [Entrant("heun")] * 2}, "entrants must hold each once, got 'heun' twice"),
        ({"entrants": [Entrant("heun", label="reference")]}, "label 'reference' is taken"),
        ({"prompts": "a"}, "prompts must be a list, got the text 'a'"),
        ({"seeds": [1, 1]}, "seeds must hold each once, got 1 twice"),
        ({"align": "time"}, "Unknown align 'time'"),
        ({"budget": 0}, "budget must be a whole number from 1 to 10000, got 0"),
        ({"more_budgets": [2.5]}, "more_budgets must be a whole number from 1 to 10000, got 2.5"),
        (
            {"reference_steps": 7},
            "reference_steps must be even and at least 4, or 0 for no reference, got 7",
        ),
        ({"guidance_rescale": 2.0}, "guidance_rescale must be from 0 to 1"),
    ],
)
def test_what_is_not_valid_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Comparison(**{**ONE, **fields})


def test_a_budget_that_pays_for_no_step_is_refused():
    entrant = Entrant("PNDMScheduler", solver_options={"skip_prk_steps": False})
    with pytest.raises(ValueError, match="budget 2: PNDMScheduler.* raise the budget"):
        Comparison([entrant], ["a"], budget=2, align="nfe").cells(SD_CONFIG)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_can_be_compared(name):
    spec = Comparison(preset(name), ["a"], budget=10)
    assert len(spec.cells(SD_CONFIG)) == len(spec.entrants) >= 4
    assert PRESETS[name].description.endswith(".")


def test_presets_are_what_they_say():
    steady = {e.solver for e in preset("every deterministic one")}
    noisy = {e.solver for e in preset("stochastic ones")}
    assert {"heun", "ddim", "DDIMScheduler", "UniPCMultistepScheduler"} <= steady
    assert {"euler_ancestral", "SASolverScheduler"} <= noisy and not steady & noisy
    assert "EDMEulerScheduler" not in steady | noisy
    labels = {e.label: e for e in preset("what SD web UIs offer")}
    assert labels["DPM++ 2M Karras"] == Entrant("dpmpp_2m", "karras", label="DPM++ 2M Karras")
    assert labels["Euler a"].solver == "euler_ancestral"
    assert len(of_number(24)) == 24 and DEFAULT in PRESETS
    with pytest.raises(ValueError, match="Unknown preset 'two order'. Did you mean 'two orders'"):
        preset("two order")


LISTS = ("entrants", "prompts", "seeds", "more_budgets")


@pytest.mark.parametrize("field", [*LISTS, "budget", "width", "guidance_scale", "reference_steps"])
def test_no_value_gives_a_raw_error_or_is_echoed_whole(field):
    for value in (5.5, 10**400, "x" * 10_000, [10**400], [[]], ["x" * 10_000], object()):
        try:
            Comparison(**{"entrants": ("euler",), "prompts": ("a",), field: value})
        except ValueError as error:
            assert len(str(error)) < 1000, error


def test_entrants_may_be_named_only():
    assert Comparison(("euler",), ("a",)) == Comparison((Entrant("euler"),), ("a",))
    with pytest.raises(ValueError, match="entrants must be of Entrant, or names of"):
        Comparison((5,), ("a",))
    with pytest.raises(ValueError, match="entrants must be a list, got 5"):
        Comparison(5, ("a",))


def test_pictures_and_further_fields_are_those_of_every_run():
    picture = Image.new("RGB", (16, 8), "red")
    given = {"image": picture, "strength": 0.5, "prompt_2": "two", "pipeline_options": {"a": 1}}
    asked = Comparison(["euler", "heun"], ["a cat", "a dog"], **given)
    assert asked.id != Comparison(["euler", "heun"], ["a cat", "a dog"]).id
    of_references = [run for one in asked.references() for run in (one.fine, one.coarse)]
    for experiment in [*(cell.experiment for cell in asked.cells({})), *of_references]:
        assert experiment.of_pipeline == asked.of_pipeline and experiment.image.has_pixels
    again = Comparison.from_dict(json.loads(asked.to_json()))
    assert again == asked and again.id == asked.id and not again.image.has_pixels
    assert again.with_pictures({asked.image.hash: picture}).image.has_pixels


def test_further_fields_are_checked_like_an_experiments():
    with pytest.raises(ValueError, match="strength needs image"):
        Comparison(["euler"], ["a cat"], strength=0.5)
    with pytest.raises(ValueError, match="which is the experiment field 'prompt'"):
        Comparison(["euler"], ["a cat"], pipeline_options={"prompt": "two"})
