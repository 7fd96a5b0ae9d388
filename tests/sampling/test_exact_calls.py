"""Exact runs share calls where every bit stays that of the run alone, and only there."""

import pytest
import torch
import torch.nn.functional as F
from diffusers.hooks import HookRegistry

import sdlab
from sdlab.models.model import Model
from sdlab.sampling import exact_calls
from sdlab.sampling.exact_calls import CHECKS, PAYS
from tests.conftest import make_pipeline

STEPS = CHECKS + PAYS + 2


@pytest.fixture(autouse=True)
def however_slow(monkeypatch):
    """Let no call be too long on a busy machine."""
    monkeypatch.setattr(exact_calls, "LONGEST", float("inf"))


def experiment(**fields):
    return sdlab.Experiment(prompt="a parrot", num_steps=STEPS, width=64, height=64, **fields)


WANTED = [
    experiment(solver="ddim", seed=1),
    experiment(solver="dpmpp_2m", seed=2, guidance_scale=1.0),
    experiment(solver="euler_ancestral", seed=3, negative_prompt="rain"),
]


@pytest.fixture
def own():
    """A model of which nothing has been found out."""
    return Model(make_pipeline(), "small")


@pytest.fixture
def calls(monkeypatch):
    """The rows of every call that goes through ``exact_calls``."""
    rows, evaluate = [], exact_calls.evaluate

    def spy(model, samples):
        rows.append([sample.rows for sample in samples])
        return evaluate(model, samples)

    monkeypatch.setattr(exact_calls, "evaluate", spy)
    return rows


def made(model, wanted):
    engine = sdlab.Engine(model, join=True)
    jobs = [engine.submit(one) for one in wanted]
    while engine.round():
        pass
    return [job.result for job in jobs]


def same(run, alone):
    assert run.tensors.keys() == alone.tensors.keys()
    equal = all(torch.equal(run.tensors[name], alone.tensors[name]) for name in alone.tensors)
    return equal and run.image.tobytes() == alone.image.tobytes()


@pytest.mark.parametrize("which", ["own", pytest.param("embedded", marks=pytest.mark.every)])
def test_they_have_the_bits_of_each_alone(which, calls, request):
    model = request.getfixturevalue(which)
    wanted = [one.with_(model=model.name) for one in WANTED]
    for run in made(model, wanted):
        assert same(run, sdlab.run(model, run.experiment))
        assert run.manifest["shared_calls"] == 0 and run.manifest["largest_call"] == 5
    first = [[2], [2], [1], [2, 2, 1]]  # alone, which is the answer, and together
    assert calls == first * CHECKS + [[2, 2, 1]] * (STEPS - 1 - CHECKS)


@pytest.mark.parametrize("width", [96, 384])
def test_what_sums_in_another_order_is_computed_run_by_run(width):
    x, weight = torch.randn(16, width), torch.randn(160, width)
    want = torch.cat([F.linear(part, weight) for part in x.split(2)])
    alike = {}
    with exact_calls._RunByRun([2] * 8, alike):
        first, second = (F.linear(x, weight) for _ in range(2))
        whole = F.linear(x[:6], weight)  # other rows than those of all runs: not theirs
    assert torch.equal(first, want) and torch.equal(second, want)
    assert list(alike.values()) == [torch.equal(F.linear(x, weight), want)]
    assert torch.equal(whole, F.linear(x[:6], weight))


def test_runs_whose_bits_do_not_last_are_left_alone(own, calls, monkeypatch):
    real = own.network.forward

    def mixing(*args, **kwargs):
        (out,) = real(*args, **kwargs)
        return (out + 1e-3 * out.mean() if len(out) > 2 else out,)

    monkeypatch.setattr(own.network, "forward", mixing)
    wanted = [one.with_(model=own.name) for one in WANTED]
    for run in made(own, wanted):
        assert same(run, sdlab.run(own, run.experiment))
    assert calls == [[2], [2], [1], [2, 2, 1]]


def test_a_network_that_keeps_something_is_left_alone(own, calls):
    HookRegistry.check_if_exists_or_initialize(own.network.down_blocks[0])  # as of a cache
    made(own, [one.with_(model=own.name) for one in WANTED])
    assert calls == []


def test_what_takes_long_is_left_alone(own, calls, monkeypatch):
    monkeypatch.setattr(exact_calls, "LONGEST", 0.0)
    made(own, [one.with_(model=own.name) for one in WANTED])
    assert calls == []


def test_an_exact_run_joins_none_that_mix(own, calls):
    engine = sdlab.Engine(own, join=True)
    wanted = [one.with_(model=own.name) for one in WANTED]
    jobs = [engine.submit(one, mix=one is not wanted[0]) for one in wanted]
    while engine.round():
        pass
    assert calls == [] and [job.shared for job in jobs] == [0, STEPS, STEPS]
    assert same(jobs[0].result, sdlab.run(own, wanted[0]))


def test_what_is_known_is_bounded(own, monkeypatch):
    monkeypatch.setattr(exact_calls, "KNOWN", 2)
    for number in range(2, 5):
        made(own, [WANTED[0].with_(seed=seed, model=own.name) for seed in range(number)])
    assert len(exact_calls._FOUND[own]) == 1
