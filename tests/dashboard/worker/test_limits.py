"""What one person may ask of a server: said in a sentence that names the limit and the way out."""

import re
from dataclasses import replace

import pytest

from dashboard.worker.limits import LimitError, Limits
from dashboard.worker.sessions import session_of
from dashboard.worker.task import once
from sdlab.experiment.experiment import Experiment
from tests.dashboard.worker.waiting import LONG, SHORT, ended, until

LARGE = Experiment(width=2048, height=1024, num_steps=100)


@pytest.mark.parametrize(
    ("run", "size", "said"),
    [
        (
            LARGE,
            None,
            "2048 x 1024 pixels by 100 steps are 209.7 million.*50 million.* 23 steps or",
        ),
        (replace(LARGE, width=9000, height=8000), None, "have 50 million. Take a smaller picture"),
        (replace(LARGE, width=None, height=None), (1024, 1024), "1024 x 1024 pixels by 100"),
    ],
)
def test_a_run_that_is_too_large_is_told_how_many_steps_it_may_have(run, size, said):
    assert re.search(said, Limits(megapixel_steps=50).too_large(run, size))


def test_what_fits_and_what_is_not_known_is_let_through():
    assert Limits(megapixel_steps=50).too_large(replace(LARGE, num_steps=23), None) == ""
    assert Limits(megapixel_steps=50).too_large(SHORT, None) == ""
    assert Limits().too_large(LARGE, None) == Limits().too_many(10_000, 10_000) == ""


@pytest.mark.parametrize(
    ("asked", "live", "said"),
    [
        (1, 5, "You have 5 runs that wait or are being made, and ask for 1 run more; on this"),
        (5, 1, "You have 1 run that waits or is being made, and ask for 5 runs more; on this"),
        (2, 4, "one person may have 5 at a time. Wait until some are done, or cancel some"),
        (6, 0, "Here are 6 runs; on this server one person may have 5 at a time. Ask for fewer"),
    ],
)
def test_runs_that_are_too_many_are_counted(asked, live, said):
    assert said in Limits(queued_runs=5).too_many(asked, live)
    assert Limits(queued_runs=asked + live).too_many(asked, live) == ""


def test_a_limit_is_each_persons_own(make_worker):
    worker = make_worker(limits=Limits(queued_runs=2))
    tabs = [session_of(tab, "a browser") for tab in ("a", "b", "c")]
    runs = [worker.submit(replace(LONG, seed=n + 1), session=tabs[n]) for n in (0, 1)]
    with pytest.raises(LimitError, match="You have 2 runs"):  # nor after a reload
        worker.submit(replace(LONG, seed=3), session=tabs[2])
    assert worker.submit(replace(LONG, seed=1), session=tabs[0]) == runs[0]  # the same run again
    other = worker.submit(SHORT, session=session_of("d", "another browser"))
    assert ended(worker, other).state == "done"
    assert worker.limits.over([SHORT], session=tabs[0]) == ""  # stored: nothing is made
    assert worker.limits.over([replace(LONG, seed=3)], session=tabs[0], queued=False) == ""
    for run in runs:
        worker.cancel(run, tabs[0])


def test_operators_have_no_limits(make_worker):
    worker = make_worker(limits=Limits(queued_runs=1), operator=lambda who: who == "ada")
    many = [replace(LONG, seed=seed) for seed in range(3)]
    assert worker.limits.over(many, owner="ada") == ""
    assert "Here are 3 runs" in worker.limits.over(many, owner="bob")
    assert "Here are 3 runs" in worker.limits.over(many, session="nobody in particular")


def test_a_size_is_limited_before_the_first_of_many_is_asked_for(make_worker):
    worker = make_worker(limits=Limits(megapixel_steps=1))
    with pytest.raises(LimitError, match="a run may have 1 million"):
        worker.limits.check([SHORT, LARGE])
    assert worker.known_runs.jobs() == []


def test_a_size_that_only_the_model_tells_is_checked_when_the_run_begins(make_worker):
    limits = Limits(megapixel_steps=0.02)
    worker = make_worker(limits=limits, after_page=True, operator=lambda who: who == "ada")
    run = worker.submit(SHORT, session="a")  # no model is in memory yet
    other = worker.submit(replace(SHORT, seed=2), owner="ada")
    worker.wake()
    refused = ended(worker, run)
    assert refused.state == "failed" and "128 x 128 pixels by 2 steps are" in refused.error
    assert ended(worker, other).state == "done"


def test_long_computations_are_counted_for_each_person(make_worker):
    worker = make_worker(limits=Limits(studies=1), operator=lambda who: who == "ada")
    model = until(lambda: worker.status().model).hash

    def endless(model):
        while True:
            yield 0, 1

    worker.study("one", endless, model, "s", owner="bob")
    worker.study("one", endless, model, "s", owner="bob")  # joined
    with pytest.raises(
        LimitError, match="You have 1 sweep or computed chart under way.* have 1 at"
    ):
        worker.study("two", endless, model, "s", owner="bob")
    for who, key in (("eve", "three"), ("ada", "four"), ("ada", "five")):
        worker.study(key, endless, model, "s", owner=who)
    assert worker.live_studies() == 4
    worker.cancel("one", "s", "bob")
    until(lambda: not worker.get("one").live)
    worker.study("two", endless, model, "s", owner="bob")


def test_the_runs_of_a_long_computation_are_limited_in_size(make_worker):
    limits = Limits(megapixel_steps=1)
    worker = make_worker(limits=limits, operator=lambda who: who == "ada")
    model = until(lambda: worker.status().model).hash
    small = replace(SHORT, width=64, height=64)
    for size in ({"width": 8192}, {"num_steps": 900}):
        with pytest.raises(LimitError, match="a run may have 1 million"):
            made = [small, replace(SHORT, **size)]
            worker.study("large", once(lambda model: 1), model, "s", owner="bob", runs=made)
    assert worker.get("large") is None
    worker.study("small", once(lambda model: 1), model, "s", owner="bob", runs=[small])
    worker.study("large", once(lambda model: 2), model, "s", owner="ada", runs=[LARGE])
    assert ended(worker, "small").result == 1 and ended(worker, "large").result == 2
    worker.study("large", once(lambda model: 3), model, "s", owner="bob", runs=[LARGE])  # joined
    assert worker.get("large").result == 2
