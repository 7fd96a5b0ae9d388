"""One worker for several people: nobody is held up by how much another has asked for."""

import time
from collections import Counter

import torch

import sdlab
from dashboard.worker.scheduler import IN_FLIGHT
from sdlab.comparing.engine_runner import engine_runner
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from tests.dashboard.worker.waiting import ended, running, until

NOTHING = Record(tensors=(), attention=None)


def test_many_runs_of_one_person_do_not_hold_up_anothers_first(make_worker):
    worker = make_worker()
    many = [
        worker.submit(Experiment(seed=seed, num_steps=200, record=NOTHING), session="many")
        for seed in range(IN_FLIGHT + 20)
    ]
    running(worker, many[0])
    one = worker.submit(Experiment(seed=1, num_steps=2), session="one")
    assert ended(worker, one).state == "done"
    assert sum(worker.get(run).live for run in many) > IN_FLIGHT
    for run in many:
        worker.cancel(run, "many")


def test_others_go_first_in_the_midst_of_a_long_call_and_nothing_changes(
    make_worker, model, tmp_path
):
    """The large run's first call is not through when the small run is done; both are exact."""
    worker = make_worker()
    worker._flight.quick = 0.0
    large = Experiment(seed=3, num_steps=2, width=256, height=256)
    small = Experiment(seed=4, num_steps=2, width=64, height=64)
    first = worker.submit(large, frames=False, session="large")
    until(lambda: any(held.engine.long._paused for held in worker._held.all))
    second = worker.submit(small, frames=False, session="small")
    assert ended(worker, second).state == "done"
    assert worker.get(first).done <= 1
    assert ended(worker, first).state == "done"
    for experiment in (large, small):
        stored = sdlab.open_run(tmp_path / experiment.id)
        alone = sdlab.run(model, experiment)
        assert torch.equal(stored.latents, alone.latents)
        assert torch.equal(stored.trace.x_t, alone.trace.x_t)


def test_long_calls_of_many_people_hold_up_nobody(make_worker):
    """However many are in their midst, and however long the small run's own calls are."""
    worker = make_worker()
    worker._flight.quick = 0.0
    people = [f"person {number}" for number in range(6)]
    large = [
        worker.submit(Experiment(seed=n, width=512, height=512, record=NOTHING), session=who)
        for n, who in enumerate(people)
    ]
    until(lambda: len(paused(worker)) == len(large))
    small = worker.submit(Experiment(seed=4, num_steps=2, record=NOTHING), session="small")
    assert ended(worker, small).state == "done"
    assert [worker.get(run).done for run in large] == [0] * len(large)
    for run, who in zip(large, people, strict=True):
        worker.cancel(run, who)


def test_of_one_persons_runs_one_is_in_the_midst_of_a_long_call(make_worker):
    worker = make_worker()
    worker._flight.quick = 0.0
    large = [
        worker.submit(Experiment(seed=seed, width=256, height=256, record=NOTHING), session="many")
        for seed in range(3)
    ]
    for seed in range(4):
        small = worker.submit(Experiment(seed=seed, num_steps=4, record=NOTHING), session="small")
        while worker.get(small).live:
            assert len([job for job in paused(worker) if job.plan.shape[-1] == 32]) <= 1
    for run in large:
        worker.cancel(run, "many")


def test_of_one_persons_pictures_the_first_is_there_before_the_others(make_worker):
    """Also while somebody else's work goes on, so that no calls are shared."""
    worker = make_worker()
    other = worker.submit(Experiment(seed=1, num_steps=999, record=NOTHING), session="other")
    running(worker, other)
    many = [
        worker.submit(Experiment(seed=seed, num_steps=20, record=NOTHING), session="many")
        for seed in range(4)
    ]
    until(lambda: any(not worker.get(run).live for run in many))
    assert sum(worker.get(run).done for run in many if worker.get(run).live) < 2 * 20
    worker.cancel(other, "other")
    for run in many:
        worker.cancel(run, "many")


def paused(worker):
    """The jobs that are in the midst of a long call."""
    return [job for held in worker._held.all for job in held.engine.long.paused()]


def test_a_run_is_cancelled_in_the_midst_of_a_long_call(make_worker, model):
    worker = make_worker()
    worker._flight.quick = 0.0
    large = worker.submit(Experiment(seed=5, num_steps=50, width=1024, height=1024), session="a")
    until(lambda: any(held.engine.long._paused for held in worker._held.all))
    worker.cancel(large, "a")
    assert ended(worker, large).state == "cancelled"
    assert worker.get(large).done == 0
    until(lambda: not left_hooks(model))  # the worker's next turn takes them off


def studied(experiment, key="study"):
    """A study that makes one run as it is, and the arguments with which a worker takes it."""

    def make(model):
        runs = yield from engine_runner(model, mix=False)([experiment])
        return runs[experiment.id]

    return key, make


def test_others_go_first_in_the_midst_of_a_studys_long_call(make_worker, model):
    """As a sweep of large pictures is: the small run waits for a layer, not for a call."""
    worker = make_worker()
    large = Experiment(seed=6, num_steps=1, width=512, height=512, record=NOTHING)
    worker.study(*studied(large), model.hash, "large")
    until(lambda: worker.get("study").state == "running")
    small = worker.submit(Experiment(seed=7, num_steps=2, record=NOTHING), session="small")
    assert ended(worker, small).state == "done"
    assert worker.get("study").live and worker.get("study").done == 0
    made = ended(worker, "study").result
    assert torch.equal(made.latents, sdlab.run(model, large).latents)
    until(lambda: not left_hooks(model))  # the worker's next turn takes them off


def test_a_study_whose_calls_pause_gets_its_share_beside_a_run_that_never_ends(make_worker, model):
    """What others take meanwhile is not its cost: it would come last for ever."""
    worker = make_worker()
    worker._flight.quick = 0.0
    spent, spend = Counter(), worker._flight.shares.spend

    def noted(task, seconds):
        spent[task.person] += seconds
        spend(task, seconds)

    worker._flight.shares.spend = noted
    begun = time.monotonic()
    large = Experiment(seed=8, num_steps=3, width=192, height=192, record=NOTHING)
    worker.study(*studied(large), model.hash, "large")
    other = worker.submit(Experiment(seed=9, num_steps=999, record=NOTHING), session="other")
    until(lambda: worker.get("study").done)
    assert worker.get(other).live
    assert sum(spent.values()) <= time.monotonic() - begun
    worker.cancel(other, "other")
    assert ended(worker, "study").state == "done"


def test_a_study_is_cancelled_in_the_midst_of_a_long_call(make_worker, model):
    worker = make_worker()
    large = Experiment(seed=8, num_steps=50, width=1024, height=1024, record=NOTHING)
    worker.study(*studied(large), model.hash, "a")
    until(lambda: left_hooks(model))
    worker.cancel("study", "a")
    assert ended(worker, "study").state == "cancelled"
    assert worker.get("study").done == 0
    until(lambda: not left_hooks(model))  # the worker's next turn takes them off
    after = worker.submit(Experiment(seed=9, num_steps=1, record=NOTHING), session="b")
    assert ended(worker, after).state == "done"


def left_hooks(model):
    return [m for part in model.parts.values() for m in part.modules() if m._forward_pre_hooks]
