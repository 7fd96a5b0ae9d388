"""The judge of the embedded world finds what a picture shows, and nothing else."""

import math

import numpy as np
import pytest
from PIL import Image

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.exact import EXACT_MODEL, exact_runs
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.quality import kinds_of
from sdlab.comparing.summary import summarise
from sdlab.embedded.checker import Seen, judge
from sdlab.embedded.claims import parse
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.world import World
from sdlab.training.evaluate import held_out_captions, share

EMBEDDED = ModelFacts("embedded", EXACT_MODEL.hash, EXACT_MODEL.config)


@pytest.mark.parametrize("kind", ["single", "colour", "pair"])
def test_every_statement_of_the_judge_has_a_kind(kind):
    for caption in [*held_out_captions(kind, 20), "two small cats and a big red car at night"]:
        claims = parse(caption)
        assert list(kinds_of(claims)) and set(kinds_of(claims)) == set(judge(Seen((), ""), claims))


def drawn(prompts, pictures, mixture, **fields):
    """The result of runs whose pictures are replaced by given ones."""
    from dataclasses import replace

    spec = Comparison([Entrant("euler")], prompts, budget=2, reference_steps=4, **fields)
    runs = exact_runs(spec, mixture)
    for cell, picture in zip(spec.cells(EXACT_MODEL.config), pictures, strict=True):
        key = cell.experiment.id
        runs[key] = replace(runs[key], image=picture)
    return summarise(spec, runs, EMBEDDED)


def scenes(count):
    """Captions of the world with pictures that show them."""
    from sdlab.embedded.captions import text_of
    from sdlab.training.evaluate import trained_objects

    sampler = SceneSampler(5, trained_objects(), kinds=(("single", 1.0),))
    samples = sampler.batch(0, count)
    pixels, _ = World().render([scene for scene, _ in samples])
    arrays = ((pixels + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    pictures = [Image.fromarray(array.astype(np.uint8)) for array in arrays]
    return [text_of(words) for _, words in samples], pictures


def test_pictures_that_show_their_prompt_are_faithful(mixture):
    captions, pictures = scenes(12)
    unique = dict(zip(captions, pictures, strict=True))
    result = drawn(list(unique), list(unique.values()), mixture)
    everything = result.quality.set_index("what").loc["all"]
    assert everything["share"] > 0.9
    assert everything["low"] < everything["share"] <= everything["high"]
    assert result.runs["fidelity"].mean() > 0.9
    object_row = result.quality.set_index("what").loc["object"]
    hits = round(object_row["share"] * object_row["statements"])
    wilson = share([True] * hits + [False] * (object_row["statements"] - hits))
    assert object_row["low"] == pytest.approx(wilson.low)


def test_pictures_of_something_else_are_not(mixture):
    blank = Image.new("RGB", (128, 128), "white")
    result = drawn(["a red car on a beach"], [blank], mixture)
    assert result.quality.set_index("what").loc["object", "share"] == 0
    assert result.runs["fidelity"].iloc[0] < 0.5


@pytest.mark.parametrize("prompt, model", [("abstract art", EMBEDDED), ("a red car", EXACT_MODEL)])
def test_what_cannot_be_judged_is_not(prompt, model, mixture):
    spec = Comparison([Entrant("euler_ancestral")], [prompt], budget=2, reference_steps=4)
    result = summarise(spec, exact_runs(spec, mixture), model)
    assert result.quality.empty and math.isnan(result.runs["fidelity"].iloc[0])
    assert "no quality is claimed" in " ".join(result.verdict)
