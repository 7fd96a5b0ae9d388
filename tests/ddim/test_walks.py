"""Pictures on the way between two noises, held against sampling each of them alone."""

import math

import numpy as np
import pytest
import torch

from sdlab.ddim.eta import drawing_fan
from sdlab.ddim.schemes import down, solving
from sdlab.ddim.settings import DdimSettings
from sdlab.ddim.study import round_trips, there_and_back
from sdlab.ddim.walks import start_noise, walking_between_pictures, walking_between_seeds
from sdlab.denoisers.guided import Guided
from sdlab.latents.edit import between
from sdlab.work import finish

SETTINGS = DdimSettings("a red car", num_steps=3, iterations=2)


def latents_of(model, *seeds):
    return tuple(start_noise(model, seed) * 0.5 for seed in seeds)


def alone(model, noise, prompt, settings=SETTINGS):
    """The picture that DDIM makes of one noise."""
    sigmas = settings.sigmas(model.schedule)
    way = down(noise * math.sqrt(1 + sigmas[0] ** 2), sigmas, lambda x: None)
    denoise = Guided(model, prompt, settings.negative_prompt, settings.guidance_scale)
    return model.decode(finish(solving(way, denoise, len(sigmas) - 1)))


def assert_close(picture, other):
    """Alike but for rounding: a batch and one alone differ by float32's."""
    gap = np.abs(np.asarray(picture, int) - np.asarray(other, int))
    assert gap.max() <= 1


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("walk", ["spherical", "linear"])
def test_each_picture_between_two_seeds_is_the_one_of_its_noise(small, walk, guidance):
    settings, seen = SETTINGS.with_(guidance_scale=guidance), []
    work = walking_between_seeds(small, settings, (5, 8), 3, walk)
    walked = finish(work, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)] + [(3, 3)] * 3
    ends = start_noise(small, 5), start_noise(small, 8)
    assert torch.equal(walked.ends, torch.cat(ends))
    noises = between(*ends, [0.0, 0.5, 1.0], walk)
    for noise, picture in zip(noises.split(1), walked.pictures, strict=True):
        assert_close(picture, alone(small, noise, "a red car", settings))
    assert walked.table["share"].tolist() == [0.0, 0.5, 1.0]
    assert walked.table["norm"].tolist() == pytest.approx(noises.flatten(1).norm(dim=1).tolist())


def test_between_pictures_each_end_is_the_noise_of_its_own_caption(small):
    x0, captions, seen = latents_of(small, 1, 2), ("a cat", "a dog"), []
    work = walking_between_pictures(small, SETTINGS, x0, captions, 2, "linear")
    walked = finish(work, lambda done, total: seen.append((done, total)))
    total = 2 * 2 * 3 + 3  # two rounds a step upwards, three steps, two pictures; then down
    assert seen == [(n, total) for n in range(1, total + 1)] + [(total, total)] * 2
    for index, caption in enumerate(captions):
        outcome = finish(there_and_back(small, x0[index], SETTINGS.with_(prompt=caption)))
        assert torch.equal(outcome.noise, walked.ends[index : index + 1])
        assert_close(walked.pictures[index], outcome.after)


def test_pictures_of_two_sizes_have_no_way_between_them(small):
    x0 = latents_of(small, 1)[0]
    work = walking_between_pictures(small, SETTINGS, (x0, x0[..., :4]), ("", ""), 2, "linear")
    with pytest.raises(ValueError, match="choose pictures of one size"):
        finish(work)


def test_an_unknown_walk_is_named(small):
    with pytest.raises(ValueError, match="Unknown walk 'spheric'.*spherical"):
        finish(walking_between_seeds(small, SETTINGS, (1, 2), 3, "spheric"))


def test_a_walk_can_be_left_at_any_evaluation(small):
    work = walking_between_seeds(small, SETTINGS, (1, 2), 3, "linear")
    next(work)
    work.close()
    assert next(work, "ended") == "ended"


def test_words_go_along_as_far_as_their_share(small):
    first, second = Guided(small, "a cat"), Guided(small, "a dog")
    x = torch.cat(latents_of(small, 3, 3, 3))
    blended = first.towards(second, [0.0, 0.5, 1.0])(x, 2.0)
    torch.testing.assert_close(blended[:1], first(x[:1], 2.0))
    torch.testing.assert_close(blended[2:], second(x[2:], 2.0))
    assert not torch.allclose(blended[1], blended[0])
    assert first.cond.shape[0] == 1  # its own words stay


def test_every_method_is_judged_as_it_is_alone(small):
    x0, seen = latents_of(small, 4)[0], []
    work = round_trips(small, x0, SETTINGS, ("naive", "edict"), (2, 3), (1.0,))
    table = finish(work, lambda done, total: seen.append((done, total)))
    assert table[["method", "num_steps"]].values.tolist() == [
        ["naive", 2], ["naive", 3], ["edict", 2], ["edict", 3],
    ]  # fmt: skip
    trip = SETTINGS.with_(method="edict", num_steps=3)
    outcome = finish(there_and_back(small, x0, trip))
    found = table.iloc[3]
    assert (found["rmse"], found["psnr"]) == (outcome.rmse, outcome.likeness.psnr)
    total = 2 * 2 + 2 * 3 + 4 * 2 + 4 * 3
    assert seen == [(n, total) for n in range(1, total + 1)]


def test_the_fan_is_drawn_row_by_row(small):
    denoise, start = Guided(small, "a cat"), start_noise(small, 7)
    sigmas = SETTINGS.sigmas(small.schedule)
    fan, pictures = finish(drawing_fan(small, denoise, start, sigmas, (0.0, 1.0), (1, 2)))
    assert [len(row) for row in pictures] == [2, 2]
    assert_close(pictures[0][0], alone(small, start, "a cat"))
    for row, latents in zip(pictures, fan.latents, strict=True):
        for picture, one in zip(row, latents.split(1), strict=True):
            assert picture.tobytes() == small.decode(one).tobytes()


def test_settings_that_are_none_are_named(small):
    with pytest.raises(ValueError, match="Unknown inversion method 'edikt'"):
        DdimSettings(method="edikt").scheme()
    with pytest.raises(ValueError, match="Unknown curve 'carras'"):
        DdimSettings(curve="carras").sigmas(small.schedule)


def test_inverting_takes_settings_by_name(small):
    import sdlab

    x0 = latents_of(small, 9)[0]
    found = sdlab.invert(small, x0, "a cat", num_steps=2, method="naive", curve_options=None)
    assert found.method == "naive" and len(found.sigmas) == 3
    with pytest.raises(
        TypeError, match=r"argument of invert\(\) 'metod'. Did you mean 'method' or .*num_steps"
    ):
        sdlab.invert(small, x0, "a cat", metod="naive")
