"""What each part of the U-Net does, by switching it off."""

import numpy as np
import pytest

from sdlab.anatomy.effects import MEASURES, Part, effects, parts_of, seen_change, t_interval
from sdlab.embedded.pictures import to_pictures
from sdlab.embedded.samples import sample_picture
from sdlab.embedded.scenes import Item, Scene
from sdlab.embedded.world import World
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.sampling.engine import run
from sdlab.work import finish
from tests import flow
from tests.anatomy.test_network_map import hooks

ASKED = Experiment(prompt="a red car", num_steps=2, width=128, height=128, guidance_scale=1.0)


def test_the_parts_are_all_skips_and_attention_blocks(embedded):
    parts = parts_of(embedded)
    assert [(p.block, p.part, p.which) for p in parts][:5] == [
        ("", "time", None),
        ("down_blocks.0", "self", None),
        ("down_blocks.0", "cross", None),
        ("down_blocks.1", "self", None),
        ("down_blocks.1", "cross", None),
    ]
    assert sum(p.part == "skip" for p in parts) == 6 and len(parts) == 17
    assert Part("up_blocks.0", "skip", 1).name == "up_blocks.0 skip 1"
    assert parts[0].name == "time embedding"
    (switch,) = parts[0].off(first=2).switches
    assert (switch.at, switch.first) == (500.0, 2)


def test_every_part_is_measured_over_the_seeds(small):
    found = finish(effects(small, ASKED, [1, 2]))
    names = [part.name for part in parts_of(small)]
    assert list(found.table["what"]) == names and list(found.pictures) == ["", *names]
    assert (found.table["rms_latents"] > 0).all()
    assert found.table["missing"].isna().all()  # no checker knows this model
    plain = run(small, ASKED.with_(seed=1))
    assert np.array_equal(np.asarray(found.pictures[""]), np.asarray(plain.image))
    assert not hooks(small.network)
    inside = found.table["rms_pixels"].between(
        found.table["rms_pixels_low"], found.table["rms_pixels_high"]
    )
    assert inside.all() and set(MEASURES) < set(found.table)


def test_off_in_no_evaluation_is_the_plain_run(small):
    found = finish(effects(small, ASKED, [1], first=5))
    assert (found.table["rms_latents"] == 0).all()


def test_the_checker_sees_what_is_gone_and_what_is_another_colour():
    words = "a red car on a meadow"
    car, penguin = sample_picture(words), sample_picture("a penguin in the snow")
    assert seen_change(car, car, words) == (0.0, 0.0, 0.0, 0.0)
    gone = seen_change(car, penguin, words)
    assert gone.missing == 1.0 and np.isnan(gone.moved) and gone.background == 1.0
    blue = drawn(Item("car", 80, 8, 40, tint="blue"))  # 16 of 128 pixels to the left
    other = seen_change(car, blue, words)
    assert other.missing == 0 and other.recoloured == 1 and other.background == 0
    assert other.moved == pytest.approx(16 / 128, abs=1 / 16)  # the checker's cells
    assert np.isnan(seen_change(car, penguin, "something").missing)


def drawn(item):
    return to_pictures(World().render([Scene((item,), "meadow")])[0])[0]


def test_an_interval_is_students():
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)
    assert t_interval([4.0]) == (4.0, 4.0)


def test_what_cannot_be_switched_is_refused(small):
    with pytest.raises(ValueError, match="at least one seed"):
        finish(effects(small, ASKED, []))
    with pytest.raises(ValueError, match="no such part to switch: whole block"):
        finish(effects(small, ASKED, [1], kinds=["block"]))
    with pytest.raises(ValueError, match="Unknown part 'mlps'"):
        finish(effects(small, ASKED, [1], kinds=["mlps"]))


def test_every_block_of_a_transformer_in_turn():
    model = Model(flow.sd3(), "sd3")
    assert [part.part for part in parts_of(model)] == ["time", *2 * ["block", "joint", "mlp"]]
    asked = Experiment(prompt="a red cat", num_steps=1, guidance_scale=1.0)
    found = finish(effects(model, asked, [1], kinds=["block", "mlp"]))
    assert list(found.table["words"]) == [
        f"joint block {number} of 2, {part}" for number in (1, 2) for part in ("whole block", "MLP")
    ]
    assert (found.table["rms_latents"] > 0).all()
    time = found.table.set_index("what")["time"]
    assert ((time > 0) & (time < 1)).all()
    assert time["transformer_blocks.0 whole block"] > time["transformer_blocks.0 MLP"]
    assert not hooks(model.network)


def test_a_skip_takes_no_time_of_its_own(small):
    found = finish(effects(small, ASKED, [1], first=5, kinds=["skip", "self"]))
    untimed = found.table["part"] == "skip"
    assert found.table["time"].isna().equals(untimed) and untimed.any()
    assert found.table["words"].iloc[0] == "first stage down, self-attention"


def test_the_time_embedding_is_a_row_of_its_own(small):
    found = finish(effects(small, ASKED, [1], kinds=["time"]))
    (row,) = found.table.to_dict("records")
    assert row["words"] == "the true time (told 500 throughout)"
    assert row["rms_latents"] > 0 and 0 < row["time"] < 0.5
