"""The Runs page lists stored and unfinished runs, and names a spoilt one."""

import json
import os
import re
import shutil
import time
from datetime import date, datetime
from functools import partial
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from dashboard.shell.lab import lab
from dashboard.views.runs import found, going_soon, reading, table, trash
from dashboard.views.runs.unfinished import alike, in_short
from dashboard.widgets import stored_list
from dashboard.widgets.queue_news import goes_on
from dashboard.worker.snapshots import RunSnapshot
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.runs.grids import FOLDER, save_grid
from sdlab.runs.index import RunIndex
from sdlab.runs.marks import mark
from sdlab.runs.retention import Retention
from sdlab.runs.search import Search
from sdlab.runs.trash import delete, delete_run, empty_trash, list_trash, restore_run
from sdlab.sweeping.sweep_folder import SweepFolder
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import titles
from tests.dashboard.views.runs.reading import read_captions, rows


def test_runs_lists_the_stored_and_the_unfinished(open_page, slow_run):
    done = lab().submit(Experiment(prompt="a star", seed=4, num_steps=2))
    stored = open_page("run", id=done)
    run_until(stored, lambda a: "Measurements" in [header.value for header in a.header])
    at = open_page("runs")
    assert titles(at) == ["Runs"] and not at.exception
    table = at.dataframe[0].value
    assert done in set(table["id"])
    assert [h.value for h in at.header] == ["Not stored"]


def test_equal_ended_runs_are_one_row_that_is_dismissed_at_once(open_page, monkeypatch):
    asked = [Experiment(prompt="a parrot", seed=seed, num_steps=900) for seed in range(12)]
    jobs = [RunSnapshot(run.id, "cancelled", experiment=run) for run in asked]
    gone = []
    monkeypatch.setattr(
        lab().known_runs, "jobs", lambda: [job for job in jobs if job.id not in gone]
    )
    monkeypatch.setattr(lab().asked_runs, "dismiss", lambda run, by: gone.append(run))
    at = open_page("runs")
    assert "12 runs cancelled · a parrot" in [text.value for text in at.text]
    links = [link.proto.label for link in at.get("page_link") if "seed" in link.proto.label]
    assert len(links) == 12
    next(button for button in at.button if button.label == "Dismiss all").click().run()
    assert gone == [run.id for run in asked] and not at.exception
    assert "Not stored" not in [h.value for h in at.header]


def test_all_that_failed_are_asked_for_again_in_their_order(open_page, monkeypatch):
    asked = [Experiment(prompt="a parrot", seed=seed, num_steps=900) for seed in range(3)]
    jobs = [RunSnapshot(run.id, "failed", experiment=run) for run in asked[::-1]]
    jobs.append(RunSnapshot("x", "cancelled", experiment=Experiment(prompt="left alone")))
    got = []
    monkeypatch.setattr(lab().known_runs, "jobs", lambda: [] if got else jobs)
    monkeypatch.setattr(lab().known_runs, "broken_off", lambda owner: jobs[2::-1])
    monkeypatch.setattr(lab().asked_runs, "again", lambda runs, *who: got.extend(runs))
    at = open_page("runs")
    next(button for button in at.button if button.label == "Run all 3 again").click().run()
    assert got == asked and not at.exception
    assert "Not stored" not in [h.value for h in at.header]


def test_what_goes_on_after_a_restart_is_said_and_can_be_cancelled(open_page, monkeypatch):
    left = [RunSnapshot(str(n), experiment=Experiment(seed=n)) for n in range(2)]
    gone = []
    monkeypatch.setattr(lab().known_runs, "resumed", lambda owner: [] if gone else left)
    monkeypatch.setattr(lab(), "cancel", lambda run, session, by: gone.append(run))
    monkeypatch.setattr(lab().known_runs, "queue_trouble", lambda: "The queue is in memory.")
    monkeypatch.setattr(lab().measures, "restarted_at", time.monotonic())
    at = open_page("runs")
    assert "was started anew" in at.info[0].value
    assert "2 runs from before the server's restart go on." in [text.value for text in at.text]
    assert goes_on(3, 2).endswith("go on. 2 of them are other people's.")
    assert [read(one) for one in at.warning] == ["The queue is in memory."]
    next(button for button in at.button if button.label == "Cancel them").click().run()
    assert gone == ["0", "1"] and not at.exception


def test_those_of_a_row_that_are_ones_own_are_cancelled(open_page, monkeypatch):
    asked = [Experiment(prompt="a parrot", seed=seed, num_steps=900) for seed in range(3)]
    jobs = [RunSnapshot(run.id, "running", experiment=run) for run in asked]
    own, gone = [job.id for job in jobs[1:]], []
    monkeypatch.setattr(lab().known_runs, "jobs", lambda: jobs)
    monkeypatch.setattr(lab().known_runs, "live_of", lambda owner: set(own))
    monkeypatch.setattr(lab(), "cancel", lambda run, session, by: gone.append(run))
    at = open_page("runs")
    cancel = next(button for button in at.button if button.label == "Cancel")
    assert cancel.help == "Those that are yours: 2 of 3."
    cancel.click().run()
    assert gone == own and not at.exception


def test_many_rows_that_are_not_stored_are_folded():
    jobs = [
        RunSnapshot(str(n), state, experiment=Experiment(prompt=f"picture {n // 2}"))
        for n, state in enumerate(["failed", "failed", "cancelled", "failed"])
    ]
    assert [len(group) for group in alike(jobs)] == [2, 1, 1]
    assert in_short(jobs) == "3 failed, 1 cancelled"


def test_grids_are_found_again(open_page, runs_folder):
    grid = Grid(Experiment(prompt="a star", num_steps=2), {"cfg": "1, 4", "seed": "1-8"})
    save_grid(grid, runs_folder)
    damaged = runs_folder / FOLDER / ("f" * 16 + ".json")
    damaged.write_text("{")
    try:
        at = open_page("runs", **{"runs.section": "Grids"})
        assert not at.exception
        table = next(d.value for d in at.dataframe if "varied" in d.value)
        row = table[table["id"] == grid.id].iloc[0]
        assert row["varied"] == "guidance scale 1.0, 4.0 x seed 1, 2, 3, 4, 5, 6, …"
        assert row["pictures"] == 16 and "a star" in row["common"]
        assert "1 damaged grid" in [e.label for e in at.expander]
    finally:
        damaged.unlink()
        (runs_folder / FOLDER / f"{grid.id}.json").unlink()


def test_a_spoilt_run_is_named_and_the_others_are_shown(open_page, runs_folder):
    done = lab().submit(Experiment(prompt="a star", seed=4, num_steps=2))
    run_until(open_page("run", id=done), lambda a: a.header)
    spoilt = [runs_folder / f"{number:016x}" for number in range(3)]
    for folder in spoilt:
        folder.mkdir()
    (spoilt[0] / "manifest.json").write_text('{"format": 1, "width": [1]}')
    os.mkfifo(spoilt[1] / "manifest.json")
    cut = Experiment(prompt="a star", seed=5, num_steps=2)
    shutil.copytree(runs_folder / done, runs_folder / cut.id)
    manifest = runs_folder / cut.id / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**values, "experiment": cut.to_dict()}))
    picture = runs_folder / cut.id / "image.png"
    picture.write_bytes(picture.read_bytes()[:-400])  # its head is whole
    try:
        at = open_page("runs")
        assert not at.exception and done in set(at.dataframe[0].value["id"])
        named = " ".join(text.value for fold in at.expander for text in fold.text)
        assert all(f"the store/{name}" in named for name in (*(one.name for one in spoilt), cut.id))
        assert not open_page("run", id=cut.id).exception
    finally:
        for folder in (*spoilt, runs_folder / cut.id):
            shutil.rmtree(folder)


def test_runs_are_found_and_sorted(open_page, made):
    at = open_page("runs", **{"runs.text": "BOAT night", "runs.order": "Seed"})
    assert rows(at) == [made[1003], made[1002], made[1001]]
    at.toggle(key="runs.up").set_value(True).run()
    assert rows(at) == [made[1001], made[1002], made[1003]]
    at.multiselect(key="runs.solver").set_value(["heun"]).run()
    assert rows(at) == [made[1002]]
    at.text_input(key="runs.text").set_value("no such words").run()
    assert rows(at) == [] and "No stored run has all that" in at.info[0].value


def test_marked_runs_are_found(open_page, made, runs_folder):
    mark(runs_folder, [made[1001]], star=True, add=["fine"])
    for field in ({"runs.star": "true"}, {"runs.tag": "fine"}, {"runs.text": "fine"}):
        at = open_page("runs", **field)
        assert rows(at) == [made[1001]]
        assert at.dataframe[0].value["star"].tolist() == ["★"]


def test_active_filters_are_counted_and_cleared(open_page, made):
    at = open_page("runs", **{"runs.star": "true", "runs.solver": "heun", "runs.text": "boat"})
    assert clear_of(at) and rows(at) == []
    assert "Filters (2)" in [popover.proto.popover.label for popover in at.get("popover")]
    at.button(key="runs.clear").click().run()
    assert not at.exception and not clear_of(at)
    assert set(rows(at)) >= {made[1001], made[1002]}
    assert at.text_input(key="runs.text").value == "boat"


def clear_of(at):
    """The button that clears the filters, where it is drawn."""
    return [button for button in at.button if button.key == "runs.clear"]


def test_count_and_rows_are_of_one_moment(runs_folder, made, monkeypatch):
    index, search = RunIndex(runs_folder), Search(text="boat night")
    index.refresh()
    ticked = {}
    monkeypatch.setattr(table.st, "session_state", ticked)
    before = table.counted(index, search)
    ticked |= {table._SHOWN: ("key", None), "key": SimpleNamespace(selection=TICKED)}
    delete_run(runs_folder, made[1003])
    try:
        index.refresh()
        assert table.counted(index, search) == before
        ticked["key"] = None
        assert table.counted(index, search).runs == before.runs - 1
    finally:
        restore_run(runs_folder, made[1003])


TICKED = SimpleNamespace(rows=[0])


@pytest.mark.parametrize("look", ["Gallery", "Chart"])
def test_runs_are_shown_in_other_ways(open_page, made, look):
    at = open_page("runs", **{"runs.look": look, "runs.text": "boat"})
    assert not at.exception and not at.dataframe
    chart = at.get("vega_lite_chart")
    assert bool(chart) == (look == "Chart")


def test_a_column_of_too_many_names_is_said(open_page, made, runs_folder, monkeypatch):
    monkeypatch.setattr("dashboard.views.runs.any_columns.MOST_NAMES", 1)
    at = open_page("runs", **{"runs.look": "Chart", "runs.y": "solver"})
    assert "values here, too many for an axis" in at.info[0].value


def test_runs_are_compared(open_page, made):
    at = open_page("runs", of=f"{made[1001]},{made[1002]}")
    assert not at.exception and not at.error
    differs = at.dataframe[0].value.set_index("setting")
    assert list(differs.columns) == ["ddim · seed 1001", "heun · seed 1002"]
    assert set(differs.index) == {"solver", "seed", "nfe"}
    same = at.dataframe[1].value.set_index("setting")
    assert set(same.loc["curve"]) == {"as trained"}
    at.selectbox(key="runs.measure").set_value("x0_pred_std").run()
    assert not at.exception and at.get("vega_lite_chart")
    at.button(key="runs.back").click().run()
    assert made[1001] in rows(at)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ("0123456789abcdef,fedcba9876543210", "no run in"),
        ("../x,../y", "is no run id"),
        ("0123456789abcdef", "2 to 12 different runs can be compared, got 1"),
    ],
)
def test_what_cannot_be_compared_is_said(open_page, runs_folder, runs, message):
    at = open_page("runs", of=runs)
    assert not at.exception and message in read(at.error[0])


def test_sql_is_answered_and_shut(open_page, made):
    at = open_page("runs", **{"runs.section": "SQL"})
    at.text_area(key="runs.sql").set_value(
        "SELECT count(*) AS n FROM runs WHERE prompt LIKE '%boat%'"
    )
    at.button(key="runs.sql.go").click().run()
    assert not at.exception and at.dataframe[0].value["n"].tolist() == [3]
    at.text_area(key="runs.sql").set_value("COPY runs TO 'x.csv'")
    at.button(key="runs.sql.go").click().run()
    assert "SQL must be one SELECT" in read(at.error[0])


def test_the_trash_lists_what_was_deleted(open_page, made, runs_folder, monkeypatch):
    shutil.copytree(runs_folder / made[1003], runs_folder / "kept")
    delete_run(runs_folder, made[1003])
    try:
        assert made[1003] not in rows(open_page("runs"))
        at = open_page("runs", **{"runs.section": "Trash"})
        listed = at.dataframe[0].value.set_index("id")
        assert listed.loc[made[1003], "prompt"] == "a boat at night"
        assert at.button(key="runs.restore").disabled
        with monkeypatch.context() as patch:
            patch.setattr(trash, "SHOWN", 0)
            few = open_page("runs", **{"runs.section": "Trash"})
            assert f"The last 0 of {len(listed)} are shown." in read_captions(few)
        at.button(key="runs.empty").click().run()
        assert not at.exception and "The trash is empty" in at.info[0].value
    finally:
        (runs_folder / "kept").rename(runs_folder / made[1003])


def test_the_trash_lists_every_kind(open_page, runs_folder):
    grid = Grid(Experiment(prompt="a thrown star", num_steps=2), {"cfg": "1, 4"})
    save_grid(grid, runs_folder)
    SweepFolder(runs_folder, grid.id).save(grid)
    for kind in ("grid", "sweep"):
        delete(runs_folder, kind, grid.id)
    listed = open_page("runs", **{"runs.section": "Trash"}).dataframe[0].value
    thrown = listed[listed["id"] == grid.id].set_index("kind")
    assert set(thrown.index) == {"grid", "sweep"}
    assert set(thrown["prompt"]) == {"guidance scale: a thrown star"}
    assert empty_trash(runs_folder) >= 2


def test_a_grid_is_deleted_from_the_list(runs_folder, monkeypatch):
    grid = Grid(Experiment(prompt="a thrown star", num_steps=2), {"cfg": "1, 4"})
    save_grid(grid, runs_folder)
    state = {"runs.grids.thrown": {"row": 1}}
    monkeypatch.setattr(stored_list.st, "session_state", state)
    throw = partial(delete, runs_folder, "grid")
    stored_list._thrown("runs.grids", ("a", grid.id), throw)
    assert [deleted.name for deleted in list_trash(runs_folder)] == [grid.id]
    stored_list._thrown("runs.grids", ("a", grid.id), throw)
    assert f"No grid {grid.id} is stored" in state["runs.grids.said"]
    empty_trash(runs_folder)


def test_what_goes_soon_is_said_before(open_page, made, runs_folder, monkeypatch):
    rules = Retention(days=90.0, gib=1e-6, trash_days=30.0)
    monkeypatch.setattr(going_soon, "serving", lambda: SimpleNamespace(retention=rules))
    mark(runs_folder, [made[1002]], star=True)
    at = open_page("runs")
    assert not at.exception
    fold = next(fold for fold in at.expander if "go to the trash within a week" in fold.label)
    listed = fold.dataframe[0].value.set_index("run")
    assert made[1003] in listed.index and made[1002] not in listed.index
    assert listed.loc[made[1003], "prompt"] == "a boat at night"
    said = read_captions(at).replace("\\", "")
    assert "Runs are kept for 90 days, as long as all take at most 1.0 KiB" in said
    assert "The trash keeps what it gets for 30 days" in said


@pytest.fixture
def slow_to_read(runs_folder, monkeypatch):
    """Of the store nothing is read, as if each of its folders took ages."""
    monkeypatch.setattr(reading, "AT_ONCE_SECONDS", 0.0)
    monkeypatch.setattr(reading, "A_TICK_SECONDS", 0.0)
    folders = [runs_folder / f"{number:016x}" for number in range(300)]
    for folder in folders:
        folder.mkdir()
    yield
    for folder in folders:
        folder.rmdir()


def progress(at):
    return [bar.proto.text for bar in at.get("progress")]


def test_many_new_folders_are_read_while_it_is_said(open_page, made, slow_to_read, monkeypatch):
    at = open_page("runs")
    said = r"Reading run folders, the newest first: [\d,]+ of [\d,]+\."
    assert re.match(said, progress(at)[0]) and not at.exception
    monkeypatch.setattr(reading, "AT_ONCE_SECONDS", 240.0)
    assert not progress(at.run()) and "300 damaged run folders" in at.expander[0].label


def test_reading_is_stopped_and_goes_on(open_page, made, slow_to_read, monkeypatch):
    at = open_page("runs")
    at.button(key="runs.reading").click().run()
    assert progress(at)[0].startswith("Stopped reading run folders:")
    monkeypatch.setattr(reading, "AT_ONCE_SECONDS", 240.0)
    assert progress(at.run()) and at.button(key="runs.reading").label == "Read on"
    at.text_input(key="runs.text").set_value("boat").run()
    assert progress(at) and set(rows(at)) >= set(made.values())  # what was read is found
    at.button(key="runs.reading").click().run()
    assert not progress(at) and "300 damaged run folders" in at.expander[0].label


def test_the_list_is_there_again_after_another_page(open_page, made):
    at = open_page("runs")
    for page in ("glossary", "runs"):
        at.switch_page(f"../../pages/{page}.py").run()
    assert made[1001] in rows(at)


def test_another_search_begins_with_its_first_page(open_page, made, monkeypatch):
    monkeypatch.setattr(found, "PAGE_SIZE", 1)
    at = open_page("runs", **{"runs.text": "boat night", "runs.order": "Seed"})
    at.number_input[0].set_value(3).run()
    assert rows(at) == [made[1001]]
    at.text_input(key="runs.text").set_value("boat night ddim").run()
    assert rows(at) == [made[1003]]
    at.text_input(key="runs.text").set_value("boat night heun").run()
    assert rows(at) == [made[1002]] and not at.number_input


def test_days_are_those_of_the_browsers_clock(monkeypatch):
    monkeypatch.setattr("dashboard.shell.clock.browser_zone", lambda: ZoneInfo("Asia/Tokyo"))
    first, last = date(2026, 11, 30), date(2026, 12, 1)
    begins, ends = datetime(2026, 11, 29, 15), datetime(2026, 12, 1, 15)
    assert found._span((first, last)) == (begins, ends)
    assert found._span((first,)) == (begins, None) and found._span(()) == (None, None)
    assert Search.of_pairs(Search(since=begins, until=ends).pairs).since == begins


def test_the_actions_take_the_same_place_before_a_row_is_ticked(open_page, made):
    at = open_page("runs", **{"runs.text": "boat"})
    assert rows(at) and "0 ticked" in [text.value for text in at.text]
    assert at.button(key="runs.open").disabled and at.button(key="runs.give_star").disabled
    assert "Tick rows or pictures to open" in read_captions(at)
    assert at.button(key="runs.no_csv").disabled and at.button(key="runs.no_parquet").disabled
