"""Tasks of every kind: whose turn it is, one cancel, and what ends with the model or the worker."""

import pytest

from dashboard.shell.messages import sentence
from dashboard.worker.run_task import RunTask
from dashboard.worker.snapshots import RunSnapshot, Snapshot
from dashboard.worker.task import NO_MODEL, Priority, Task, once
from dashboard.worker.tasks import Tasks
from sdlab.experiment.experiment import Experiment


def here(meant):
    """The model for any hash."""
    return "model", "h", ""


@pytest.fixture
def tasks():
    return Tasks(sentence)


def counting(id, seen, priority, total=3):
    def make(model):
        for done in range(1, total + 1):
            seen.append(id)
            yield done, total

    return Task(Snapshot(id), priority, make, sentence)


@pytest.mark.parametrize("priority", Priority)
def test_one_cancel_for_every_kind(tasks, priority):
    seen = []
    tasks.begin(counting("a", seen, priority), "me")
    tasks.begin(counting("a", seen, priority), "you")
    assert tasks.get("a").shared == 2
    assert tasks.cancel("a", "me") == "left" and tasks.get("a").shared == 1
    tasks.step(priority, here)
    assert tasks.cancel("a", "you") == "cancelled" and tasks.get("a").live
    tasks.step(priority, here)
    assert tasks.get("a").state == "cancelled" and seen == ["a"]
    assert tasks.cancel("a", "you") == tasks.cancel("unknown", "you") == "ended"


def test_what_was_cancelled_is_begun_anew_not_joined(tasks):
    seen = []
    tasks.begin(counting("a", seen, Priority.STUDY), "me")
    tasks.cancel("a", "me")
    tasks.begin(counting("a", seen, Priority.STUDY), "you")
    while tasks.step(Priority.STUDY, here):
        pass
    assert tasks.get("a").state == "done" and seen == ["a"] * 3


@pytest.mark.parametrize(
    ("priority", "order"), [(Priority.STUDY, "ababab"), (Priority.PAINTING, "bbbaaa")]
)
def test_studies_take_turns_and_the_latest_painting_comes_first(tasks, priority, order):
    seen = []
    for id in "ab":
        tasks.begin(counting(id, seen, priority))
    while tasks.step(priority, here):
        pass
    assert "".join(seen) == order


def test_a_task_may_go_on_at_another_priority(tasks):
    def make(model):
        task.priority = Priority.PAINTING
        yield 1, 2

    task = Task(Snapshot("frames"), Priority.SKETCH, make)
    tasks.begin(task)
    assert tasks.step(Priority.SKETCH, here) and not tasks.step(Priority.SKETCH, here)
    assert tasks.line(Priority.PAINTING) == [task]


def test_with_a_model_goes_what_holds_it_but_a_study(tasks):
    seen = []
    kinds = (Priority.STUDY, Priority.SKETCH, Priority.PAINTING, Priority.CATALOGUE)
    for priority in kinds:
        tasks.begin(counting(priority.name, seen, priority))
    tasks.step(Priority.PAINTING, here)
    tasks.let_go()
    states = {priority.name: tasks.get(priority.name).state for priority in kinds}
    assert states == {
        "STUDY": "queued", "SKETCH": "queued", "PAINTING": "cancelled", "CATALOGUE": "queued"
    }  # fmt: skip


def test_a_task_that_needs_no_model_does_without(tasks):
    seen = []
    for id, model_hash in (("any", None), ("none", NO_MODEL), ("mine", "h")):
        task = counting(id, seen, Priority.QUESTION, total=1)
        task.model_hash = model_hash
        tasks.begin(task)
    while tasks.step(Priority.QUESTION, lambda meant: (None, "", "the weights are damaged")):
        pass
    assert tasks.get("any").error == tasks.get("mine").error == "the weights are damaged"
    assert tasks.get("none").state == "done" and seen == ["none"]


def test_the_workers_end_interrupts_runs_and_fails_the_rest(tasks):
    run = RunTask(RunSnapshot("run", experiment=Experiment()), Priority.RUN)
    tasks.know(run)
    tasks.begin(counting("study", [], Priority.STUDY))
    tasks.close()
    assert tasks.get("run").state == "interrupted" and not tasks.get("run").error
    tasks.begin(counting("late", [], Priority.STUDY))
    assert all("restart the server" in tasks.get(id).error for id in ("study", "late"))


def test_a_task_is_ended_once_though_it_waits_in_two_lines(tasks):
    seen = []
    task = Task(Snapshot("once"), Priority.CATALOGUE, once(seen.append))
    tasks.begin(task)
    tasks.enter(task, Priority.QUESTION)
    assert tasks.step(Priority.QUESTION, here) and tasks.step(Priority.CATALOGUE, here)
    assert seen == ["model"] and tasks.get("once").state == "done"
    assert not tasks.withdraw(task)


def test_the_end_of_a_generator_that_breaks_ends_nothing_else(tasks, caplog):
    def make(model):
        try:
            yield 1, 2
        finally:
            raise OSError("disk gone")

    tasks.begin(Task(Snapshot("a"), Priority.STUDY, make, sentence))
    tasks.step(Priority.STUDY, here)
    tasks.close()
    assert tasks.get("a").state == "failed" and "disk gone" in caplog.text
