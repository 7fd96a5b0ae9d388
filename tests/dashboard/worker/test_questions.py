"""Questions to the model: answered between network calls, and nothing is left of them."""

import gc
import threading
import time
import weakref

import pytest
import torch

import sdlab
from dashboard.worker.snapshots import ModelRequest
from dashboard.worker.task import BusyError, Priority
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from tests.dashboard.worker.waiting import ended, running, until

RUN = Experiment(prompt="a cat", seed=11, num_steps=16)


@pytest.fixture
def worker(make_worker):
    return make_worker()


def hidden_with_hook(model):
    """As a recorder does: a hook on a module of the shared model, gone afterwards."""
    encoder, seen = model.pipeline.text_encoder, []
    ids = torch.arange(77)[None] + 320
    handle = encoder.final_layer_norm.register_forward_hook(lambda m, a, out: seen.append(out))
    try:
        encoder(ids)
    finally:
        handle.remove()
    return seen[0].sum().item()


def hooks(model):
    return sum(len(m._forward_hooks) for m in model.pipeline.text_encoder.modules())


def test_the_answer_comes_from_the_workers_thread_without_gradients(worker):
    name, grad = worker.ask(
        lambda model: (threading.current_thread().name, torch.is_grad_enabled())
    )
    assert (name, grad) == ("sdlab-worker", False)


def test_a_question_before_the_first_page_wakes_the_worker(make_worker, monkeypatch):
    monkeypatch.setattr("dashboard.worker.scheduler.LONGEST_PAINT_SECONDS", 600)
    assert make_worker(after_page=True).ask(lambda model: model.name) == "embedded"


def test_a_question_wakes_an_idle_worker(make_worker, monkeypatch):
    monkeypatch.setattr("dashboard.worker.scheduler.IDLE_SECONDS", 600)
    worker = make_worker()
    worker.ask(lambda model: None)
    until(lambda: worker._catalogue.ready.is_set())
    for n in range(50):
        assert worker.ask(lambda model, n=n: n) == n


def test_a_run_is_bit_identical_with_questions_in_between(worker, embedded, tmp_path):
    alone = sdlab.run(Model(embedded.pipeline, "embedded"), RUN)
    run = worker.submit(RUN)
    running(worker, run)
    answers = [worker.ask(hidden_with_hook)]
    while worker.get(run).live:
        answers.append(worker.ask(hidden_with_hook))
    assert ended(worker, run).state == "done"
    assert len(answers) > 5 and len(set(answers)) == 1
    stored = sdlab.open_run(tmp_path / run)
    assert torch.equal(stored.latents, alone.latents)
    for name in ("x_t", "x0_pred"):
        assert torch.equal(getattr(stored.trace, name), getattr(alone.trace, name))
    assert hooks(embedded) == 0


def test_many_askers_get_their_own_answers(worker):
    got = {}

    def asking(n):
        got[n] = [worker.ask(lambda model, i=i: (n, i)) for i in range(10)]

    threads = [threading.Thread(target=asking, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == {n: [(n, i) for i in range(10)] for n in range(6)}


@pytest.mark.parametrize("error", [ValueError("prompt"), ZeroDivisionError(), SystemExit(3)])
def test_an_exception_is_the_askers_and_the_run_goes_on(worker, error):
    def broken(model):
        raise error

    run = worker.submit(RUN.with_(seed=12, num_steps=8))
    running(worker, run)
    with pytest.raises(type(error)):
        worker.ask(broken)
    assert ended(worker, run).state == "done"
    assert not worker.status().stopped and worker.ask(lambda model: 1) == 1


def test_a_timeout_of_the_functions_own_is_not_taken_for_ours(worker):
    def late(model):
        raise TimeoutError("the function's own")

    with pytest.raises(TimeoutError, match="the function's own"):
        worker.ask(late)


def test_memory_that_runs_out_is_explained(worker):
    def greedy(model):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(MemoryLimitError, match="not enough memory"):
        worker.ask(greedy)


def test_what_comes_too_late_is_never_computed(worker):
    worker.ask(lambda model: None)
    let_go, begun, computed = threading.Event(), threading.Event(), []

    def slow(model):
        begun.set()
        let_go.wait(30)
        return "slow"

    first = threading.Thread(target=lambda: computed.append(worker.ask(slow)))
    first.start()
    begun.wait(30)
    with pytest.raises(BusyError, match="did not find time within 0.05 s"):
        worker.ask(lambda model: computed.append("late"), timeout=0.05)
    assert len(worker._tasks.line(Priority.QUESTION)) == 0
    let_go.set()
    first.join(30)
    worker.ask(lambda model: None)
    assert computed == ["slow"]


def test_an_answer_that_takes_too_long_is_dropped_and_the_next_comes(worker):
    worker.ask(lambda model: None)
    with pytest.raises(BusyError, match="Try again"):
        worker.ask(lambda model: time.sleep(0.3), timeout=0.05)
    assert worker.ask(lambda model: "next") == "next"


def test_for_a_browser_that_is_gone_nothing_is_computed(make_worker):
    worker, computed = make_worker(connected=lambda session: session != "gone"), []
    assert worker.ask(lambda model: "here", session="here") == "here"
    with pytest.raises(BusyError, match="Nobody waits"):
        worker.ask(lambda model: computed.append(1), session="gone")
    assert not computed and len(worker._tasks.line(Priority.QUESTION)) == 0


def test_nothing_keeps_an_answered_question_alive(worker):
    class Held:
        pass

    def failing(model, held):
        raise ValueError("no")

    def asked():
        held = [Held(), Held()]
        worker.ask(lambda model: held[0])
        with pytest.raises(ValueError, match="no"):
            worker.ask(lambda model: failing(model, held[1]))
        return [weakref.ref(h) for h in held]

    gc.disable()
    try:
        refs = asked()
        worker.ask(lambda model: None)
        assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()


def test_a_question_about_another_model_is_refused(worker):
    worker.ask(lambda model: None)
    mine = worker.status().model.hash
    assert worker.ask(lambda model: model.hash, model_hash=mine) == mine
    with pytest.raises(ModelError, match="Another model"):
        worker.ask(lambda model: model.hash, model_hash="0" * 16)


def test_without_a_model_the_reason_is_told(make_worker):
    def load(source=None, **options):
        raise ModelError("the weights are damaged")

    with pytest.raises(ModelError, match="the weights are damaged"):
        make_worker(load).ask(lambda model: None)


def test_a_model_change_answers_from_the_new_one(worker):
    worker.models.load(ModelRequest("other"))
    until(lambda: (v := worker.status()).model and v.model.name == "other")
    assert worker.ask(lambda model: model.name) == "other"


def test_who_waits_when_the_worker_stops_is_told(make_worker):
    opened, told = threading.Event(), []

    def load(source=None, **options):
        opened.wait(30)
        raise ModelError("too late")

    worker = make_worker(load)

    def asking():
        try:
            worker.ask(lambda model: None)
        except (BusyError, ModelError) as error:
            told.append(str(error))

    thread = threading.Thread(target=asking)
    thread.start()
    until(lambda: len(worker._tasks.line(Priority.QUESTION)))
    worker.stop(timeout=0.1)
    opened.set()
    thread.join(30)
    assert told == ["The worker has ended: restart the server."]
    with pytest.raises(BusyError, match="has ended"):
        worker.ask(lambda model: None)
