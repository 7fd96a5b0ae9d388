"""Counterfactuals: the plain run bit by bit, the differences, the checker, progress and cancel."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import sdlab
from sdlab.causes import change
from sdlab.causes.change import NOTHING, Change
from sdlab.causes.counterfactuals import check_plain, counterfactuals, running
from sdlab.causes.switches import SkipScaled
from sdlab.errors import ModelError
from sdlab.work import finish

ASKED = sdlab.Experiment(prompt="a red car and a red cat", seed=3, num_steps=3, model="small")


def hooks(model):
    """How many hooks there are in the network."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules())


@pytest.mark.parametrize(
    "asked", [ASKED, ASKED.with_(solver="ddim", eta=1.0)], ids=["eta0", "eta1"]
)
def test_the_plain_run_and_no_change_are_bit_identical_to_a_run(small, asked):
    alone = sdlab.run(small, asked)
    later = Change("after its end", switches=(SkipScaled("all", first=99),))
    found = finish(counterfactuals(small, asked, [NOTHING, later]))
    for outcome in found.outcomes:
        assert torch.equal(outcome.latents, alone.latents)
        assert torch.equal(outcome.x0_pred, alone.trace.x0_pred)
        assert np.array_equal(outcome.pixels, np.asarray(alone.image.convert("RGB")))
    assert (found.table()[["rms_latents", "largest_latents", "rms_pixels"]] == 0).all(None)
    assert (found.course()["rms"] == 0).all()


def test_a_changed_field_is_the_run_with_that_field_and_the_same_noise(small):
    asked = ASKED.with_(solver="euler_ancestral")
    found = finish(counterfactuals(small, asked, [change.guidance(1.0), change.guidance(10.0)]))
    for outcome, scale in zip(found.changed, (1.0, 10.0), strict=True):
        alone = sdlab.run(small, asked.with_(guidance_scale=scale))
        assert torch.equal(outcome.latents, alone.latents)


def test_differences_are_what_they_say(small):
    off = change.skip_off("up_blocks.0", first=1)
    found = finish(counterfactuals(small, ASKED, [off]))
    (outcome,) = found.changed
    gap = outcome.latents.double() - found.plain.latents.double()
    row = found.table().iloc[1]
    assert row["change"] == "skips of up_blocks.0 off, evaluations 1 on"
    assert row["rms_latents"] == pytest.approx(float(gap.square().mean().sqrt()))
    assert row["largest_latents"] == pytest.approx(float(gap.abs().max()))
    where = found.x0_map(outcome)
    assert where.shape == (16, 16)
    assert np.sqrt((where**2).mean()) == pytest.approx(row["rms_latents"])
    assert np.sqrt((found.pixel_map(outcome) ** 2).mean()) == pytest.approx(row["rms_pixels"])
    course = found.course()
    plain, course = course[:3], course[3:]
    assert (plain["change"] == "as it is").all() and (plain["rms"] == 0).all()
    assert plain["spread"].tolist() == pytest.approx(found.plain.x0_pred.flatten(1).std(1).tolist())
    assert course["rms"].iloc[0] == 0 and (course["rms"].iloc[1:] > 0).all()
    assert course["sigma"].tolist() == list(found.sigmas)
    assert course["greatest"].tolist() == outcome.x0_pred.flatten(1).amax(1).tolist()
    assert (row["least"], row["greatest"]) == tuple(map(float, outcome.latents.aminmax()))
    alone = sdlab.run(small, ASKED)
    assert torch.equal(found.plain.x_t, alone.trace.x_t)
    way = torch.cat([alone.trace.x_t, alone.latents]).double()
    moves = [float((b - a).square().mean().sqrt()) for a, b in pairwise(way)]
    assert found.plain.length == pytest.approx(sum(moves))
    assert not found.x0_map(outcome, 0).any() and found.x0_map(outcome, 2).all()
    with pytest.raises(ValueError, match="evaluation must be from 0 to 2, got 3"):
        found.x0_map(outcome, 3)


def test_progress_counts_all_runs_and_closing_leaves_no_hooks(small):
    work = counterfactuals(small, ASKED, [change.skip_off("all")])
    assert [next(work) for _ in range(5)] == [(i, 6) for i in range(1, 6)]
    assert hooks(small) == 0  # between two calls nobody sees the switches
    work.close()
    assert hooks(small) == 0


def test_a_run_that_fails_leaves_no_hooks(small):
    def broken(module, args):
        raise RuntimeError("broken")

    handle = small.network.mid_block.register_forward_pre_hook(broken)
    try:
        with pytest.raises(RuntimeError, match="broken"):
            finish(running(small, ASKED, [SkipScaled("all")]))
    finally:
        handle.remove()
    assert hooks(small) == 0


def test_words_and_pads_are_changed_as_they_say(small):
    removed = change.word_left_out(small, ASKED, "car")
    assert dict(removed.fields) == {"prompt": "a red and a red cat"}
    both = change.word_left_out(small, ASKED, "red")
    assert dict(both.fields) == {"prompt": "a car and a cat"}
    second = change.word_left_out(small, ASKED, "red", occurrence=1, how="masked")
    assert second.switches[0].positions == (6,) and second.switches[0].prompt is None
    (pads,) = change.pads(small, ASKED, "empty").switches
    assert pads.positions == tuple(range(9, 77)) and pads.prompt == ""
    assert change.pads(small, ASKED, "masked").switches[0].prompt is None
    assert change.pads(small, ASKED, "normal").switches == ()


def test_changes_that_do_not_fit_are_refused_before_anything_runs(small):
    with pytest.raises(ValueError, match="no word 'dog'"):
        change.word_left_out(small, ASKED, "dog")
    with pytest.raises(ValueError, match="way to leave a word out"):
        change.word_left_out(small, ASKED, "car", how="struck")
    with pytest.raises(ValueError, match="way of the pads"):
        change.pads(small, ASKED, "none")
    with pytest.raises(ValueError, match="has no pads"):
        change.pads(small, ASKED.with_(prompt="car " * 80), "masked")
    with pytest.raises(ValueError, match="field of a change"):
        Change("more steps", (("num_steps", 9),))
    with pytest.raises(ValueError, match="up block"):
        next(counterfactuals(small, ASKED, [NOTHING, change.skip_off("up_blocks.7")]))
    with pytest.raises(TypeError, match="experiment"):
        next(counterfactuals(small, small, []))


def test_only_plain_stable_diffusion_is_asked_anew_at_any_x_t(small):
    class Other(type(small)):
        """The same, called another family's."""

        plain = False

    with pytest.raises(ModelError, match="asked anew at any x_t"):
        check_plain(Other(small.pipeline, "other"))
    picture = sdlab.experiment.picture.Picture.of(sdlab.run(small, ASKED).image)
    with pytest.raises(ModelError, match="of runs from words alone"):
        check_plain(small, ASKED.with_(image=picture))


def test_a_run_that_goes_by_its_pipelines_call_is_changed_too(small):
    picture = sdlab.experiment.picture.Picture.of(sdlab.run(small, ASKED).image)
    asked = ASKED.with_(image=picture, strength=1.0)
    changes = [
        change.skip_off("all", first=1),
        change.word_left_out(small, asked, "car", how="masked"),
    ]
    found = finish(counterfactuals(small, asked, changes))
    assert torch.equal(found.plain.latents, sdlab.run(small, asked).latents)
    assert (found.table()["rms_latents"].iloc[1:] > 0).all()
    course = found.course().groupby("change", sort=False)["rms"].first().tolist()
    assert course[1] == 0 and course[2] > 0  # the skips are off from the second evaluation on


def test_the_embedded_worlds_checker_says_what_is_lost(embedded):
    asked = sdlab.Experiment(prompt="a red car on a beach", seed=7, num_steps=5)
    gone = change.word_left_out(embedded, asked, "car")
    found = finish(counterfactuals(embedded, asked, [gone]))
    assert found.plain.verdict == {"car": True, "red car": True, "on beach": True}
    assert found.plain.score == 1.0
    assert "car" in found.lost(found.changed[0])
    table = found.table()
    assert table["lost"].iloc[0] == "" and "car" in table["lost"].iloc[1]
    assert table["score"].iloc[1] < 1


def test_every_change_has_a_name_that_tells_what_and_when():
    names = [
        change.attention_off("all", "self").name,
        change.attention_off("mid_block", factor=2.0, first=1, last=4).name,
        change.attention_swapped("up_blocks.1", "a cat").name,
        change.channels_off("mid_block", (1, 2)).name,
        change.activation("relu").name,
        change.activation("relu", "mid_block").name,
        change.timestep_shifted(-100).name,
    ]
    assert names == [
        "self-attention of all blocks off",
        "cross-attention of mid_block times 2, evaluations 1 to 4",
        "up_blocks.1 read “a cat”",
        "channels 1, 2 of mid_block off",
        "activation relu",
        "activation relu in mid_block",
        "timestep -100",
    ]
