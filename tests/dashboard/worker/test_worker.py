"""The worker with the real embedded model, without Streamlit."""

import threading

import pytest

import sdlab
from dashboard.worker.stored_runs import stored_run
from dashboard.worker.task import Priority
from dashboard.worker.tasks import KEPT
from sdlab.errors import StoreError
from sdlab.experiment.record import Record
from sdlab.runs.run import Run
from tests.dashboard.conftest import again
from tests.dashboard.worker.waiting import LONG, SHORT, ended, running, until


def test_a_run_is_made_stored_and_not_made_twice(make_worker, tmp_path):
    worker = make_worker()
    run = worker.submit(SHORT)
    assert run == SHORT.id
    assert ended(worker, run).state == "done"
    stored = sdlab.open_run(tmp_path / run)
    assert stored.experiment == SHORT
    created = stored.manifest["created"]
    assert worker.submit(SHORT) == run
    until(lambda: worker.get(run) is None or not worker.get(run).live)
    assert sdlab.open_run(tmp_path / run).manifest["created"] == created


def test_a_snapshot_never_changes(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    first = worker.get(run)
    ended(worker, run)
    assert first.state == "queued" and worker.get(run).state == "done"
    with pytest.raises(AttributeError):
        first.state = "done"


def test_duplicates_join(make_worker):
    worker = make_worker()
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(worker.submit(LONG))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running(worker, runs[0])
    assert set(runs) == {LONG.id}
    assert worker.status().running == 1 and worker.status().queued == 0


def test_cancel_by_one_of_two_leaves_by_the_last_ends(make_worker):
    worker = make_worker()
    run = worker.submit(LONG)
    worker.touch(run, "me")
    worker.touch(run, "you")
    running(worker, run)
    assert worker.get(run).shared == 2
    assert worker.cancel(run, "me") == "left"
    assert worker.get(run).live
    assert worker.cancel(run, "you") == "cancelled"
    view = ended(worker, run)
    assert view.state == "cancelled" and 0 < view.done < 900
    assert worker.cancel(run, "you") == "ended"


def test_a_session_whose_browser_is_gone_does_not_block_cancel(make_worker):
    worker = make_worker(connected=lambda session: session != "before the reload")
    run = worker.submit(LONG)
    worker.touch(run, "before the reload")
    worker.touch(run, "after it")
    assert worker.cancel(run, "after it") == "cancelled"


def test_cancel_while_it_waits(make_worker, model):
    opened = threading.Event()

    def load(source=None, **options):
        opened.wait(30)
        return again(model)

    worker = make_worker(load)
    first, second = worker.submit(LONG), worker.submit(SHORT)
    assert [worker.get(r).position for r in (first, second)] == [1, 2]
    assert worker.cancel(first, "me") == "cancelled"
    opened.set()
    assert ended(worker, first).done == 0
    assert ended(worker, second).state == "done"


def test_preview_only_for_who_watches(make_worker):
    worker = make_worker()
    watched, alone = worker.submit(LONG), worker.submit(LONG.with_(seed=3))
    worker.touch(watched, "me")
    view = until(lambda: (v := worker.get(watched)).preview and v)
    assert view.preview.startswith(b"\x89PNG")
    assert worker.get(alone).preview is None
    assert view.rate > 0 and view.seconds_left > 0


def test_what_a_stop_cuts_off_goes_on_at_the_next_server_in_order(make_worker):
    first = make_worker()
    specs = [LONG, SHORT, SHORT.with_(seed=8)]
    runs = [first.submit(spec, owner="ada") for spec in specs]
    running(first, runs[0])
    first.stop()
    assert {first.get(run).state for run in runs} <= {"interrupted", "done"}
    second = make_worker()
    assert [view.id for view in second.known_runs.resumed()] == [
        run for run in runs if second.get(run)
    ]
    assert second.get(runs[0]).experiment == LONG and second.get(runs[0]).live
    second.cancel(runs[0], "me")
    assert ended(second, runs[0]).state == "cancelled"
    until(lambda: not second.known_runs.resumed())
    assert all(stored_run(second.runs, run) for run in runs[1:])
    second.stop()
    third = make_worker()
    assert third.known_runs.jobs() == [] and third.known_runs.resumed() == []


def test_what_failed_is_listed_by_the_next_server_too(make_worker):
    first = make_worker()
    run = first.submit(SHORT.with_(eta=0.5, solver="heun"))
    said = ended(first, run).error
    first.stop()
    second = make_worker()
    assert (second.get(run).state, second.get(run).error) == ("failed", said)
    second.asked_runs.dismiss(run)
    second.stop()
    assert make_worker().get(run) is None


def test_a_picture_that_could_not_be_saved_is_made_again_by_the_next_server(
    make_worker, monkeypatch
):
    def full(run, folder):
        raise StoreError("No space left on the disk")

    first = make_worker()
    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", full)
        run = first.submit(SHORT)
        assert ended(first, run).unsaved
    first.stop()
    second = make_worker()
    until(lambda: stored_run(second.runs, run))


def test_a_run_without_tensors_still_ends_well(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT.with_(record=Record(tensors=())))
    assert ended(worker, run).state == "done"
    until(lambda: not worker.frames.busy_with(run))


def test_what_failed_is_remembered_longer_than_what_is_stored(make_worker, monkeypatch):
    monkeypatch.setitem(KEPT, Priority.RUN, 2)
    worker = make_worker()
    failed = worker.submit(SHORT.with_(eta=0.5, solver="heun"))
    assert ended(worker, failed).state == "failed"
    for seed in range(3):
        ended(worker, worker.submit(SHORT.with_(seed=seed, num_steps=1)))
    assert worker.get(failed).state == "failed"


def test_the_pace_of_late_is_known_once_something_ran(make_worker):
    worker = make_worker()
    assert worker.status().pace is None
    ended(worker, worker.submit(SHORT))
    assert 0 < worker.status().pace < 60
