"""Parts take turns on the device, and what comes out is the same bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate.hooks import remove_hook_from_module

import sdlab
from sdlab.experiment.experiment import Experiment
from sdlab.models.load import load
from sdlab.models.model import Model
from sdlab.models.offload import Turns, check_way, give_turns
from sdlab.shipped import FOLDER
from sdlab.text.encoder import encode
from tests import flow

CPU = torch.device("cpu")
ASKED = Experiment(prompt="a red car", num_steps=2, width=64, height=64, model="tiny")


class Part(torch.nn.Linear):
    """Says where it is sent instead of going there."""

    def __init__(self, name, moves):
        super().__init__(1, 1)
        self.name, self.moves = name, moves

    def to(self, device):
        self.moves.append((self.name, str(device)))
        return self


def test_one_part_at_a_time_is_on_the_device():
    moves = []
    first, second = Part("first", moves), Part("second", moves)
    turns = Turns(torch.device("cuda"), CPU)
    for module in (first, first, second, first):
        turns.take(module)
    assert moves == [
        ("first", "cuda"),
        ("first", "cpu"),
        ("second", "cuda"),
        ("second", "cpu"),
        ("first", "cuda"),
    ]


def test_a_part_that_finds_no_room_leaves_none_behind():
    turns, moves = Turns(torch.device("cuda"), CPU), []
    turns.take(Part("first", moves))
    large = Part("large", moves)

    def refused(device):
        raise torch.OutOfMemoryError("no room")

    large.to = refused
    with pytest.raises(torch.OutOfMemoryError):
        turns.take(large)
    assert turns.current is None and moves[-1] == ("first", "cpu")


@pytest.mark.parametrize(
    ("make", "way"),
    [
        (flow.sd3, "model"),
        ("embedded", "sequential"),
        pytest.param(flow.sd3, "sequential", marks=pytest.mark.every),
        pytest.param("embedded", "model", marks=pytest.mark.every),
    ],
)
def test_runs_are_the_same_bit_for_bit(make, way):
    def pipeline():
        return load(device="cpu").pipeline if make == "embedded" else make()

    expected = sdlab.run(Model(pipeline(), "tiny"), ASKED)
    pipe = pipeline()
    model = Model(pipe, "tiny")
    assert model.hash  # read while the weights are there
    give_turns(pipe, CPU, way)
    assert model.device == CPU
    done = sdlab.run(model, ASKED)
    assert torch.equal(done.tensors["latents"], expected.tensors["latents"])
    assert np.array_equal(np.asarray(done.image), np.asarray(expected.image))
    again = sdlab.run(model, ASKED)
    assert torch.equal(again.tensors["latents"], expected.tensors["latents"])
    for part in model.parts.values():
        remove_hook_from_module(part, recurse=True)


def test_runs_side_by_side_take_turns_too():
    pipe = flow.sd3()
    model = Model(pipe, "tiny")
    give_turns(pipe, CPU, "model")
    asked = [ASKED, replace(ASKED, seed=1)]
    for one, experiment in zip(sdlab.run_many(model, asked), asked, strict=True):
        alone = sdlab.run(Model(flow.sd3(), "tiny"), experiment)
        torch.testing.assert_close(
            one.tensors["latents"], alone.tensors["latents"], atol=1e-4, rtol=0
        )


def test_text_is_read_from_parts_in_turn():
    pipe = load(device="cpu").pipeline
    expected = encode(pipe, "a parrot", attention=True)
    give_turns(pipe, CPU, "model")
    found = encode(pipe, "a parrot", attention=True)
    assert np.array_equal(found.contextual, expected.contextual)
    assert np.array_equal(found.attention, expected.attention)


def test_offload_is_refused_where_it_is_of_no_use(small):
    with pytest.raises(ValueError, match="offload='model' is of no use on the CPU"):
        load(FOLDER, device="cpu", offload="model")
    with pytest.raises(ValueError, match="Unknown way to offload 'modle'.*'model'"):
        check_way("modle", torch.device("cuda"))
    for more in ({"offload": "model"}, {"tiled": True}):
        with pytest.raises(ValueError, match="are not for a pipeline in memory"):
            load(small.pipeline, **more)


def test_large_pictures_are_decoded_in_tiles_if_asked():
    whole, tiled = load(device="cpu"), load(device="cpu", tiled=True)
    asked = replace(ASKED, width=256, guidance_scale=1.0)
    runs = [sdlab.run(model, asked) for model in (whole, tiled)]
    pixels = [np.asarray(run.image).astype(int) for run in runs]
    assert torch.equal(runs[0].tensors["latents"], runs[1].tensors["latents"])
    assert 0 < np.abs(pixels[0] - pixels[1]).mean() < 8
    latents = runs[0].tensors["latents"]
    assert np.array_equal(pixels[1], np.asarray(whole.decode(latents, tiled=True)))
    assert np.array_equal(pixels[1], np.asarray(tiled.decode(latents, tiled=True)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever there is a CUDA device")
@pytest.mark.parametrize("way", ["model", "sequential"])
def test_on_cuda_the_weights_wait_outside(way):
    expected = sdlab.run(load(FOLDER, device="cuda"), ASKED)
    torch.cuda.empty_cache()
    model = load(FOLDER, device="cuda", offload=way)
    assert model.device.type == "cuda"
    done = sdlab.run(model, ASKED)
    assert torch.equal(done.tensors["latents"], expected.tensors["latents"])
    there = [n for n, p in model.parts.items() if next(p.parameters()).device.type == "cuda"]
    assert len(there) <= 1
