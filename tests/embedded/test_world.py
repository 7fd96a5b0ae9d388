"""The drawn world stays what it is, the same on every device, and holds out what it says."""

import hashlib
import random

import pytest
import torch
import torch.nn.functional as F

from sdlab.embedded.captions import BACKGROUND, Item, Scene, describe, text_of
from sdlab.embedded.catalogue import (
    BACKGROUNDS,
    CORE,
    GLYPHS,
    NAMES,
    RELATIONS,
    SIZES,
    TINTS,
    held_out_background,
    held_out_colour,
    held_out_pair,
)
from sdlab.embedded.claims import parse
from sdlab.embedded.scenes import SceneSampler, held_out
from sdlab.embedded.world import World, word_mask
from sdlab.training.nets import load_tokenizer
from sdlab.training.vocabulary import Vocabulary

QUARTERS = [
    *(-0.14013, -0.18677, -0.16594, -0.17302),
    *(-0.05373, 0.12154, -0.31326, -0.21454),
    *(-0.48345, -0.53297, -0.61618, -0.4989),
    *(0.0164, 0.00433, 0.05316, 0.00015),
]


@pytest.fixture(scope="module")
def world():
    return World()


def test_a_parrot_is_among_the_objects():
    assert "parrot" in CORE
    assert len(NAMES) == len(set(NAMES)) >= 56


def test_scenes_are_the_same_whichever_were_drawn_before(world):
    sampler = SceneSampler(3)
    alone = sampler(1000)
    sampler.batch(0, 20)
    assert sampler(1000) == alone
    assert SceneSampler(4)(1000) != alone
    first, _ = world.render([alone[0]])
    again, _ = World().render([alone[0]])
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_the_world_stays_what_it_is(world):
    """Scenes to the letter; pictures as means of their quarters, which no rounding moves."""
    samples = SceneSampler(2025).batch(0, 4)
    assert hashlib.sha256(repr(samples).encode()).hexdigest()[:16] == "736dc977fb5568e5"
    threads, pictures = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            pictures.append(World().render([scene for scene, _ in samples])[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*pictures)
    quarters = F.adaptive_avg_pool2d(pictures[0].mean(1), 2).flatten().tolist()
    assert quarters == pytest.approx(QUARTERS, abs=2e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever there is a CUDA device")
def test_cuda_draws_what_the_cpu_draws(world):
    scenes = [scene for scene, _ in SceneSampler(1).batch(0, 40)]
    for here, there in zip(world.render(scenes), World("cuda").render(scenes), strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-6)


def test_gathering_draws_what_pasting_draws(world):
    scenes = [scene for scene, _ in SceneSampler(1).batch(0, 40)]
    pasted, gathered = world.render(scenes, gather=False), world.render(scenes, gather=True)
    for a, b in zip(pasted, gathered, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_training_never_shows_a_held_out_combination():
    for scene, _ in SceneSampler(5).batch(0, 3000):
        assert not held_out(scene)
        names = [item.name for item in scene.items]
        assert not any(held_out_background(name, scene.background) for name in names)
        assert not any(held_out_colour(i.name, i.tint) for i in scene.items if i.tint)
        assert not any(held_out_pair(a, b) for a in names for b in names)
    assert all(held_out(scene) for scene, _ in SceneSampler(5, split="test").batch(0, 300))


def test_every_object_colour_and_background_is_trained_in_some_combination():
    seen = [scene for scene, _ in SceneSampler(6).batch(0, 4000)]
    assert {item.name for scene in seen for item in scene.items} == set(CORE)
    assert {scene.background for scene in seen} == set(BACKGROUNDS)
    assert {item.tint for scene in seen for item in scene.items} - {None} == set(TINTS)
    assert {scene.relation for scene in seen} - {None} == set(RELATIONS)


def test_coloured_scenes_need_an_object_that_can_be_painted():
    sampler = SceneSampler(6, ("cat", "sun"), kinds=(("coloured", 1.0),))
    with pytest.raises(ValueError, match=r"objects must hold one .*car.*, got .*'cat', 'sun'"):
        sampler(0)


def test_coloured_scenes_are_single_objects_with_a_colour():
    tinted = {glyph.name for glyph in GLYPHS if glyph.tints}
    for scene, _ in SceneSampler(6, kinds=(("coloured", 1.0),)).batch(0, 300):
        (item,) = scene.items
        assert item.name in tinted
        assert item.tint not in (None, scene.background)


def test_a_word_mask_is_where_its_object_changes_the_picture(world):
    items = (Item("cat", 56, 0, 32), Item("heart", 56, 72, 32, tint="blue"))
    scene = Scene(items, "white", 0, "left", "pair")
    words = describe(scene, random.Random(0), plain=True)
    assert text_of(words).startswith("a cat to the left of a blue heart")
    pictures, cover = world.render([scene, scene._replace(items=items[:1])])
    changed = (pictures[0] - pictures[1]).abs().amax(0) > 0.05
    masks = {word.text: word_mask(word, cover[0]) for word in words}
    assert masks["of"] is None
    assert torch.equal(masks["blue"], masks["heart"])
    inside = (masks["heart"] & changed).sum() / masks["heart"].sum()
    assert inside > 0.97
    assert not (masks["cat"] & changed).any()
    assert not (masks["background"] & (masks["cat"] | masks["heart"])).any()
    total = masks["background"].sum() + masks["cat"].sum() + masks["heart"].sum()
    assert total == 128 * 128


def test_objects_lie_inside_the_picture_on_the_grid_and_apart():
    for scene, _ in SceneSampler(7).batch(0, 1000):
        for item in scene.items:
            assert item.x % 8 == item.y % 8 == 0
            assert 0 <= item.x <= 128 - item.size and 0 <= item.y <= 128 - item.size
        boxes = [(i.x, i.y, i.size) for i in scene.items]
        for n, (x, y, s) in enumerate(boxes):
            for x2, y2, s2 in boxes[:n]:
                assert x + s <= x2 or x2 + s2 <= x or y + s <= y2 or y2 + s2 <= y


def test_captions_say_what_the_scene_holds():
    for split in ("train", "test"):
        for scene, words in SceneSampler(8, split=split).batch(0, 800):
            claims = parse(text_of(words))
            said = {(thing.name, thing.colour, thing.size) for thing in claims.things}
            assert said == {(item.name, item.tint, item.size_word) for item in scene.items}
            assert claims.relation == scene.relation
            mentioned = any(word.slots == (BACKGROUND,) for word in words)
            assert claims.background == (scene.background if mentioned else None)


def test_the_relation_is_true_in_the_picture():
    for scene, _ in SceneSampler(9).batch(0, 1500):
        if scene.relation:
            a, b = scene.items
            dx, dy = a.x - b.x, a.y - b.y
            along = {"left": -dx, "right": dx, "above": -dy, "below": dy}[scene.relation]
            assert along >= 56 > 8 >= min(abs(dx), abs(dy))


def test_the_tokenizer_is_clips():
    tokenizer = load_tokenizer()
    assert len(tokenizer) == 49408
    known = {
        "a photo of a cat": [49406, 320, 1125, 539, 320, 2368, 49407],
        "": [49406, 49407],
        "Hello, World!": [49406, 3306, 267, 1002, 256, 49407],
        "a diagram": [49406, 320, 22697, 49407],
        "a dog": [49406, 320, 1929, 49407],
    }
    for sentence, ids in known.items():
        assert tokenizer(sentence).input_ids == ids


def test_words_tokenised_one_by_one_give_clips_tokens():
    tokenizer, objects = load_tokenizer(), NAMES
    vocabulary = Vocabulary(tokenizer, objects)
    for _, words in SceneSampler(10, objects).batch(0, 200):
        ids, places = vocabulary.encode(words)
        clip = [vocabulary.clip_ids[i] for i in ids.tolist()]
        padded = tokenizer(text_of(words), padding="max_length", max_length=77).input_ids
        assert clip == padded
        for word, place in zip(words, places, strict=True):
            piece = tokenizer.decode([clip[p] for p in place]).strip()
            assert piece == word.text


def test_sizes_fill_whole_cells():
    assert all(side % 8 == 0 for side in SIZES.values())
    assert len(GLYPHS) == len(NAMES)
