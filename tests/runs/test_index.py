"""The table of all runs says what the folders say, whatever happens to folders and cache."""

import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import parse_qsl, urlencode

import pandas as pd
import pytest

import sdlab
from sdlab.columns import RUNS
from sdlab.comparing.result import FOLDER
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.half_reference import half_reference
from sdlab.runs import index as index_module
from sdlab.runs.index import CACHE, RunIndex, index_of
from sdlab.runs.marks import mark
from sdlab.runs.parts import parts, title
from sdlab.runs.run_folder import read_manifest
from sdlab.runs.search import ALONE, Search
from tests.runs.conftest import copy_of

EVERY = Search(problem=None, order="run", descending=False)


@pytest.fixture
def root(stored):
    """Four runs: heun and ddim, two prompts, times, models."""
    copy_of(stored, solver="heun", seed=1, prompt="a red car", created="2026-03-01T10:00:00+00:00")
    copy_of(stored, solver="heun", seed=2, num_steps=9, created="2026-03-02T00:30:00+02:00")
    copy_of(stored, seed=3, prompt="a red 50% boat", created="2026-03-03T10:00:00+00:00")
    return stored.parent


def fresh(root):
    """What a process finds that has never looked, without the cache."""
    shutil.rmtree(root / CACHE.parent, ignore_errors=True)
    return found(RunIndex(root))


def found(index):
    index.refresh()
    return index.find(EVERY)


def test_sdlab_runs_is_the_table_of_runs(root, run):
    table = sdlab.runs(root)
    assert list(table.columns) == list(RUNS) and len(table) == 4
    row = table.set_index("run").loc[run.id]
    assert row["prompt"] == run.experiment.prompt and row["seed"] == 2**64 - 1
    assert row["nfe"] == 16 and row["seconds"] > 0 and row["device"] == "cpu"
    assert row["bytes"] == sum(p.stat().st_size for p in (root / run.id).iterdir())
    assert row["options"] == "" and not row["star"] and row["comparison"] == ""
    assert row["path"] == str(root / run.id)
    assert table["created"].is_monotonic_decreasing and str(table["created"].dt.tz) == "UTC"


@pytest.mark.parametrize(
    ("search", "seeds"),
    [
        ({"text": "RED car"}, [1]),
        ({"text": "50% red"}, [3]),
        ({"text": "heun"}, [1, 2]),
        ({"text": "none such"}, []),
        ({"solver": "heun", "order": "num_steps", "descending": False}, [2, 1]),
        ({"solver": ("heun", "ddim"), "until": "2026-03-02"}, [1, 2]),
        (
            {"since": "2026-03-01", "until": "2026-03-01"},
            [1, 2],
        ),  # 00:30 in +02:00 is the day before
        ({"since": "2026-03-01T12:00", "until": "2026-03-02"}, [2]),
        ({"model": "embedded", "until": "2026-03-01T12:00"}, [1]),
        ({"order": "seed", "until": "2026-04-01"}, [3, 2, 1]),
        ({"text": "red " * 5000 + "car", "until": "9999-12-31"}, [1]),
        ({"since": "2026-03-03T12:00+02:00", "until": "2026-03-03T12:00:01+02:00"}, [3]),
        ({"tag": ["fine"] * 20_000, "solver": ("heun", *map(str, range(20_000)))}, [2]),
        ({"star": True}, [2]),
        ({"tag": "fine"}, [2, 3]),
        ({"tag": ("fine", "dark blue")}, [3]),
        ({"tag": "blue"}, []),
        ({"text": "blue"}, [3]),
    ],
)
def test_runs_are_found(root, search, seeds):
    by_seed = {int(row.seed): row.run for row in sdlab.runs(root).itertuples()}
    mark(root, [by_seed[2]], star=True, add=["fine"])
    mark(root, [by_seed[3]], add=["fine", "dark blue"])
    got = [int(seed) for seed in sdlab.runs(root, **search)["seed"]]
    assert got == seeds if "order" in search else sorted(got) == seeds


def test_runs_are_found_by_their_ids(root):
    heun = sdlab.runs(root, solver="heun")["run"].tolist()
    assert sdlab.runs(root, run=heun)["run"].tolist() == heun and len(heun) == 2
    assert sdlab.runs(root, run=heun[1])["run"].tolist() == heun[1:]
    assert sdlab.runs(root, run=heun, text="50%").empty


@pytest.mark.parametrize("column", RUNS)
def test_any_column_sorts_missing_values_last(root, column):
    (root / ("0" * 16)).mkdir()  # of which nothing is known
    up = sdlab.runs(root, order=column, descending=False)[column].dropna().tolist()
    assert up == sorted(up)
    down = sdlab.runs(root, order=column)[column]
    assert not down.isna().any() or down.isna().iloc[-1]
    assert down.dropna().tolist() == up[::-1]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"solvr": "heun"}, "Did you mean 'solver'"),
        ({"order": "sed"}, "Unknown column of runs"),
        ({"order": 'seed"; DROP TABLE runs; --'}, "Unknown column of runs"),
        ({"since": "yesterday"}, "since must be a day"),
        ({"until": "2026-13-01"}, "until must be a day"),
        ({"since": "0001-01-01T00:00+14:00"}, "since must be a day"),
        ({"text": "\udcff"}, "half of a surrogate pair"),
        ({"tag": ["a\0"]}, "a control character"),
        ({"text": " ".join(map(str, range(101)))}, "at most 100 words, got 101"),
    ],
)
def test_a_search_for_what_there_is_not_is_refused(root, search, message):
    with pytest.raises(ValueError, match=message):
        sdlab.runs(root, **search)


@pytest.mark.parametrize(
    "search",
    [
        Search(),
        Search(text="a & b=c", solver=("heun", "ddim"), star=True, descending=False, problem=None),
        Search(
            since="2026-01-31", until="2026-02-01T10:30", tag="x", comparison=ALONE, run=("0" * 16,)
        ),
    ],
)
def test_a_search_fits_into_an_address(search):
    assert Search.of_pairs(parse_qsl(urlencode(search.pairs))) == search


def test_pages_of_rows_are_the_whole(root):
    index = index_of(root)
    index.refresh()
    pages = [index.find(Search(order="seed"), limit=2, offset=at) for at in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 2, 0]
    whole = index.find(Search(order="seed"))
    pd.testing.assert_frame_equal(pd.concat(pages[:2], ignore_index=True), whole)
    assert index.totals(Search()) == (4, whole["bytes"].sum())
    assert index.values("solver") == {"ddim": 2, "heun": 2}


def test_short_answers_are_kept_until_anything_changes(root, monkeypatch):
    index = RunIndex(root)
    index.refresh()
    asked, real = [], index._ask
    monkeypatch.setattr(index, "_ask", lambda *args: asked.append(args) or real(*args))
    for _ in range(2):
        assert index.totals(Search()).runs == 4 and index.values("solver") == {"ddim": 2, "heun": 2}
        assert index.totals(Search(text="boat")).runs == 1 and index.folded_rows(Search()) == 4
    assert len(asked) == 4
    shutil.rmtree(root / index.find(Search(text="boat"))["run"][0])
    index.refresh()
    assert index.totals(Search()).runs == 3 and index.values("solver") == {"heun": 2, "ddim": 1}
    assert index.totals(Search(text="boat")).runs == 0 and index.folded_rows(Search()) == 3
    monkeypatch.setattr(index_module, "KEPT", 1)
    assert index.totals(Search(text="car")).runs == 1 and len(index._answers) == 1


def test_what_changes_is_seen_and_nothing_else_is_read(root, monkeypatch, run):
    index = RunIndex(root)
    before = found(index)
    read = []
    real = index_module.read_row
    monkeypatch.setattr(index_module, "read_row", lambda path: read.append(path.name) or real(path))
    pd.testing.assert_frame_equal(found(index), before)
    assert read == []
    gone, kept = before["run"][:2]
    shutil.rmtree(root / gone)
    mark(root, [kept], note="a note")
    new = copy_of(root / kept, seed=77)
    after = found(index)
    assert sorted(read) == sorted([kept, new.name])
    assert set(after["run"]) == set(before["run"]) - {gone} | {new.name}
    assert after.set_index("run").loc[kept, "note"] == "a note"
    pd.testing.assert_frame_equal(after, fresh(root))


def test_the_next_process_starts_from_the_cache(root, monkeypatch):
    monkeypatch.setattr(index_module, "BEHIND", 1)
    before = fresh(root)
    assert (root / CACHE).is_file()
    monkeypatch.setattr(index_module, "read_row", None)  # not one folder is read
    pd.testing.assert_frame_equal(found(RunIndex(root)), before)


@pytest.mark.parametrize("spoil", ["cut", "text", "link", "other columns", "pipe", "folder"])
def test_a_spoilt_cache_is_passed_over(root, monkeypatch, spoil, tmp_path):
    monkeypatch.setattr(index_module, "BEHIND", 1)
    before, cache = fresh(root), root / CACHE
    whole = cache.read_bytes()
    cache.unlink()
    if spoil == "cut":
        cache.write_bytes(whole[:-100])
    elif spoil == "text":
        cache.write_text("nothing")
    elif spoil == "link":
        (tmp_path / "elsewhere").write_bytes(whole)
        cache.symlink_to(tmp_path / "elsewhere")
    elif spoil == "other columns":
        before[["run"]].to_parquet(cache)
    elif spoil == "pipe":
        os.mkfifo(cache)
    else:
        cache.mkdir()
    pd.testing.assert_frame_equal(found(RunIndex(root)), before)


def test_a_damaged_folder_is_looked_at_again_by_the_next_process(root, monkeypatch):
    monkeypatch.setattr(index_module, "BEHIND", 1)
    folder = root / ("0" * 16)
    folder.mkdir()
    assert "no manifest" in fresh(root).set_index("run").loc[folder.name, "problem"]
    os.utime(folder, (1, 1))
    age = folder.stat().st_mtime_ns
    index_of(root).refresh()
    (folder / "manifest.json").write_text("{")
    os.utime(folder, ns=(age, age))
    assert "cannot be read as JSON" in found(RunIndex(root)).iloc[0]["problem"]


def test_a_store_that_cannot_be_written_is_listed(root, monkeypatch, caplog):
    monkeypatch.setattr(index_module, "BEHIND", 1)
    (root / CACHE.parent).write_text("in the way of the cache")
    assert len(found(RunIndex(root))) == 4
    assert "not kept" in caplog.text


def test_reading_goes_on_where_it_was_stopped(root):
    index = RunIndex(root)
    for number in range(index_module.BATCH):
        (root / f"{number:016x}").mkdir()
    assert index.refresh(seconds=0) == index_module.BATCH + 4
    assert len(index.find(EVERY)) == 0
    assert index.refresh() == 0
    assert len(index.find(EVERY)) == index_module.BATCH + 4


def test_the_newest_folders_are_read_first(root, monkeypatch):
    for number in range(index_module.BATCH):
        folder = root / f"{number:016x}"
        folder.mkdir()
        os.utime(folder, (number, number))
    read, real = [], index_module.read_row
    monkeypatch.setattr(index_module, "read_row", lambda path: read.append(path.name) or real(path))
    index = RunIndex(root)
    index.refresh()
    assert read[4:] == [f"{number:016x}" for number in reversed(range(index_module.BATCH))]
    assert index.unread == 0


def test_the_runs_at_half_a_references_steps_are_parts_too(root, stored, run):
    fine = copy_of(stored, solver="heun", seed=5, num_steps=50).name
    half = half_reference(Experiment.from_dict(read_manifest(root / fine)["experiment"]))
    shutil.copytree(root / fine, root / half.id)
    spec = {"reference_steps": 50, "prompts": ["a"], "seeds": [5]}
    comparison = root / FOLDER / ("c" * 16)
    comparison.mkdir(parents=True)
    values = {"format": 1, "runs": [fine, run.id], "comparison": spec}
    (comparison / "manifest.json").write_text(json.dumps(values))
    of = parts(root)
    assert of == dict.fromkeys([fine, run.id, half.id], "c" * 16)


def test_parts_of_a_comparison_say_so(root, run):
    comparison = root / FOLDER / ("c" * 16)
    comparison.mkdir(parents=True)
    text = f'{{"format": 1, "runs": ["{run.id}", "../x", 5]}}'
    (comparison / "manifest.json").write_text(text)
    (root / FOLDER / ("d" * 16)).mkdir()
    table = sdlab.runs(root).set_index("run")
    assert table.loc[run.id, "comparison"] == "c" * 16
    assert (table["comparison"] != "").sum() == 1
    assert len(sdlab.runs(root, comparison=ALONE)) == 3
    assert sdlab.runs(root, comparison="c" * 16)["run"].tolist() == [run.id]
    assert title(root, "d" * 16) == "d" * 16
    shutil.rmtree(comparison)
    assert (sdlab.runs(root)["comparison"] == "").all()


def _reads(root, barrier):
    index_module.BEHIND = 1
    barrier.wait(60)
    return found(RunIndex(root))["run"].tolist()


def test_two_processes_keep_one_cache(root):
    shutil.rmtree(root / CACHE.parent, ignore_errors=True)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, context) as pool:
        barrier = manager.Barrier(2)
        both = [pool.submit(_reads, root, barrier) for _ in range(2)]
        got = [one.result(timeout=240) for one in both]
    assert got[0] == got[1] == found(RunIndex(root))["run"].tolist()
