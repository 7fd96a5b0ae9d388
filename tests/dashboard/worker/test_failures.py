"""What fails in the worker costs its own run alone, whatever it is."""

import threading

import pytest

import sdlab
from dashboard.worker.limits import LimitError, Limits
from dashboard.worker.snapshots import ModelRequest
from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.runs.run import Run
from tests.dashboard.worker.waiting import LONG, SHORT, ended, running, until
from tests.runs.conftest import file_limit


def test_what_is_invalid_fails_alone(make_worker):
    worker = make_worker()
    good, bad = worker.submit(SHORT), worker.submit(SHORT.with_(solver="huen"))
    view = ended(worker, bad)
    assert view.state == "failed" and "Did you mean 'heun'" in view.error
    assert ended(worker, good).state == "done"


def test_what_failed_is_asked_for_again_as_it_was(make_worker):
    worker = make_worker()
    wrong = SHORT.with_(solver="huen")
    run = worker.submit(wrong, frames=False, mix=True)
    ended(worker, run)
    worker.stop()
    worker = make_worker(after_page=True)  # so that it waits
    assert worker.get(run).state == "failed"
    worker.asked_runs.again([wrong, SHORT])
    found = [worker.known_runs.find(one.id) for one in (wrong, SHORT)]
    assert [(task.live, task.frames, task.mix) for task in found] == [
        (True, False, True),
        (True, True, False),
    ]


def test_ones_own_failed_runs_are_asked_for_again_all_or_none(make_worker):
    worker = make_worker(limits=Limits(queued_runs=2), operator={"olga"}.__contains__)
    wrong = [SHORT.with_(solver="huen", seed=seed) for seed in range(4)]
    for asked, who in zip(wrong, ("anna", "eve", "eve", "eve"), strict=True):
        ended(worker, worker.submit(asked, owner=who))
    known = worker.known_runs
    assert [run.id for run in known.broken_off(None)] == [asked.id for asked in wrong]
    assert [run.id for run in known.broken_off("eve")] == [asked.id for asked in wrong[1:]]
    with pytest.raises(LimitError, match="Here are 3 runs"):
        worker.asked_runs.again(wrong[1:], "eve")
    assert not known.live() and len(known.broken_off("eve")) == 3
    worker.asked_runs.again(wrong[1:3], "eve")
    assert worker.owned.owners("run", wrong[0].id) == ("anna",)


def test_a_full_disk_fails_that_run_and_loses_nothing(make_worker, monkeypatch, tmp_path):
    save, full = Run.save, {SHORT.id}

    def saving(run, folder):
        if run.id in full:
            raise StoreError("No space left on the disk: 0 bytes free.")
        return save(run, folder)

    monkeypatch.setattr(Run, "save", saving)
    worker = make_worker()
    run, other = worker.submit(SHORT), worker.submit(SHORT.with_(seed=9))
    view = ended(worker, run)
    assert view.state == "failed" and view.unsaved and view.preview
    assert "could not be saved" in view.error and "No space left" in view.error
    assert ended(worker, other).state == "done"
    assert not (tmp_path / run).exists()
    full.clear()
    worker.asked_runs.save_again(run)
    until(lambda: worker.get(run).state == "done")
    assert sdlab.open_run(tmp_path / run).experiment == SHORT


def test_what_a_full_disk_refused_is_saved_when_there_is_room(make_worker, tmp_path):
    worker = make_worker()
    worker._saving.pause = 0.1
    with file_limit(1000):
        run = worker.submit(SHORT)
        assert ended(worker, run).unsaved
        assert "No room to save" in worker.get(run).error
    until(lambda: worker.get(run).state == "done")
    assert sdlab.open_run(tmp_path / run).experiment == SHORT


def test_out_of_memory_says_what_to_lower_and_the_next_runs(make_worker, monkeypatch):
    import torch

    from sdlab.sampling import engine

    evaluate = engine.evaluate

    def evaluating(model, samples):
        if any(s.x_t.shape[-1] == 24 for s in samples):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return evaluate(model, samples)

    monkeypatch.setattr(engine, "evaluate", evaluating)
    worker = make_worker()
    large, small = worker.submit(SHORT.with_(width=192, height=192)), worker.submit(SHORT)
    view = ended(worker, large)
    assert view.state == "failed" and "Lower width or height" in view.error
    assert ended(worker, small).state == "done"


def test_a_defect_in_a_round_does_not_end_the_worker(make_worker, monkeypatch):
    from sdlab.sampling.engine import Engine

    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    monkeypatch.setattr(Engine, "round", lambda self: 1 / 0)
    assert "ZeroDivisionError" in ended(worker, run).error
    monkeypatch.undo()
    assert ended(worker, worker.submit(SHORT)).state == "done"


def test_a_preview_that_fails_costs_only_the_preview(make_worker, monkeypatch):
    def full(latents):
        raise RuntimeError("CUDA error: out of memory")

    worker = make_worker()
    until(lambda: worker.status().model)
    monkeypatch.setattr(worker._held.current, "picture", full)
    run = worker.submit(Experiment(prompt="a cat", seed=21, num_steps=12))
    worker.touch(run, "one")
    assert ended(worker, run).state == "done"
    assert not worker.status().stopped


def test_a_defect_elsewhere_lets_the_runs_in_flight_begin_anew(make_worker, monkeypatch):
    worker = make_worker()
    run = worker.submit(SHORT.with_(num_steps=40))
    running(worker, run)
    held, defects = worker._scheduler.held, [ZeroDivisionError, SystemExit]
    at_hand = held.at_hand

    def breaking():
        if defects:
            raise defects.pop()
        return at_hand()

    monkeypatch.setattr(held, "at_hand", breaking)
    until(lambda: worker.measures.restarts == 2)
    assert ended(worker, run).state == "done"
    assert worker.health().well and worker.health().restarts == 2


def test_a_sampler_that_breaks_the_worker_twice_is_set_aside_and_others_are_made(
    make_worker, monkeypatch
):
    from itertools import pairwise

    from sdlab.solvers import registry

    monkeypatch.setattr(registry, "_SOLVERS", dict(registry.solvers()))
    tries = []

    @sdlab.solver("breaker")
    def breaker(x, sigmas, noise):
        for number, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
            x0_pred = yield x, sigma
            if number == 2 and len(sigmas) == 6 and x.shape[1] == 4:
                tries.append(number)
                raise KeyboardInterrupt
            x = x0_pred + (x - x0_pred) * sigma_next / sigma
        return x

    worker = make_worker()
    breaks = worker.submit(SHORT.with_(solver="breaker", num_steps=5))
    other = worker.submit(SHORT.with_(seed=5, num_steps=6))
    said = ended(worker, breaks).error
    assert "KeyboardInterrupt" in said and "broke 2 times" in said and "evaluation 3" in said
    assert len(tries) == 2
    assert ended(worker, other).state == "done"
    worker.submit(SHORT.with_(solver="breaker", num_steps=5))  # by hand: once more
    assert "broke 3 times" in until(lambda: worker.get(breaks).error)
    assert len(tries) == 3


@pytest.mark.parametrize(
    "error", [SystemExit, pytest.param(KeyboardInterrupt, marks=pytest.mark.every)]
)
def test_a_thread_that_is_ended_is_started_anew_and_makes_what_was_left(make_worker, error):
    import ctypes

    worker = make_worker()
    run = worker.submit(SHORT.with_(num_steps=40))
    running(worker, run)
    thread = worker._scheduler.life.thread
    number = ctypes.c_ulong(thread.ident)
    with worker._tasks.lock:  # so it is thrown while the thread waits for the lock, in its turn
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(error))
    until(lambda: worker.measures.restarts or not worker.get(run).live)
    assert ended(worker, worker.submit(SHORT)).state == "done"
    assert not worker.status().stopped and worker.health().well


@pytest.mark.parametrize("error", [OSError("disk gone"), SystemExit(3), KeyboardInterrupt()])
def test_a_run_whose_start_fails_has_failed_and_the_next_runs(make_worker, monkeypatch, error):
    def fails(runs, run):
        if threading.current_thread() is worker._scheduler.life.thread:
            raise error
        return None

    worker = make_worker()
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.worker.runs_in_flight.stored_facts", fails)
        run = worker.submit(SHORT)
        view = ended(worker, run)
        assert view.state == "failed" and type(error).__name__ in view.error
        assert worker.cancel(run, "me") == "ended"
    assert ended(worker, worker.submit(SHORT)).state == "done"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_would_end_a_program_does_not_end_the_worker(make_worker, monkeypatch, error):
    def fails(*args):
        raise error

    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    with monkeypatch.context() as patch:
        patch.setattr(worker._tasks, "step", fails)
        assert ended(worker, run).state == "failed"
    assert ended(worker, worker.submit(SHORT)).state == "done"
    assert not worker.status().stopped


def test_a_sampler_that_quits_ends_its_own_run_only(make_worker, monkeypatch):
    from itertools import pairwise

    from sdlab.solvers import registry

    monkeypatch.setattr(registry, "_SOLVERS", dict(registry.solvers()))
    armed = threading.Event()

    @sdlab.solver("quitter")
    def quitter(x, sigmas, noise):
        for sigma, sigma_next in pairwise(sigmas):
            x0_pred = yield x, sigma
            if armed.is_set():
                raise SystemExit(3)
            x = x0_pred + (x - x0_pred) * sigma_next / sigma
        return x

    worker = make_worker()
    other, run = worker.submit(LONG), worker.submit(LONG.with_(solver="quitter"))
    running(worker, other)
    running(worker, run)
    armed.set()
    view = ended(worker, run)
    assert view.state == "failed" and "quitter asked the program to end" in view.error
    before = worker.get(other).done
    until(lambda: worker.get(other).done > before + 1)
    assert worker.get(other).state == "running"


def test_what_is_asked_of_an_ended_worker_has_failed(make_worker):
    worker = make_worker()
    worker.stop()
    view = worker.get(worker.submit(SHORT))
    assert view.state == "failed" and "restart the server" in view.error
    assert not worker.models.load(ModelRequest("embedded"))
    assert worker.status().stopped and worker.status().queued == 0


def test_a_picture_that_could_not_be_saved_is_not_thrown_away(make_worker, monkeypatch):
    def full(run, folder):
        raise StoreError("No space left on device")

    worker = make_worker()
    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", full)
        run = worker.submit(SHORT)
        assert ended(worker, run).unsaved
        assert worker.submit(SHORT) == run
        assert worker.get(run).unsaved
    worker.asked_runs.save_again(run)
    until(lambda: worker.get(run).state == "done")
