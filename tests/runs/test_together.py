"""Two processes in one store: whatever each does meanwhile, runs are whole or not there."""

import subprocess
import sys
from pathlib import Path

import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.runs import RUN_ID
from sdlab.runs.compact import compact_runs
from sdlab.runs.marks import mark
from sdlab.runs.run_folder import save_run
from sdlab.runs.trash import list_trash
from tests.runs.test_compact import copy_of, own

OTHER = """
import sys
from contextlib import suppress
from pathlib import Path
from sdlab.errors import StoreError
from sdlab.runs.compact import compact_runs
from sdlab.runs.trash import delete_run, restore_run
root, rounds = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for turn in range(rounds):
    runs = sorted(path.name for path in root.iterdir() if len(path.name) == 16)
    for run in runs[turn % 2 :: 2]:
        with suppress(StoreError):  # gone, or made again meanwhile
            delete_run(root, run)
            restore_run(root, run)
    with suppress(StoreError):
        compact_runs(root)
"""


def test_one_trashes_and_compacts_what_the_other_writes_and_reads(run, stored):
    root = stored.parent
    others = [copy_of(stored, seed=seed) for seed in range(3)]
    before = {path.name: sdlab.open_run(path).tables for path in (stored, *others)}
    command = [sys.executable, "-c", OTHER, str(root), "12"]
    opened = 0
    with subprocess.Popen(command, cwd=Path.cwd(), stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        while other.poll() is None:
            save_run(run, root)
            assert set(sdlab.runs(root)["run"]) <= set(before)
            for name, tables in before.items():
                try:
                    found = sdlab.open_run(root / name)
                except StoreError:  # in the trash just now, or on its way
                    continue
                opened += 1
                assert all(found.tables[table].equals(tables[table]) for table in tables)
                mark_if_there(root, name)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("sdlab.runs.compact.BUSY", "busy {root}")
                compact_or_busy(root)
    assert other.returncode == 0 and opened > 0
    names = {path.name for path in root.iterdir() if RUN_ID.fullmatch(path.name)}
    assert names | {deleted.name for deleted in list_trash(root)} == set(before)
    compact_runs(root)
    assert not own(root)
    for name in names:
        found = sdlab.open_run(root / name).tables
        assert all(found[table].equals(before[name][table]) for table in found)


def mark_if_there(root, name):
    try:
        mark(root, [name], add=["seen"])
    except StoreError as error:
        assert name in str(error)


def compact_or_busy(root):
    try:
        compact_runs(root)
    except StoreError as error:
        assert str(error).startswith("busy")
