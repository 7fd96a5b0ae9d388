"""Who may change what is stored: its owners and operators, whatever a page shows."""

import ast

import pytest

from dashboard.worker.limits import LimitError
from dashboard.worker.owned import NotYoursError, OwnedThings, thing_of
from dashboard.worker.task import Priority
from sdlab.experiment.experiment import Experiment
from sdlab.runs import run_path
from sdlab.runs.index import index_of
from sdlab.runs.marks import mark, read_marks
from sdlab.runs.owners import drop_owner
from sdlab.runs.retention import Retention
from sdlab.runs.trash import list_trash
from tests.dashboard.worker.waiting import LONG, SHORT, ended, until
from tests.imports import ROOT

RUN, OLD = "0123456789abcdef", "fedcba9876543210"
OPERATOR = "olga"


@pytest.fixture
def things(tmp_path):
    """A store of two runs, anna's and one that was made without login."""
    for run in (RUN, OLD):
        run_path(tmp_path, run).mkdir()
    found = OwnedThings(tmp_path, {OPERATOR}.__contains__)
    found.own("run", [RUN], "anna")
    return found


@pytest.fixture
def busy_worker(make_worker):
    """A worker that has something to do to its end, and so does not begin its catalogue."""
    worker = make_worker(operator={OPERATOR}.__contains__)
    worker.submit(Experiment(prompt="busy", num_steps=900, width=64, height=64))
    return worker


@pytest.mark.parametrize("by", ["eve", ""])
def test_others_change_nothing(things, by):
    for refused in (
        lambda: things.delete("run", RUN, by),
        lambda: things.mark([OLD, RUN], by, star=True),
        lambda: things.share([RUN], by, True),
        lambda: things.check("run", RUN, by, "replace"),
    ):
        with pytest.raises(NotYoursError, match=f"Run {RUN} belongs to anna; only they or an op"):
            refused()
    with pytest.raises(NotYoursError, match=f"Run {OLD} was made without login; only an operator"):
        things.delete("run", OLD, by)
    assert not list_trash(things.root) and not read_marks(run_path(things.root, OLD)).star


@pytest.mark.parametrize("by", ["anna", OPERATOR])
def test_owner_and_operator_delete_put_back_and_mark(things, by):
    things.mark([RUN], by, add=["good"])
    assert things.delete("run", RUN, by)
    for refused in (things.restore, lambda *what: things.empty_trash(what[-1], things.trash(by))):
        with pytest.raises(NotYoursError, match="belongs to anna"):
            refused("run", RUN, "eve")
    assert not things.trash("eve") and things.empty_trash("eve") == 0
    things.restore("run", RUN, by)
    assert read_marks(run_path(things.root, RUN)).tags == ("good",)
    things.delete("run", RUN, by)
    assert things.empty_trash(by) == 1 and things.owners("run", RUN) == ()


def test_of_two_owners_the_last_one_deletes(things):
    things.own("run", [RUN], "eve")
    assert not things.delete("run", RUN, "anna")
    assert things.owners("run", RUN) == ("eve",) and run_path(things.root, RUN).exists()
    assert things.delete("run", RUN, "eve") and not run_path(things.root, RUN).exists()


def test_who_asked_ends_what_nobody_owns_and_not_what_was_left_to_another(things):
    assert things.may_end("", "a study", "eve", "eve")
    assert not things.may_end("", "a study", "eve", "anna")
    assert things.may_end("run", RUN, "anna", "eve") and not things.may_end(
        "run", RUN, "eve", "eve"
    )


def test_what_is_shared_or_nobodys_is_marked_by_all_and_deleted_by_its_owner(things):
    things.share([RUN], "anna", True)
    things.mark([RUN, OLD], "eve", star=True)
    with pytest.raises(NotYoursError):
        things.delete("run", RUN, "eve")
    things.share([RUN], "anna", False)
    with pytest.raises(NotYoursError):
        things.mark([RUN], "eve", star=False)


def test_who_owns_is_said_in_the_log_where_it_cannot_be_noted(things, caplog):
    (things.root / ".owners" / "owners.sqlite3").write_bytes(b"no table " * 999)
    things.own("run", [OLD], "anna")
    assert "cannot be used" in caplog.text


def test_tasks_are_what_they_make():
    assert thing_of("sweep-abc", Priority.STUDY) == ("sweep", "abc")
    assert thing_of(RUN, Priority.RUN) == ("run", RUN)
    assert thing_of("abc", Priority.STUDY) == ("", "abc")


def test_a_run_is_cancelled_by_its_owner_whoever_watches(busy_worker):
    worker = busy_worker
    asked = [Experiment(prompt="long", seed=n, num_steps=900, width=64, height=64) for n in (0, 1)]
    runs = [worker.submit(spec, owner="anna") for spec in asked]
    for session in ("one", "two"):
        worker.touch(runs[0], session)
    assert worker.cancel(runs[0], "two", "eve") == "left"
    assert worker.submit(asked[0], owner="ben") == runs[0]
    assert worker.owned.owners("run", runs[0]) == ("anna", "ben")
    assert worker.cancel(runs[0], "one", "anna") == "left"
    assert worker.get(runs[0]).live and worker.owned.owners("run", runs[0]) == ("ben",)
    assert worker.cancel(runs[0], "one", "anna") == "left" and worker.get(runs[0]).live
    assert worker.cancel(runs[0], "three", "ben") == "cancelled"
    assert worker.cancel(runs[1], "four", OPERATOR) == "cancelled"
    until(lambda: not any(worker.get(run).live for run in runs))
    for other in ("eve", "anna"):  # who asked for it, and left
        with pytest.raises(NotYoursError, match="may dismiss it"):
            worker.asked_runs.dismiss(runs[0], other)
    worker.asked_runs.dismiss(runs[0], "ben")
    assert worker.get(runs[0]) is None


def test_the_disk_is_waited_for_without_the_lock(busy_worker, monkeypatch):
    worker = busy_worker
    write, locked = worker._kept.write, []

    def watched():
        locked.append(worker._tasks.lock._is_owned())
        return write()

    monkeypatch.setattr(worker._kept, "write", watched)
    asked = Experiment(prompt="long", num_steps=900, width=64, height=64)
    run = worker.submit(asked, mix=True)
    worker.submit(asked)
    with monkeypatch.context() as ended:
        ended.setattr(worker._tasks, "closed", True)
        assert worker.get(worker.submit(asked.with_(seed=2))).state == "failed"
    assert worker.get(run).live
    assert len(locked) >= 3 and not any(locked)


def test_nobody_makes_anothers_run_again_by_other_weights(busy_worker, tmp_path):
    worker = busy_worker
    asked = Experiment(prompt="mine", num_steps=1, width=64, height=64)
    run = worker.submit(asked, owner="anna")
    until(lambda: not worker.get(run).live)
    manifest = run_path(tmp_path, run) / "manifest.json"
    model = worker.status().model.hash
    manifest.write_text(manifest.read_text().replace(model, "0" * len(model)))
    with pytest.raises(NotYoursError, match="belongs to anna.*another seed"):
        worker.submit(asked, owner="eve")
    assert worker.owned.owners("run", run) == ("anna",)
    worker.submit(asked, owner="anna")
    until(lambda: worker.get(run).state == "done")
    drop_owner(tmp_path, "run", run)  # as by the trash, emptied while it was made
    worker.asked_runs._ended(worker._tasks.find(run), "done", None, None)
    assert worker.owned.owners("run", run) == ("anna",)


def test_what_is_stored_and_nobodys_stays_so_whoever_asks(busy_worker):
    worker = busy_worker
    run = worker.submit(SHORT)
    until(lambda: worker.get(run).state == "done")
    assert worker.submit(SHORT, owner="eve") == run
    worker.asked_runs.claim([SHORT, SHORT.with_(seed=8)], "eve", queued=False)
    assert worker.owned.owners("run", run) == ()
    assert worker.owned.owners("run", SHORT.with_(seed=8).id) == ("eve",)
    with pytest.raises(NotYoursError, match="made without login"):
        worker.owned.delete("run", run, "eve")
    worker.owned.own("run", [run], "anna")
    worker.submit(SHORT, owner="eve")
    assert worker.owned.owners("run", run) == ("anna", "eve")


def test_what_waited_for_a_model_and_was_stored_stays_nobodys(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    worker.stop()
    worker = make_worker(after_page=True)  # has no model yet
    worker.submit(SHORT, owner="eve")
    worker.wake()
    assert ended(worker, run).state == "done" and worker.owned.owners("run", run) == ()


def test_what_is_made_again_in_the_place_of_nobodys_is_its_askers(make_worker, tmp_path):
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    manifest = run_path(tmp_path, run) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"shared_calls"', '"other"'))
    busy = worker.submit(LONG)
    worker.submit(SHORT, owner="eve")
    assert worker.cancel(run, "", "eve") == "cancelled"
    assert ended(worker, run).state == "cancelled" and worker.owned.owners("run", run) == ()
    worker.submit(SHORT, owner="eve")
    assert ended(worker, run).state == "done" and worker.owned.owners("run", run) == ("eve",)
    worker.cancel(busy, "")


def test_grids_sweeps_and_comparisons_that_are_nobodys_stay_so(things):
    (things.root / ".grids").mkdir()
    (things.root / ".grids" / f"{OLD}.json").touch()
    things.own_asked("grid", [OLD, RUN], "eve")
    assert things.owners("grid", OLD) == () and things.owners("grid", RUN) == ("eve",)
    things.own_asked("grid", [RUN], "anna")  # not stored, as its first asker's
    assert things.owners("grid", RUN) == ("anna", "eve")
    things.share([OLD], OPERATOR, True)  # which makes it nobody's still
    things.own_asked("run", [OLD, RUN], "eve")
    assert things.owners("run", OLD) == () and things.owners("run", RUN) == ("anna", "eve")


def test_whose_a_run_is_is_asked_again_once_its_model_is_there(make_worker, tmp_path):
    worker = make_worker()
    run = worker.submit(SHORT, owner="anna")
    ended(worker, run)
    manifest = run_path(tmp_path, run) / "manifest.json"
    model = worker.status().model.hash
    other = manifest.read_text().replace(model, "0" * len(model))
    manifest.write_text(other)
    worker.stop()
    worker = make_worker(operator={OPERATOR}.__contains__, after_page=True)  # has no model yet
    worker.submit(SHORT, owner="eve")
    assert worker.owned.owners("run", run) == ("anna",)
    worker.stop()
    worker = make_worker(operator={OPERATOR}.__contains__)
    refused = ended(worker, run)
    assert refused.state == "failed" and "belongs to anna; only they" in refused.error
    assert manifest.read_text() == other and worker.owned.owners("run", run) == ("anna",)
    worker.asked_runs.dismiss(run, "eve")
    assert worker.get(run) is None
    manifest.write_text(other.replace("0" * len(model), model).replace('"shared_calls"', '"other"'))
    worker.submit(SHORT, owner="eve")
    assert ended(worker, run).state == "done"
    assert worker.owned.owners("run", run) == ("anna", "eve")


def test_several_runs_are_claimed_all_or_none(busy_worker, tmp_path):
    worker = busy_worker
    asked = Experiment(prompt="mine", num_steps=1, width=64, height=64)
    run = worker.submit(asked, owner="anna")
    until(lambda: not worker.get(run).live)
    other = asked.with_(seed=9)
    worker.asked_runs.claim([other, asked], "ben", queued=False)
    assert worker.owned.owners("run", run) == ("anna", "ben")
    assert worker.owned.owners("run", other.id) == ("ben",)
    manifest = run_path(tmp_path, run) / "manifest.json"
    model = worker.status().model.hash
    manifest.write_text(manifest.read_text().replace(model, "0" * len(model)))
    with pytest.raises(NotYoursError, match="belongs to anna, ben"):
        worker.asked_runs.claim([other, asked], "eve", queued=False)
    assert worker.owned.owners("run", other.id) == ("ben",)


def test_who_has_marked_too_much_can_have_no_more_made(make_worker, tmp_path):
    worker = make_worker(keeping=Retention(gib_each=1e-6))
    run = worker.submit(SHORT, owner="ada")
    until(lambda: worker.get(run).state == "done")
    more = worker.submit(SHORT.with_(seed=8), owner="ada")
    until(lambda: worker.get(more).state == "done")
    mark(tmp_path, [run], star=True)
    index_of(tmp_path).refresh()
    refused = worker.get(worker.submit(SHORT.with_(seed=9), owner="ada"))
    assert refused.state == "failed" and "that this server keeps of each person" in refused.error
    with pytest.raises(LimitError, match="that this server keeps of each person"):
        worker.asked_runs.claim([SHORT, SHORT.with_(seed=9)], "ada")
    worker.asked_runs.claim([SHORT], "ada")  # which is made
    assert worker.get(worker.submit(SHORT.with_(seed=9), owner="bob")).state != "failed"


CHANGES = {
    "sdlab.runs.trash": {"delete", "delete_run", "restore", "restore_run", "empty_trash"},
    "sdlab.runs.marks": {"mark", "write_marks"},
    "sdlab.runs.curves": {"save_curve", "delete_curve"},
    "sdlab.runs.owners": {"add_owner", "drop_owner"},
}
"""What changes the store without asking whose a thing is."""


def test_pages_change_the_store_through_the_worker_alone():
    files = [p for top in ("dashboard", "pages") for p in (ROOT / top).rglob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {name.name}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in CHANGES
        for name in node.names
        if name.name in CHANGES[node.module] and path.parent.name != "worker"
    }
    assert found == {"dashboard/widgets/own_curve.py: save_curve"}  # which asks before
