"""What goes to the trash by age and size; no clock that jumps has anything deleted."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import sdlab
from sdlab.runs import retention
from sdlab.runs.index import CACHE
from sdlab.runs.looks import DAY, FILE, WEEK, Look, after, last_look, now
from sdlab.runs.marks import mark
from sdlab.runs.owners import add_owner
from sdlab.runs.retention import GIB, Retention, no_room, plan, tidy
from sdlab.runs.trash import delete_run, list_trash, restore_run
from tests.runs.conftest import copy_of

TODAY = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(run, stored):
    """A store with runs of 100, 50, 10 and 0 days of age."""
    ages = {seed: TODAY - timedelta(days=days) for seed, days in enumerate((100, 50, 10, 0))}
    made = [copy_of(stored, seed=n, created=at.isoformat()).name for n, at in ages.items()]
    delete_run(stored.parent, run.id)
    (stored.parent / ".trash" / run.id).rename(stored.parents[1] / "elsewhere")
    return stored.parent, made


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock, and lets time pass with which it goes on, or by which it jumps."""
    look = Look(TODAY.timestamp(), "a", 0.0)

    class Clock:
        def passes(self, days, jump=0.0, boot=None):
            nonlocal look
            wall = look.wall + (days + jump) * DAY
            look = Look(wall, boot or look.boot, look.uptime + days * DAY)

    monkeypatch.setattr(retention, "now", lambda: look)
    return Clock()


def going(root, **rules):
    return [run.run for run in plan(root, Retention(**rules)).runs]


def test_the_oldest_go_by_age(store, clock):
    root, made = store
    assert going(root, days=200.0) == [] and going(root, days=60.0) == made[:1]
    assert going(root, days=5.0) == made[:3]
    soon = plan(root, Retention(days=12.0), ahead=timedelta(days=3)).runs
    assert [run.run for run in soon] == made[:3] and "older than 12 days" in soon[0].why
    assert len(sdlab.runs(root)) == 4 and not list_trash(root)
    assert [run.run for run in tidy(root, Retention(days=60.0)).runs] == made[:1]
    assert sdlab.runs(root)["run"].tolist() == made[:0:-1]
    assert [deleted.name for deleted in list_trash(root)] == made[:1]


def test_the_oldest_go_by_size(store, clock):
    root, made = store
    sizes = sdlab.runs(root).set_index("run")["bytes"]
    assert going(root, gib=1.0) == [] and going(root, gib=sizes.sum() / GIB) == []
    assert going(root, gib=(sizes.sum() - 1) / GIB) == made[:1]
    mark(root, made[:1], star=True)
    room = (sizes.sum() - 1.5 * sizes.max()) / GIB
    done = tidy(root, Retention(gib=room))
    assert [run.run for run in done.runs] == made[1:3] and "take more than" in done.runs[0].why
    assert set(sdlab.runs(root)["run"]) == {made[0], made[3]}


def test_the_oldest_of_one_person_go(store, clock):
    root, made = store
    add_owner(root, "run", made[:3], "ada")
    add_owner(root, "run", made[1:2], "bob")
    add_owner(root, "run", made[3:], "*")
    sizes = sdlab.runs(root).set_index("run")["bytes"]
    room = (sizes[made[:3]].sum() - sizes[made[0]] - 1) / GIB
    assert going(root, gib_each=room) == [made[0], made[2]]  # bob's is his, too
    assert "the runs of ada take" in plan(root, Retention(gib_each=room)).runs[0].why
    assert no_room(root, Retention(gib_each=1e-5), "ada") == ""
    mark(root, made[:2], star=True)
    sdlab.runs(root)
    assert "with a star or a tag take" in no_room(root, Retention(gib_each=1e-5), "ada")
    assert no_room(root, Retention(gib_each=1.0), "ada") == ""
    assert no_room(root, Retention(gib=1e-5), "ada") == no_room(root, Retention(), "") == ""


@pytest.mark.parametrize("marks", [{"star": True}, {"add": ["good"]}])
def test_what_is_marked_stays(store, clock, marks):
    root, made = store
    mark(root, made[:2], **marks)
    assert going(root, days=5.0) == made[2:3]


def test_a_jump_forward_moves_nothing_for_a_day(store, clock):
    root, made = store
    tidy(root, Retention(days=200.0))
    clock.passes(0.1, jump=3650.0)
    done = tidy(root, Retention(days=200.0))
    assert done.runs == [] and "has jumped" in done.doubt
    clock.passes(0.5)
    assert tidy(root, Retention(days=200.0)).runs == []
    clock.passes(0.1, jump=-3650.0)
    assert tidy(root, Retention(days=200.0)).runs == []
    clock.passes(1.1)
    assert [run.run for run in tidy(root, Retention(days=60.0)).runs] == made[:1]


def test_a_person_may_say_that_the_clock_is_right(store, clock):
    root, made = store
    clock.passes(8.0)  # nothing was made for a week
    rules = Retention(days=60.0)
    assert not plan(root, rules).runs and plan(root, rules).doubt
    assert [run.run for run in plan(root, rules, sure=True).runs] == made[:1]


def test_a_run_of_a_wrong_clock_does_not_go_by_age(store, stored, clock):
    root, made = store
    for seed, year in ((8, 1970), (9, 2099)):
        facts = json.loads((root / made[0] / "manifest.json").read_text())
        facts["experiment"]["seed"] = seed
        copied = sdlab.Experiment.from_dict(facts["experiment"]).id
        facts |= {"id": copied, "created": f"{year}-01-01T00:00:00+00:00"}
        target = root / copied
        target.mkdir()
        for path in (root / made[0]).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
        (target / "manifest.json").write_text(json.dumps(facts))
    rules = Retention(days=1.0)
    assert [run.run for run in plan(root, rules, sure=True).runs] == made[:3]


def test_the_trash_is_emptied_by_time_that_has_surely_passed(store, clock):
    root, made = store
    rules = Retention(trash_days=30.0)
    delete_run(root, made[0])
    assert tidy(root, rules).trash == []
    clock.passes(1.0, jump=3650.0)
    assert tidy(root, rules).trash == [] and len(list_trash(root)) == 1
    clock.passes(20.0, jump=-3650.0)
    assert tidy(root, rules).trash == []
    delete_run(root, made[1])
    clock.passes(5.0, boot="b")  # the machine was started anew
    assert tidy(root, rules).trash == []
    clock.passes(5.0)
    assert [gone.name for gone in tidy(root, rules).trash] == made[:1]
    assert [deleted.name for deleted in list_trash(root)] == made[1:2]
    restore_run(root, made[1])
    tidy(root, rules)
    assert last_look(root).found == {}


def test_of_the_time_between_two_starts_a_week_is_believed():
    first = Look(0.0, "a", 50.0, counted=10.0, steady=DAY)
    year = after(first, Look(365 * DAY, "b", 5.0), None)
    assert (year.counted, year.steady) == (10.0 + WEEK, 0.0) and not year.trusted
    back = after(first, Look(-DAY, "b", 5.0), None)
    assert (back.counted, back.steady) == (10.0, 0.0)
    night = after(first, Look(DAY / 2, "", 0.0), None)
    assert night.trusted and night.counted == 10.0 + DAY / 2


def test_a_lost_or_damaged_note_begins_anew(store, clock):
    root, _ = store
    tidy(root, Retention(days=200.0))
    note = root / CACHE.parent / FILE
    assert last_look(root).counted == 0.0
    for text in ("", "[]", '{"found": 1}', '{"found": {}, "wall": "x"}'):
        note.write_text(text)
        assert last_look(root) is None
    tidy(root, Retention(days=200.0))
    assert last_look(root) is not None


def test_the_clocks_of_this_machine_go_on():
    first, second = now(), now()
    assert after(replace(first, steady=DAY), second, None).trusted


@pytest.mark.parametrize("rules", [{"days": 0.5}, {"gib": 0.0}, {"trash_days": "x"}])
def test_a_rule_that_is_none_is_named(rules):
    with pytest.raises(ValueError, match=next(iter(rules))):
        Retention(**rules)
