"""The list of runs in which a comparison is one row."""

import json

import pytest

from sdlab.runs.index import RunIndex
from sdlab.runs.parts import COMPARISONS
from sdlab.runs.search import Search
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
