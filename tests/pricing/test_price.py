"""The price of a speed-up: what is measured and left out, and that the model stays as it is."""

import pytest
import torch

import sdlab
from sdlab.models.model import Model
from sdlab.pricing.columns import LADDER, LEFT_OUT, PICTURES, PRICES
from sdlab.pricing.copies import with_dtype, with_networks
from sdlab.pricing.ladder import rungs, steps_worth
from sdlab.pricing.pictures import apart, making
from sdlab.pricing.price import pricing
from sdlab.pricing.speedup import Changed, chosen, speedup, speedups
from sdlab.pricing.verdict import verdict
from sdlab.work import finish
from tests.zoo.experiments import experiment
from tests.zoo.pipelines import build

SPEC = sdlab.Experiment(
    prompt="a red car", solver="dpmpp_2m", curve="karras", num_steps=4, width=64, height=64
)


def state(model):
    """Everything of a model that a speed-up could leave changed."""
    found = {}
    for name, part in model.parts.items():
        for place, module in part.named_modules():
            hooks = len(module._forward_hooks) + len(module._forward_pre_hooks)
            own = {key for key in vars(module) if not key.startswith("_parameters")}
            found[name, place] = type(module), hooks, own, id(getattr(module, "processor", None))
        for place, tensor in part.named_parameters():
            found[name, place, "tensor"] = tensor.data_ptr(), tensor.dtype, tensor._version
    return found


def test_every_price_and_the_model_as_it_was(small):
    before, alone = state(small), sdlab.run(small, SPEC).latents
    priced = sdlab.price(small, SPEC, seeds=(0, 1))
    assert state(small) == before
    assert torch.equal(sdlab.run(small, SPEC).latents, alone)
    found = priced.table.set_index("speedup")
    tables = (priced.table, priced.pictures, priced.ladder, priced.left_out)
    wanted = (PRICES, PICTURES, LADDER, LEFT_OUT)
    assert [list(table) for table in tables] == [list(columns) for columns in wanted]
    # what only regroups sums is lost in rounding; half precision is not, yet changes less than half
    assert found.loc["attention slicing", "share"] < 1e-2 < found.loc["bfloat16", "share"]
    assert found.loc["bfloat16", "change"] > 1e-4
    assert found.loc["attention broadcast", "change"] > 0
    assert found.loc["VAE tiling", "change"] == 0  # one tile holds the picture
    assert found.loc["VAE tiling", "off"] == pytest.approx(1, abs=1e-9)
    assert found.loc["VAE tiling", "good_as"] == pytest.approx(4, abs=1e-9)
    missing = priced.left_out.set_index("speedup")["reason"]
    assert "GPU" in missing["float16"] and "UNet2DConditionModel" in missing["TaylorSeer"]
    names = {one.name for one in chosen(None)}
    assert set(found.index) | set(missing.index) == names and "compile" not in names
    assert len(priced.sentences) == len(names)
    assert priced.most == 32 and set(priced.ladder["num_steps"]) == {2, 3, 4, 5}


def test_a_speed_up_of_ones_own_is_told_in_steps(small):
    """A speed-up that takes half of the steps has the error of half of the steps, exactly."""

    @speedup("half the steps", "Takes half of the steps.", source="this test")
    def half(model):
        return Changed(model, fields={"num_steps": 2})

    try:
        priced = sdlab.price(small, SPEC, ["half the steps"], seeds=(3, 4))
    finally:
        del speedups()["half the steps"]
    (row,) = priced.pictures.groupby("speedup").mean().to_dict("records")
    errors = priced.ladder[priced.ladder["num_steps"] == 2]["error"]
    assert row["off"] == pytest.approx(errors.mean(), rel=1e-12)


def test_errors_are_translated_on_the_ladder():
    steps, errors = [2, 4, 8, 10], [1.0, 0.1, 0.01, 0.001]
    assert steps_worth(0.1, steps, errors, 8) == 4
    assert steps_worth(10**-1.5, steps, errors, 8) == pytest.approx(6)
    assert steps_worth(5.0, steps, errors, 8) == 2 and steps_worth(1e-5, steps, errors, 8) == 10
    # a picture as far off as the plain one is worth the budget, whatever the rungs beside it say
    assert steps_worth(0.5, [2, 4, 8], [0.2, 0.5, 0.01], 4) == 4
    assert steps_worth(0.5, [2, 4, 8], [0.6, 0.5, 0.9], 4) == 4
    assert steps_worth(0.1, [2, 4, 8], [0.6, 0.5, 0.9], 4) == 4  # more steps do not come nearer
    assert rungs(20, 1000) == [4, 6, 8, 10, 12, 14, 16, 18, 20, 24]
    assert rungs(1000, 1000)[-1] == 1000


@pytest.mark.parametrize(
    ("change", "good", "time", "quick", "said"),
    [
        (0.1, (9, 10), (0.4, 0.6), (5, 6), "worth it"),
        (0.1, (3, 4), (0.4, 0.6), (5, 6), "not worth it"),
        (0.1, (3, 9), (0.4, 0.6), (5, 6), "not told apart"),
        (0.1, (9, 10), (1.1, 1.2), (11, 12), "no gain"),
        (0.0, (10, 10), (0.4, 0.6), (5, 6), "free"),
        (0.0, (10, 10), (0.9, 1.1), (9, 11), "no gain"),
    ],
)
def test_verdicts(change, good, time, quick, said):
    row = {"change": change}
    for name, ends in (("good_as", good), ("time", time), ("quick_as", quick)):
        row |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    assert verdict(row) == said


def test_a_copy_shares_its_weights_and_gives_the_same(small):
    copied = with_networks(small)
    assert copied.network is not small.network and copied.pipeline.vae is small.pipeline.vae
    pairs = zip(copied.network.parameters(), small.network.parameters(), strict=True)
    assert all(a is b for a, b in pairs)
    assert torch.equal(sdlab.run(copied, SPEC).latents, sdlab.run(small, SPEC).latents)
    half = with_dtype(small, torch.bfloat16)
    assert half.dtype == torch.bfloat16 and small.dtype == torch.float32
    assert half.pipeline.text_encoder.dtype == torch.bfloat16


def test_hooked_networks_are_refused(small):
    block = small.network.mid_block
    block.forward = block.forward
    try:
        with pytest.raises(sdlab.ModelError, match="unet cannot be copied.* of its mid_block"):
            with_networks(small)
    finally:
        del block.forward


def test_a_cancelled_price_leaves_the_model_as_it_was(small):
    before = state(small)
    work = pricing(small, SPEC, ["attention broadcast"], (0, 1))
    seen = [next(work) for _ in range(100)]
    work.close()
    assert state(small) == before
    assert seen == sorted(seen) and seen[-1][0] < seen[-1][1]


def test_caches_of_transformers_are_emptied_before_each_picture():
    pipe, arguments = build("FluxPipeline")
    model, spec = Model(pipe, "flux"), experiment(pipe, arguments).with_(num_steps=8)
    (plain,) = finish(making(Changed(model), [spec]))
    for name in ("attention broadcast", "first block cache", "TaylorSeer"):
        changed = speedups()[name].function(model)
        one, other = finish(making(changed, [spec, spec]))
        assert torch.equal(one.pixels, other.pixels), name
        # a network of random weights may change so much that the first block's cache never serves
        assert (apart(one.pixels, plain.pixels, plain.pixels) > 0) or name == "first block cache"
    (again,) = finish(making(Changed(model), [spec]))
    assert torch.equal(again.pixels, plain.pixels)


@pytest.mark.parametrize(
    ("changes", "seeds", "message"),
    [
        ({"solver": "euler_ancestral"}, (0, 1), "draws noise on the way.* such as dpmpp_2m"),
        ({"num_steps": 3}, (0, 1), "num_steps must be at least 4.* got 3"),
        ({}, (0,), r"seeds must be 2 to 64, each once, got \[0\]"),
        ({}, (1, 1), "seeds must be 2 to 64, each once"),
        (
            {"curve": "sigmas", "curve_options": {"sigmas": (9, 4, 2, 1, 0)}},
            (0, 1),
            "fixed number of steps",
        ),
    ],
)
def test_what_has_no_price(small, changes, seeds, message):
    with pytest.raises(ValueError, match=message):
        sdlab.price(small, SPEC.with_(**changes), seeds=seeds)


def test_unknown_speed_ups_are_named(small):
    with pytest.raises(ValueError, match="'bfloat15'.*bfloat16"):
        sdlab.price(small, SPEC, ["bfloat15"])
    with pytest.raises(ValueError, match="at least one, got none, of batch"):
        sdlab.price(small, SPEC, [])


def test_a_speed_up_that_fails_is_left_out(small):
    @speedup("broken", "Fails.", source="this test")
    def broken(model):
        raise IndexError("tuple index out of range")

    try:
        priced = sdlab.price(small, SPEC, ["broken"], seeds=(0, 1))
    finally:
        del speedups()["broken"]
    assert priced.left_out["reason"].tolist() == ["It failed: IndexError: tuple index out of range"]
    assert priced.table.empty
