"""The weights in the package: whole, as good as their card says, and honest about their words."""

import subprocess
import sys

import pytest
import torch
from diffusers import StableDiffusionPipeline

from sdlab.embedded import evaluate, known_words, unknown_words
from sdlab.embedded.captions import text_of
from sdlab.embedded.checker import Checker, judge, score
from sdlab.embedded.claims import Claims, Thing, parse
from sdlab.embedded.export import CHECKSUMS, checksums
from sdlab.embedded.nets import SHIPPED
from sdlab.embedded.pictures import to_pictures
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.stage_checker import accuracy
from sdlab.embedded.world import World


@pytest.fixture(scope="module")
def pipeline():
    return evaluate.load_pipeline()


@pytest.fixture(scope="module")
def held_out():
    samples = SceneSampler(404, evaluate.trained_objects(), split="test").batch(0, 128)
    return World().render([scene for scene, _ in samples])[0], samples


def test_the_weights_match_their_checksums():
    assert (SHIPPED / CHECKSUMS).read_text(encoding="utf-8") == checksums(SHIPPED)


def test_diffusers_loads_the_folder_as_it_is():
    pipe = StableDiffusionPipeline.from_pretrained(SHIPPED, safety_checker=None)
    assert pipe.text_encoder.dtype == pipe.unet.dtype == pipe.vae.dtype == torch.float32
    image = pipe("a cat", num_inference_steps=1, output_type="pt").images
    assert image.shape == (1, 3, 128, 128) and image.isfinite().all()


def test_everything_shipped_stays_under_45_megabytes():
    assert evaluate.megabytes() <= 45


def test_the_vae_gives_held_out_scenes_back(pipeline):
    assert evaluate.reconstruction(pipeline, 12).value > 29


def test_the_checker_reads_held_out_scenes(held_out):
    figures = accuracy(Checker.load(), *held_out)
    assert figures["fulfilled"] >= 0.96
    assert figures["names"] >= 0.96
    assert figures["background"] >= 0.98


def test_a_true_caption_scores_higher_than_anothers(held_out):
    pictures, samples = held_out
    images = to_pictures(pictures[:20])
    captions = [text_of(words) for _, words in samples[:20]]
    right = [score(image, caption) for image, caption in zip(images, captions, strict=True)]
    wrong = [score(image, captions[n - 1]) for n, image in enumerate(images)]
    assert sum(right) / 20 > 0.95
    assert sum(wrong) / 20 < 0.4
    assert score(images[0], "nothing of this world") is None


def test_held_out_prompts_are_followed(pipeline):
    figures = evaluate.fidelity(pipeline, Checker.load(), 4)
    assert figures["background"].value == 1
    assert min(figures[kind].value for kind in ("single", "pair", "relation")) >= 0.5


def test_held_out_captions_are_fixed_and_held_out():
    captions = evaluate.held_out_captions("pair", 48)
    assert captions == evaluate.held_out_captions("pair", 60)[:48]
    assert len(set(captions)) == 48
    assert all(parse(caption).relation for caption in captions)


def test_more_held_out_captions_than_there_are_is_refused():
    with pytest.raises(ValueError, match="count must be at most .* for 'single', got 400"):
        evaluate.held_out_captions("single", 400)


def test_attention_finds_its_objects(pipeline):
    figures = evaluate.attention(pipeline, 12)
    assert figures["pointing"].value >= 0.9


def test_unknown_words_are_named_once_in_order():
    assert unknown_words("a parrot on a beach") == []
    assert unknown_words("A Dragon with a parrot, a dragon!") == ["dragon", "with"]
    assert {"parrot", "beach", "left", "two"} <= known_words()


def test_claims_of_free_text():
    claims = parse("Two red cars and a small cat at night")
    assert claims == Claims((Thing("car", "red", None, 2), Thing("cat", None, "small")), "night")
    assert parse("a balloon on gray").background == "gray"
    assert parse("nothing here") == Claims(())


def test_a_relation_is_judged_by_where_things_are(held_out):
    from sdlab.embedded.checker import Found, Seen

    seen = Seen(
        (
            Found("cat", "natural", "medium", 0.2, 0.5),
            Found("car", "red", "medium", 0.8, 0.5),
        ),
        "night",
    )
    assert judge(seen, parse("a cat to the left of a red car at night")) == {
        "cat": True,
        "car": True,
        "red car": True,
        "cat left car": True,
        "on night": True,
    }
    assert not judge(seen, parse("a cat above a car"))["cat above car"]
    assert not judge(seen, parse("two cats"))["2 cat"]


def test_the_package_stays_light_until_it_is_used():
    code = "import sys, sdlab.embedded as e; e.unknown_words('cat'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_share_and_mean_have_intervals():
    assert evaluate.share([True] * 48).low == pytest.approx(0.926, abs=0.001)
    figure = evaluate.mean([1.0, 2.0, 3.0])
    assert figure.low < figure.value == 2.0 < figure.high
    assert torch.isfinite(torch.tensor(figure)).all()
