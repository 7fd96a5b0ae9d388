"""Where memory runs out the engine makes smaller calls, lets runs wait, or says what to lower."""

import pytest
import torch

import sdlab
from sdlab.models import memory
from sdlab.sampling import engine as engine_module
from tests.sampling.test_engine import experiment, finish


def test_out_of_memory_lowers_the_cap_and_goes_on(small, monkeypatch):
    evaluate, sizes = engine_module.evaluate, []

    def tight(model, samples):
        sizes.append(len(samples))
        if len(samples) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return evaluate(model, samples)

    monkeypatch.setattr(engine_module, "evaluate", tight)
    engine = sdlab.Engine(small, mix=True)
    jobs = [engine.submit(experiment(seed=s, guidance_scale=1.0)) for s in range(4)]
    finish(engine)
    assert all(job.state == "done" for job in jobs)
    assert sizes[0] == 4
    assert max(sizes[1:]) == 2


def test_a_failed_call_is_let_go_before_the_retry(small, monkeypatch):
    """What the failed call held must be free when its halves are tried, or they fail as well."""
    import weakref

    evaluate, held, alive = engine_module.evaluate, [], []

    def tight(model, samples):
        alive.append(any(reference() is not None for reference in held))
        if len(samples) > 1:
            activations = torch.zeros(1000)
            held.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return evaluate(model, samples)

    monkeypatch.setattr(engine_module, "evaluate", tight)
    engine = sdlab.Engine(small, mix=True)
    jobs = [engine.submit(experiment(seed=s, guidance_scale=1.0)) for s in range(2)]
    finish(engine)
    assert all(job.state == "done" for job in jobs)
    assert not any(alive)


@pytest.mark.parametrize("place", ["encode_prompt", "decode_with_notes", "preview_of_the_solver"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_memory_running_out_anywhere_says_what_to_lower(small, monkeypatch, place, error):
    def full(*args, **kwargs):
        raise error

    if place == "preview_of_the_solver":
        monkeypatch.setattr("sdlab.tracing.recorder.Recorder.add", full)
    else:
        monkeypatch.setattr(type(small), place, full)
    with pytest.raises(sdlab.MemoryLimitError, match="128x128 pixels. Lower width or height"):
        sdlab.run(small, experiment())


def test_out_of_memory_alone_says_what_to_lower(small, monkeypatch):
    def full(model, samples):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "evaluate", full)
        with pytest.raises(sdlab.MemoryLimitError, match="128x128 pixels. Lower width or height"):
            sdlab.run(small, experiment())
    assert sdlab.run(small, experiment()).image.size == (128, 128)


def test_records_that_do_not_fit_together_wait(small, monkeypatch):
    engine = sdlab.Engine(small, mix=True)
    first, second = (engine.submit(experiment(seed=s)) for s in range(2))
    room = (1.5 * first.plan.record_bytes + first.plan.activation_bytes) / memory.USABLE
    monkeypatch.setattr(memory, "available_bytes", lambda device: room)
    assert engine.next_to_start() is first
    engine.round()
    assert engine.next_to_start() is None  # so that another model's runs get its turn
    assert (first.state, second.state) == ("running", "queued")
    finish(engine)
    assert (first.state, second.state) == ("done", "done")
