"""Long computations in the worker: shared by key, cancelled, failed, let go."""

import time

import pytest

from dashboard.shell.messages import sentence
from dashboard.worker.task import Priority, changed
from dashboard.worker.tasks import KEPT, Tasks


def counting(total, seen=None):
    def make(model):
        for done in range(1, total + 1):
            if seen is not None:
                seen.append(done)
            yield done, total
        return f"{model} {total}"

    return make


@pytest.fixture
def gone():
    return set()


@pytest.fixture
def studies(gone):
    return Tasks(sentence, lambda session: session not in gone)


def run_out(studies, model="model", model_hash="h"):
    for _ in range(1000):
        if not studies.step(Priority.STUDY, lambda meant: (model, model_hash, "no model")):
            return
    raise AssertionError("the studies do not end")


def test_a_study_reports_and_leaves_its_result(studies):
    studies.study("a", counting(3), "h", "s")
    assert studies.step(Priority.STUDY, lambda meant: ("model", "h", ""))
    assert (studies.get("a").done, studies.get("a").total) == (1, 3)
    run_out(studies)
    assert (studies.get("a").state, studies.get("a").result) == ("done", "model 3")
    assert not studies.step(Priority.STUDY, lambda meant: ("model", "h", ""))


def test_what_stores_its_result_goes_on_unwatched_and_is_then_forgotten(studies, gone):
    studies.study("a", counting(3), "h", "s", stored=True)
    gone.add("s")
    task = studies.find("a")
    assert task.grace is None
    run_out(studies)
    assert studies.get("a") is None and task.snapshot.state == "done"


def test_two_studies_take_turns(studies):
    seen = []
    studies.study("a", counting(2, seen), "h", "s")
    studies.study("b", counting(2, seen), "h", "s")
    run_out(studies)
    assert seen == [1, 1, 2, 2]


def test_the_same_key_is_computed_once(studies):
    seen = []
    for _ in range(2):
        studies.study("a", counting(3, seen), "h", "s")
    run_out(studies)
    studies.study("a", counting(3, seen), "h", "s")
    run_out(studies)
    assert seen == [1, 2, 3]


def test_cancel_closes_the_generator(studies):
    closed = []

    def make(model):
        try:
            yield 1, 9
        finally:
            closed.append(True)

    studies.study("a", make, "h", "s")
    studies.step(Priority.STUDY, lambda meant: ("model", "h", ""))
    assert studies.cancel("a", "s") == "cancelled"
    run_out(studies)
    assert studies.get("a").state == "cancelled" and closed == [True]
    studies.study("a", counting(1), "h", "s")
    run_out(studies)
    assert studies.get("a").state == "done"


def test_who_leaves_while_another_waits_ends_nothing(studies):
    studies.study("a", counting(2), "h", "s")
    studies.study("a", counting(2), "h", "t")
    assert studies.cancel("a", "s") == "left"
    run_out(studies)
    assert studies.get("a").state == "done"


def test_nobody_left_ends_it(studies, gone, monkeypatch):
    monkeypatch.setattr("dashboard.worker.tasks.GRACE_SECONDS", -1.0)
    studies.study("a", counting(2), "h", "s")
    gone.add("s")
    run_out(studies)
    assert studies.get("a").state == "cancelled"


def test_a_reload_within_the_grace_goes_on(studies, gone):
    studies.study("a", counting(2), "h", "s")
    gone.add("s")
    run_out(studies)
    assert studies.get("a").state == "done"


def test_what_it_raises_is_told(studies):
    def make(model):
        yield 1, 2
        raise ValueError("eta must be from 0 to 1, got 7.")

    studies.study("a", make, "h", "s")
    run_out(studies)
    assert studies.get("a").state == "failed" and "got 7" in studies.get("a").error


def test_another_model_or_none_ends_it(studies):
    studies.study("a", counting(2), "h", "s")
    run_out(studies, model_hash="other")
    assert studies.get("a").error == changed("start")
    studies.study("b", counting(2), "h", "s")
    run_out(studies, model=None, model_hash="")
    assert studies.get("b").error == "no model"


def test_letting_go_and_closing(studies):
    studies.study("a", counting(2), "h", "s")
    assert studies.studies("h") and not studies.studies("another")
    studies.let_go()
    assert studies.get("a").live, "the model stays for it"
    studies.close()
    studies.study("b", counting(2), "h", "s")
    assert "restart the server" in studies.get("b").error


def test_old_results_are_forgotten(studies):
    for number in range(KEPT[Priority.STUDY] + 5):
        studies.study(str(number), counting(1), "h", "s")
        run_out(studies)
    assert studies.get("0") is None and studies.get(str(KEPT[Priority.STUDY] + 4)) is not None


def test_in_the_worker_beside_a_run(runs_folder):
    """The real worker: a study and a run go on side by side."""
    from dashboard.shell.lab import lab
    from sdlab.ddim.settings import DdimSettings
    from sdlab.ddim.study import there_and_back
    from sdlab.experiment.experiment import Experiment

    shape = lab().ask(lambda model: (1, model.latent_channels, 8, 8))
    model_hash = lab().status().model.hash

    def make(model):
        import torch

        return there_and_back(model, torch.zeros(shape), DdimSettings(num_steps=6, method="naive"))

    run = lab().submit(Experiment(prompt="beside a study", num_steps=6))
    lab().study("beside", make, model_hash, "nobody")
    end = time.monotonic() + 240
    while lab().get("beside").live or lab().get(run).live:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert lab().get("beside").state == "done"
    assert lab().get(run).state == "done"
