"""Long calls pause for others: nothing computed or recorded changes, and nothing is left."""

import pandas as pd
import pytest
import torch

import sdlab
from sdlab.errors import SdlabError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.record import Record
from sdlab.models import memory
from sdlab.models.model import Model
from sdlab.pauses import going_on, under_way
from sdlab.sampling import sliced_attention
from sdlab.sampling.engine import Engine
from sdlab.sampling.long_calls import _kind
from sdlab.sampling.pausable import layers_of
from sdlab.sampling.sliced_attention import sliced
from sdlab.tracing.recorder import Timer
from tests import flow

READ = Record(attention=AttentionRecord())


def asked(seed, **fields):
    fields = {"width": 32, "height": 32, "num_steps": 2, "record": READ, **fields}
    return sdlab.Experiment(prompt="a red car", seed=seed, **fields)


def hooks(model):
    modules = [module for part in model.parts.values() for module in part.modules()]
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in modules)


class Alternating:
    """An engine in which every few layers another run goes first."""

    def __init__(self, model, every=5):
        self.engine, self.asked, self.most, self._turn = Engine(model), 0, 0, {}
        self._every = every
        self.engine.long.pause = self.pause
        self.engine.order = lambda job: self._turn.get(job, 0)

    def pause(self, job):
        assert under_way() is not None
        self.asked += 1
        return self.asked % self._every == 0

    def rounds(self):
        number = 0
        while self.engine.round():
            number += 1
            self.most = max(self.most, len(self.engine.long._paused))
            self._turn |= dict.fromkeys(self.engine.latest, number)
            assert under_way() is None and not torch.is_inference_mode_enabled()
            yield number


def same(run, alone):
    assert torch.equal(run.latents, alone.latents)
    assert run.image.tobytes() == alone.image.tobytes()
    for name in alone.trace.names():
        assert torch.equal(getattr(run.trace, name), getattr(alone.trace, name)), name
    for name in ("steps", "channels", "attention"):
        tables = (getattr(one, name).drop(columns="ms", errors="ignore") for one in (run, alone))
        pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.parametrize("kind", ["plain", "pipeline"])
def test_runs_that_pause_for_each_other_are_the_same_bit_for_bit(small, kind):
    """Every kind of job; of pipelines also the decoding, in the midst of their own code."""
    model = small if kind == "plain" else Model(flow.sd3(), "flow")
    wanted = [asked(seed, num_steps=1 + seed) for seed in range(2)]
    alone = [sdlab.run(model, one) for one in wanted]
    before, grad = hooks(model), torch.is_grad_enabled()
    turns = Alternating(model)
    jobs = [turns.engine.submit(one) for one in wanted]
    count = len(list(turns.rounds()))
    assert turns.most > 1 and count > 3 * sum(job.nfe for job in jobs)
    for job, one in zip(jobs, alone, strict=True):
        assert job.error is None
        same(job.result, one)
    assert hooks(model) == before and torch.is_grad_enabled() == grad


@pytest.mark.parametrize(("free", "most"), [(2**40, 6), (0, 2)])
def test_as_many_pause_as_there_is_memory_for(small, monkeypatch, free, most):
    """Memory is asked for as a call pauses: the second one begins before there is none."""
    turns = Alternating(small, every=1)
    jobs = [turns.engine.submit(asked(seed, num_steps=1)) for seed in range(6)]
    rounds = turns.rounds()
    next(rounds)
    monkeypatch.setattr(memory, "available_bytes", lambda device: free)
    list(rounds)
    assert turns.most == most
    assert all(job.state == "done" for job in jobs)


def test_of_equal_calls_the_least_time_counts(small):
    """Other threads make a call longer; one that is quick stays so."""
    turns = Alternating(small)
    job = turns.engine.submit(asked(0, num_steps=4))
    next(turns.rounds())
    kind = _kind(job)
    turns.engine.long._seconds[kind] = 1e-9
    list(turns.rounds())
    assert turns.engine.long._seconds[kind] == 1e-9


@pytest.mark.parametrize("kind", ["plain", "pipeline"])
def test_a_run_cancelled_in_a_pause_leaves_nothing_behind(small, kind):
    model = small if kind == "plain" else Model(flow.sd3(), "flow")
    alone = sdlab.run(model, asked(1))
    before, turns = hooks(model), Alternating(model)
    gone, other = turns.engine.submit(asked(0)), turns.engine.submit(asked(1))
    for _ in turns.rounds():
        if turns.engine.long.has_paused(gone):
            gone.cancel()
    assert gone.state == "cancelled" and not turns.engine.long.has_paused(gone)
    same(other.result, alone)
    assert hooks(model) == before


def test_an_error_after_a_pause_is_its_own_runs(small, monkeypatch):
    before, turns = hooks(small), Alternating(small)
    bad, good = turns.engine.submit(asked(0)), turns.engine.submit(asked(1))
    monkeypatch.setattr(bad, "take", lambda *given: (_ for _ in ()).throw(SdlabError("broken")))
    list(turns.rounds())
    assert bad.state == "failed" and "broken" in str(bad.error)
    assert good.state == "done" and hooks(small) == before


def test_a_call_without_memory_goes_on_once_what_pauses_is_through(small, monkeypatch):
    turns = Alternating(small)
    first, second = turns.engine.submit(asked(0)), turns.engine.submit(asked(1))
    outputs, refused = Engine._outputs, []

    def scarce(engine, batch, timer):
        if batch[0] is second and engine.long.has_paused(first):
            refused.append(second.evaluation)
            raise torch.OutOfMemoryError("out of memory")
        return outputs(engine, batch, timer)

    monkeypatch.setattr(Engine, "_outputs", scarce)
    list(turns.rounds())
    assert refused and first.state == second.state == "done"


def test_an_engine_that_is_closed_in_a_pause_leaves_nothing_behind(small):
    before, turns = hooks(small), Alternating(small)
    turns.engine.submit(asked(0))
    next(turns.rounds())
    assert hooks(small) > before
    turns.engine.close()
    assert hooks(small) == before


def test_a_call_that_is_known_to_be_quick_is_made_in_one_piece(small):
    turns = Alternating(small, every=1)
    turns.engine.long.quick = 1e6
    job = turns.engine.submit(asked(0, num_steps=5))
    list(turns.rounds())
    once = len(layers_of(small.network)) + len(layers_of(small.pipeline.vae))
    assert job.state == "done" and 0 < turns.asked < 2 * once  # the first of each kind alone


def test_timers_leave_out_what_others_took():
    timer = Timer(torch.device("cpu"))
    with going_on(timer, 0.0):
        timer.__enter__()
    with going_on(timer, 3600.0):
        timer.__exit__()
    assert timer.ms < 0  # an hour of pauses, of which nothing passed here


def test_a_network_that_others_have_hooked_stays_whole(small):
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.SiLU())
    assert len(layers_of(network)) == 2
    network[0]._hf_hook = object()
    assert layers_of(network) == []
    assert layers_of(None) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("rows", "heads", "places", "keys", "width"), [(2, 2, 2304, 2304, 16), (1, 3, 2600, 77, 40)]
)
def test_attention_in_slices_is_the_same_bit_for_bit(dtype, rows, heads, places, keys, width):
    def made(length):
        flat = torch.randn(rows, length, heads * width).to(dtype)
        return flat.view(rows, length, heads, width).transpose(1, 2)

    q, k, v = made(places), made(keys), made(keys)
    whole, paused = torch.nn.functional.scaled_dot_product_attention(q, k, v), []
    found = sliced(q, k, v, None, 1024, lambda: paused.append(1))
    assert torch.equal(found, whole) and found.stride() == whole.stride()
    assert len(paused) == rows * heads * 2  # the rest of a block belongs to the last slice


def test_a_large_pictures_attention_pauses_between_its_slices(small, monkeypatch):
    monkeypatch.setattr(sliced_attention, "LARGE", 1)
    monkeypatch.setattr(sliced_attention, "slice_size", lambda: 768)
    wanted = asked(0, num_steps=1, width=320, height=320)
    alone = sdlab.run(small, wanted)
    turns = Alternating(small, every=1)
    inside = []
    monkeypatch.setattr(
        sliced_attention, "sliced", lambda *given: inside.append(1) or sliced(*given)
    )
    job = turns.engine.submit(wanted)
    list(turns.rounds())
    assert inside, "no attention was large enough"
    same(job.result, alone)
    assert not torch._C._len_torch_function_stack()
