"""The Runs page lists stored and unfinished runs, and names a spoilt one."""

import json
import os
import shutil

from dashboard.shell.lab import lab
from dashboard.views.runs.unfinished import alike, in_short
from dashboard.worker.snapshots import RunSnapshot
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid
from sdlab.runs.grids import FOLDER, save_grid
from tests.dashboard.conftest import run_until
from tests.dashboard.forms import titles


def test_runs_lists_the_stored_and_the_unfinished(open_page, slow_run):
    done = lab().submit(Experiment(prompt="a star", seed=4, num_steps=2))
    run_until(open_page("run", id=done), lambda a: a.header)
    at = open_page("runs")
    assert titles(at) == ["Runs"] and not at.exception
    table = at.dataframe[0].value
    assert done in set(table["id"])
    assert [h.value for h in at.header] == ["Stored", "Not stored"]


def test_equal_ended_runs_are_one_row_that_is_dismissed_at_once(open_page, monkeypatch):
    asked = [Experiment(prompt="a parrot", seed=seed, num_steps=900) for seed in range(12)]
    jobs = [RunSnapshot(run.id, "cancelled", experiment=run) for run in asked]
    gone = []
    monkeypatch.setattr(lab(), "jobs", lambda: [job for job in jobs if job.id not in gone])
    monkeypatch.setattr(lab(), "dismiss", gone.append)
    at = open_page("runs")
    assert "12 runs cancelled · a parrot" in [text.value for text in at.text]
    links = [link.proto.label for link in at.get("page_link") if "seed" in link.proto.label]
    assert len(links) == 12
    next(button for button in at.button if button.label == "Dismiss all").click().run()
    assert gone == [run.id for run in asked] and not at.exception
    assert "Not stored" not in [h.value for h in at.header]


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
        at = open_page("runs")
        assert not at.exception and any(tab.label.startswith("Grids (") for tab in at.tabs)
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
        named = " ".join(t.value for t in at.expander[0].text)
        assert all(str(folder) in named for folder in (*spoilt, runs_folder / cut.id))
        assert not open_page("run", id=cut.id).exception
    finally:
        for folder in (*spoilt, runs_folder / cut.id):
            shutil.rmtree(folder)
