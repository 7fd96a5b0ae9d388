"""Evaluations that a source picture or a refiner's share leaves out are no cost of a comparison."""

import pytest
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

import sdlab
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.fairness import notes, profile
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.solvers.from_diffusers import SD_CONFIG
from tests import flow

SCENE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
AFTER = {"prompts": ["a"], "image": SCENE, "strength": 0.5, "curve": None}


@pytest.mark.parametrize(("strength", "steps"), [(0.5, 21), (0.3, 36), (1.0, 10)])
def test_a_budget_of_evaluations_pays_for_the_steps_that_are_left_out_too(strength, steps):
    fields = {**AFTER, "strength": strength, "budget": 10, "align": "nfe"}
    asked = Comparison(["euler", "heun"], **fields)
    cells = asked.cells(SD_CONFIG, StableDiffusionImg2ImgPipeline)
    found = {cell.entrant: cell.experiment.num_steps for cell in cells}
    assert found["euler"] == steps and found["heun"] < steps
    about = [profile(asked, e, SD_CONFIG, StableDiffusionImg2ImgPipeline) for e in asked.entrants]
    assert about[0].nfe == 10 and 9 <= about[1].nfe <= 10


def test_the_start_is_where_the_picture_s_noise_is(small):
    asked = Comparison(["ddim", "EulerDiscreteScheduler"], budget=10, **AFTER)
    facts = ModelFacts.of(small)
    whole, half = (
        profile(asked, asked.entrants[0], SD_CONFIG, cls) for cls in (None, facts.drawn_by(asked))
    )
    assert whole.nfe == 10 and half.nfe == 5 and half.start < whole.start / 4
    told = notes(asked, asked.entrants[0], facts.config, facts.drawn_by(asked))
    assert any(note.startswith("starts at sigma") for note in told)  # the reference is over karras


def test_the_runs_are_what_was_counted():
    model = sdlab.load(flow.sd3())
    fields = {**AFTER, "budget": 4, "align": "nfe", "reference_steps": 8, "width": 32, "height": 32}
    result = sdlab.compare(model, entrants=["euler", "heun"], **fields)
    runs = result.runs.set_index("entrant")
    assert (runs["state"] == "done").all()
    assert runs["num_steps"].to_dict() == {"euler": 8, "heun": 4}
    assert runs["nfe"].to_dict() == {"euler": 4, "heun": 3}
    assert result.entrants["nfe"].tolist() == runs["nfe"].tolist()
    assert result.entrants.set_index("entrant")["notes"]["euler"] == ""  # half of 8, half of 8


def test_a_refiner_s_share_is_no_cost():
    fields = {"prompts": ["a"], "pipeline_options": {"denoising_end": 0.5}, "curve": None}
    asked = Comparison(["ddim"], budget=10, align="nfe", **fields)
    about = profile(asked, asked.entrants[0], SD_CONFIG, StableDiffusionXLPipeline)
    steps = asked.cells(SD_CONFIG, StableDiffusionXLPipeline)[0].experiment.num_steps
    assert about.nfe == 10 and 20 <= steps <= 22 and about.end > 1
    assert not any("some noise is left" in note for note in about.notes)  # as in the reference


def test_needed_runs_ask_for_the_model_s_class(small):
    asked = Comparison(["euler"], budget=10, align="nfe", **AFTER)
    assert NeededRuns.of(asked, ModelFacts.of(small)).cells[0].experiment.num_steps == 21
