"""Golden runs: the same machine gives the same bits; a change is found where it sets in."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

import sdlab
from sdlab.errors import StoreError
from sdlab.models.model import Model
from sdlab.reproducing import golden
from sdlab.work import finish

BASE = sdlab.Experiment(prompt="a parrot", num_steps=3, seed=5)
SOLVERS = ("heun", "euler_ancestral", "DDIMScheduler")


@pytest.fixture(scope="module")
def file(small, tmp_path_factory):
    asked = [BASE.with_(solver=name, model="small") for name in SOLVERS]
    made = finish(golden.record(small, asked))
    return made.save(tmp_path_factory.mktemp("golden") / "runs.safetensors")


def checked(model, file):
    return finish(golden.check(model, golden.open_golden(file)))


def test_the_same_model_gives_the_same_bits(small, file):
    found = checked(small, file)
    assert [one.experiment.solver for one in found] == list(SOLVERS)
    assert [one.evaluations for one in found] == [5, 3, 3]
    assert all(one.same and one.end == one.distance == one.measured == 0 for one in found)
    assert not golden.changed(golden.open_golden(file), small)


def test_the_own_error_is_the_distance_to_twice_the_steps(small, file):
    heun, ancestral, ddim = golden.open_golden(file).runs
    asked = BASE.with_(solver="heun", model="small")
    latents = sdlab.run(small, asked).latents.double()
    finer = sdlab.run(small, asked.with_(num_steps=6)).latents.double()
    own = (latents - finer).square().mean().sqrt() / latents.std(correction=0)
    assert heun.own_error == pytest.approx(float(own), rel=1e-9)
    assert ancestral.own_error is None and ddim.own_error > 0


def later(model, by):
    """A copy whose network's outputs differ from its second call on."""
    pipeline = copy.copy(model.pipeline)
    pipeline.unet = copy.deepcopy(model.pipeline.unet)
    plain, calls = pipeline.unet.forward, []

    def forward(*args, **kwargs):
        calls.append(args)
        return (plain(*args, **kwargs)[0] + by * (len(calls) % 5 != 1),)

    pipeline.unet.forward = forward
    return Model(pipeline, model.name)


def test_a_change_is_found_where_it_sets_in_and_measured(small, file):
    before = golden.open_golden(file)
    one = golden.Golden(before.facts, before.runs[:1], before.samples)
    (found,) = finish(golden.check(later(small, 1e-3), one))
    assert (found.first, found.sigma) == (1, before.runs[0].sigmas[1])
    spread = before.runs[0].spread
    assert found.distance == pytest.approx(1e-3 * found.sigma / spread, rel=1e-2)
    assert found.share == found.end / found.own_error == found.measured
    assert 0 < found.share < 1


def test_other_versions_are_named(small, file):
    before = golden.open_golden(file)
    before.facts["versions"]["torch"] = "1.0"
    assert [one.name for one in golden.changed(before, small)] == ["torch"]


def test_a_sample_of_a_large_tensor_is_kept(small, monkeypatch):
    monkeypatch.setattr(golden, "NUMBERS", 100)
    made = finish(golden.record(small, [BASE.with_(model="small")]))
    (samples,) = made.samples.values()
    assert samples.shape == (4, 100)


def test_the_usual_set_has_one_sampler_of_each_kind(small):
    asked = golden.usual_experiments(small)
    assert [x.solver for x in asked] == list(golden.USUAL)
    assert {x.model for x in asked} == {"small"}


def changed_file(file, path, **changes):
    with safe_open(file, "pt") as opened:
        values = json.loads(opened.metadata()[golden.ENTRY])
    save_file(load_file(file), path, {golden.ENTRY: json.dumps({**values, **changes})})
    return path


def test_what_is_no_golden_file_is_refused(file, tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        finish(golden.record(None, []))
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(StoreError, match="damaged"):
        golden.open_golden(tmp_path / "a.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(StoreError, match="holds no golden runs"):
        golden.open_golden(tmp_path / "b.safetensors")
    for changes in ({"format": 2}, {"runs": [{}]}, {"runs": 3}):
        path = changed_file(file, tmp_path / "c.safetensors", **changes)
        with pytest.raises(StoreError, match="holds no golden runs"):
            golden.open_golden(path)
