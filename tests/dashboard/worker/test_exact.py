"""What is made beside other runs has the bits of the run alone, unless sharing was allowed."""

import threading

import pytest
import torch

import sdlab
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.record import Record
from sdlab.runs.manifest import is_exact, was_shared
from sdlab.sampling import exact_calls
from tests.dashboard.conftest import again
from tests.dashboard.worker.waiting import SHORT, ended, until

TINY = SHORT.with_(width=64, height=64, num_steps=3)
ALL = Record(tensors=("x_t", "x0_pred", "output_cond", "output_uncond"))
EIGHT = (
    TINY.with_(solver="ddim", record=ALL),
    TINY.with_(solver="heun", seed=2, prompt="a red car", record=ALL),
    TINY.with_(solver="euler_ancestral", seed=3, eta=0.7, negative_prompt="rain"),
    TINY.with_(solver="dpmpp_2m", seed=4, guidance_scale=1.0),
    TINY.with_(solver="EulerDiscreteScheduler", seed=5, guidance_rescale=0.5),
    TINY.with_(seed=6, record=Record(attention=AttentionRecord(dtype="float32"))),
    TINY.with_(seed=7, width=96),
    TINY.with_(seed=8, fast=True),
)


@pytest.fixture
def at_once(make_worker, model):
    """Asks a worker for runs that all wait until it has its model; returns it once they ended."""

    def asked(experiments, **how):
        begin = threading.Event()

        def load(source=None, **options):
            begin.wait(60)
            return again(model, source)

        worker = make_worker(load)
        for experiment in experiments:
            worker.touch(worker.submit(experiment, **how), "who watches")
        begin.set()
        for experiment in experiments:
            assert ended(worker, experiment.id).state == "done"
        until(lambda: not any(worker.frames.busy_with(x.id) for x in experiments))
        return worker

    return asked


def same(stored, run):
    """Whether two runs have the same bits in all that was recorded."""
    named = stored.tensors.keys() == run.tensors.keys()
    tensors = all(torch.equal(stored.tensors[name], run.tensors[name]) for name in run.tensors)
    return named and tensors and stored.image.tobytes() == run.image.tobytes()


def test_eight_at_once_have_the_bits_of_each_alone(at_once, model, tmp_path, monkeypatch):
    monkeypatch.setattr(exact_calls, "LONGEST", float("inf"))
    monkeypatch.setattr(exact_calls, "PAYS", 0)
    monkeypatch.setattr(exact_calls, "CHECKS", 1)
    at_once(EIGHT)
    assert max(sdlab.open_run(tmp_path / x.id).manifest["largest_call"] for x in EIGHT) > 2
    for experiment in EIGHT:
        stored, alone = sdlab.open_run(tmp_path / experiment.id), sdlab.run(model, experiment)
        assert is_exact(stored.manifest)
        assert same(stored, alone), experiment.solver
        assert stored.trace.has_attention == (experiment is EIGHT[5])
    stored, alone = sdlab.open_run(tmp_path / EIGHT[5].id), sdlab.run(model, EIGHT[5])
    assert stored.attention.equals(alone.attention)


def test_an_exact_run_takes_the_place_of_a_shared_one_and_keeps_it(at_once, model, tmp_path):
    asked = [TINY.with_(seed=seed) for seed in range(2)]
    worker = at_once(asked, mix=True)
    shared = sdlab.open_run(tmp_path / asked[0].id)
    assert was_shared(shared.manifest) and shared.manifest["shared_calls"] == 3
    worker.submit(asked[0], mix=True)
    assert worker.get(asked[0].id) is None  # stored: not made again
    worker.submit(asked[0])
    assert ended(worker, asked[0].id).state == "done"
    exact = sdlab.open_run(tmp_path / asked[0].id)
    assert is_exact(exact.manifest) and same(exact, sdlab.run(model, asked[0]))
    worker.submit(asked[0], mix=True)
    assert worker.get(asked[0].id) is None
    assert sdlab.open_run(tmp_path / asked[0].id).manifest == exact.manifest


def test_a_run_of_which_nothing_is_recorded_is_made_again(at_once, tmp_path):
    worker = at_once([TINY])
    manifest = tmp_path / TINY.id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"shared_calls"', '"other"'))
    worker.submit(TINY, mix=True)
    assert worker.get(TINY.id) is None
    worker.submit(TINY)
    assert ended(worker, TINY.id).state == "done"
    assert is_exact(sdlab.open_run(tmp_path / TINY.id).manifest)


@pytest.mark.every
def test_who_asks_exactly_for_a_run_in_shared_calls_gets_it(make_worker, model, tmp_path):
    worker = make_worker()
    first, other = (TINY.with_(seed=seed, num_steps=20) for seed in range(2))
    for experiment in (first, other):
        worker.submit(experiment, mix=True)
    until(lambda: (v := worker.get(first.id)) and v.done > 2)
    assert worker.submit(first) == first.id
    assert ended(worker, first.id).state == "done"
    assert ended(worker, other.id).state == "done"
    stored = sdlab.open_run(tmp_path / first.id)
    assert is_exact(stored.manifest) and same(stored, sdlab.run(model, first))
    assert was_shared(sdlab.open_run(tmp_path / other.id).manifest)
