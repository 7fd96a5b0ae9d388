"""The list of runs in which a comparison is one row."""

import json

import pandas as pd
import pytest

import sdlab
from sdlab.experiment.sweep import Sweep
from sdlab.runs.index import RunIndex
from sdlab.runs.listing import list_folded, list_runs
from sdlab.runs.parts import COMPARISONS, kind_of, title
from sdlab.runs.search import Search
from sdlab.runs.sweep_parts import CELLS, SWEEPS, TABLE, cells
from sdlab.sweeping.sweep_folder import SweepFolder
from tests.runs.conftest import copy_of

BY_SEED = Search(order="seed", descending=False)
ONE, TWO = "c" * 16, "d" * 16


@pytest.fixture
def index(stored):
    """Runs of the seeds 1 to 6: 2, 4 and 6 are parts of a comparison, 3 is that of another."""
    runs = [copy_of(stored, seed=seed).name for seed in range(1, 7)]
    for name, of in ((ONE, runs[1::2]), (TWO, runs[2:3])):
        folder = stored.parent / COMPARISONS / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"format": 1, "runs": of}))
    found = RunIndex(stored.parent)
    found.refresh()
    return found


def listed(index, *args, search=BY_SEED, **named):
    """The seeds of the rows, with how many runs each stands for and whether it is under one."""
    rows = index.folded(search, *args, **named)
    return list(zip(rows["seed"] % 2**63, rows["parts"], rows["under"], strict=True))[:20]


OWN = 2**63 - 1
"""The seed of the run that the others are copies of."""


def test_a_comparison_is_one_row_where_its_first_part_is(index):
    rows = [(1, 0, False), (2, 3, False), (3, 1, False), (5, 0, False), (OWN, 0, False)]
    assert listed(index) == rows and index.folded_rows(BY_SEED) == 5
    down = Search(order="seed")
    assert [seed for seed, *_ in listed(index, search=down)] == [OWN, 6, 5, 3, 1]


def test_its_parts_are_shown_below_it(index):
    rows = listed(index, [ONE])
    assert rows[1:5] == [(2, 3, False), (2, 0, True), (4, 0, True), (6, 0, True)]
    assert len(rows) == index.folded_rows(BY_SEED, [ONE]) == 8
    assert listed(index, ["no such"]) == listed(index)


def test_pages_of_rows_are_the_whole(index):
    pages = [listed(index, [ONE], limit=3, offset=at) for at in (0, 3, 6, 9)]
    assert sum(pages, []) == listed(index, [ONE]) and list(map(len, pages)) == [3, 3, 2, 0]


def test_only_found_parts_count(index):
    search = Search(run=tuple(index.find(BY_SEED)["run"][2:4]), order="seed")
    assert listed(index, [ONE], search=search) == [(4, 1, False), (4, 0, True), (3, 1, False)]
    assert index.folded_rows(search, [ONE]) == 3


def test_the_cells_of_a_sweep_are_one_row(stored):
    root = stored.parent
    runs = [copy_of(stored, seed=seed).name for seed in range(1, 6)]
    sweep = Sweep(sdlab.Experiment(prompt="a hill"), {"seed": "1-3", "solver": "heun"})
    folder = SweepFolder(root, sweep.id)
    folder.save(sweep)
    folder.note_cells(runs[:3])
    folder = root / COMPARISONS / ONE
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "runs": runs[2:4]}))
    index = RunIndex(root)
    index.refresh()
    rows = [(1, 2, False), (3, 2, False), (5, 0, False), (OWN, 0, False)]
    assert listed(index) == rows  # what is in both is the comparison's
    assert [kind_of(root, name) for name in (sweep.id, ONE)] == ["sweep", "comparison"]
    assert title(root, sweep.id) == "seed x solver: a hill"
    folded = list_folded(root, order="seed", descending=False)
    assert folded["run"][0] == sweep.id
    assert folded["prompt"][0] == "sweep of 2 runs: seed x solver: a hill"
    assert list_runs(root, comparison=sweep.id)["run"].nunique() == 2


def test_an_older_sweep_has_the_cells_of_its_table(stored):
    root, name = stored.parent, "e" * 16
    place = root / SWEEPS / name
    place.mkdir(parents=True)
    table = pd.DataFrame({"run": [stored.name], "state": ["done"]})
    table.to_parquet(place / TABLE)
    assert cells(root) == {stored.name: name}
    (place / CELLS).write_text('{"no": "list"}')
    assert cells(root) == {}
    assert title(root, name) == name
