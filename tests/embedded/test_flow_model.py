"""The second embedded model: whole, diffusers' own kind, and drawing what its caption says."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusion3Pipeline

import sdlab
from sdlab.embedded.checker import judge, shipped
from sdlab.embedded.claims import parse
from sdlab.shipped import CALLED_WITH, FLOW, FOLDER, LOADED_WITH, SHIPPED
from sdlab.training import evaluate
from sdlab.training.export import CHECKSUMS, checksums

pytestmark = pytest.mark.slow

PLACE = SHIPPED[FLOW]
CAPTION = "a red car to the left of a cat at night"


@pytest.fixture(scope="module")
def model():
    return sdlab.load(FLOW, device="cpu")


def test_the_folder_is_as_published_and_small():
    assert (PLACE / CHECKSUMS).read_text(encoding="utf-8") == checksums(PLACE)
    assert evaluate.bytes_on_disk(PLACE) <= 45e6
    for name in ("known_words.json", "tokenizer/vocab.json", "tokenizer_2/merges.txt"):
        shared = FOLDER / name.replace("_2", "")
        assert (PLACE / name).read_bytes() == shared.read_bytes()


def test_no_file_names_the_folder_that_it_was_made_in():
    configs = [*FOLDER.rglob("*.json"), *PLACE.rglob("*.json")]
    assert len(configs) > 10
    assert not [path for path in configs if "_name_or_path" in path.read_text(encoding="utf-8")]


def test_it_is_stable_diffusion_3_without_a_t5(model):
    assert (model.name, model.family, model.path) == (FLOW, "sd3", "flow")
    assert model.default_size == (128, 128) and not model.plain
    assert model.pipeline.text_encoder_3 is None


@pytest.mark.parametrize("tokens", [None, 64])
def test_a_run_is_bit_identical_to_diffusers_own(model, tokens):
    pipe = StableDiffusion3Pipeline.from_pretrained(PLACE, **LOADED_WITH[FLOW])
    length = tokens or CALLED_WITH[FLOW]["max_sequence_length"]
    theirs = pipe(
        CAPTION, num_inference_steps=3, guidance_scale=4.0, max_sequence_length=length,
        generator=torch.Generator().manual_seed(7),
    ).images[0]  # fmt: skip
    asked = {"prompt": CAPTION, "seed": 7, "num_steps": 3, "max_sequence_length": tokens}
    solver = type(pipe.scheduler).__name__
    run = sdlab.run(model, sdlab.Experiment(solver=solver, model=FLOW, **asked))
    assert np.array_equal(np.array(theirs), np.array(run.image))


def test_it_draws_what_its_captions_say(model):
    # Chance alone fulfils next to none of these; single pictures may tip over elsewhere.
    captions = ["a parrot on a beach", CAPTION, "a yellow star above a tree, blue background"]
    specs = [
        sdlab.Experiment(prompt=caption, seed=n, solver="euler", num_steps=12, model=FLOW)
        for n, caption in enumerate(captions)
    ]
    pictures = [run.image for run in sdlab.run_many(model, specs)]
    verdicts = [
        hit
        for seen, caption in zip(shipped().look(pictures), captions, strict=True)
        for hit in judge(seen, parse(caption)).values()
    ]
    assert sum(verdicts) / len(verdicts) >= 0.6


def test_unknown_words_are_warned_of(model):
    asked = {"num_steps": 1, "solver": "euler", "model": FLOW}
    odd = sdlab.run(model, sdlab.Experiment(prompt="a dragon", **asked))
    assert any("dragon" in warning for warning in odd.manifest["warnings"])


def test_paired_differences_are_over_the_same_captions():
    before = {"pair": [True, False, False, True], "single": []}
    after = {"pair": [True, True, False, True], "single": []}
    (figure,) = evaluate.differences(before, after).values()
    assert figure.value == pytest.approx(0.25) and figure.samples == 4
    assert figure.low < 0 < figure.high
