"""Sweeps carried out: what is stored is kept, what fails is told, the table has all of it."""

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import sdlab
from sdlab.errors import StoreError
from sdlab.experiment.overrides import sweep_of
from sdlab.experiment.sweep import Sweep
from sdlab.sampling import exact_calls
from sdlab.solvers import registry
from sdlab.sweeping.result import open_sweep
from sdlab.sweeping.sweep_folder import SweepFolder
from tests.sweeping.killed import SPEC

ROOT = Path(__file__).parents[2]
BASE = SPEC.base


def inodes(root):
    """Which folder each run lies in; a run that is written again lies in another."""
    return {path.name: path.stat().st_ino for path in Path(root).glob("[0-9a-f]*")}


def assert_same_runs(one, other):
    """Assert that two stores hold the same runs, all but times bit for bit."""
    assert inodes(one).keys() == inodes(other).keys()
    for name in inodes(one):
        a, b = (sdlab.open_run(Path(root) / name) for root in (one, other))
        assert set(a.tensors) == set(b.tensors) and a.image.tobytes() == b.image.tobytes()
        assert all(torch.equal(a.tensors[key], b.tensors[key]) for key in a.tensors)
        assert a.manifest["shared_calls"] == b.manifest["shared_calls"]
        for table in ("channels", "tokens"):
            pd.testing.assert_frame_equal(a.tables[table], b.tables[table])


def killed(store, moments):
    """Make the sweep, killed at each moment, and return the runs that were there after each."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sweeping.killed", str(store), *map(str, moments)],
        cwd=ROOT, capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *lines, last = (line.split() for line in done.stdout.splitlines())
    assert last == ["0"] and [line[0] for line in lines] == ["9"] * len(moments), done.stderr
    return [dict(word.split(":") for word in line[1:]) for line in lines]


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    """The sweep made in one go, and the folder of its runs."""
    root = tmp_path_factory.mktemp("undisturbed")
    return sdlab.sweep(small, SPEC, root=root), root


def check_killed(moments, tmp_path, undisturbed):
    after = killed(tmp_path, moments)
    at_end = {name: str(inode) for name, inode in inodes(tmp_path).items()}
    assert all(stored.items() <= at_end.items() for stored in after)  # nothing lost or made twice
    assert_same_runs(tmp_path, undisturbed[1])
    assert not list(tmp_path.glob(".*.old"))
    assert (open_sweep(tmp_path, SPEC.id).table["state"] == "done").all()
    return after


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork; runs on Linux and macOS")
def test_killed_in_its_writes_it_goes_on_bit_for_bit(tmp_path, undisturbed):
    after = check_killed([-8, -9], tmp_path, undisturbed)  # some of a batch had got their names
    assert [len(stored) for stored in after] == [2, 4]


@pytest.mark.every
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork; runs on Linux and macOS")
def test_killed_at_many_moments_it_goes_on_bit_for_bit(tmp_path, undisturbed):
    drawn = random.Random(7)
    check_killed([drawn.randint(1, 60) for _ in range(12)], tmp_path, undisturbed)


def test_the_table_has_axes_and_measures_and_names_the_best(undisturbed):
    result, root = undisturbed
    first = ["run", "solver", "seed", "state", "nfe", "seconds", "shared", "error"]
    assert list(result.table.columns) == first and (result.table["state"] == "done").all()
    assert list(result.table["nfe"]) == [2, 3] * 3  # Heun's last step is Euler's
    cells = result.cells("nfe")
    assert cells[["solver", "nfe", "runs"]].values.tolist() == [["ddim", 2, 3], ["heun", 3, 3]]
    assert result.best("minimize: nfe")["solver"] == "ddim"
    assert result.best("maximize:nfe", over=())["solver"] == "heun"
    again = open_sweep(root, SPEC.id)
    assert again.sweep == SPEC and (SweepFolder(root, SPEC.id).path / "sheet.png").is_file()
    pd.testing.assert_frame_equal(again.table, result.table, check_dtype=False)


def test_what_is_stored_is_not_made_again_also_of_another_sweep(small, undisturbed):
    _, root = undisturbed
    before, asked = inodes(root), []
    wider = Sweep(BASE, {"seed": range(4)})
    result = sdlab.sweep(small, wider, root=root, on_progress=lambda *done: asked.append(done))
    assert asked[-1] == (2, 2) and (result.table["state"] == "done").all()
    assert before.items() <= inodes(root).items()
    for added in set(inodes(root)) - set(before):
        assert not sdlab.open_run(root / added).manifest["shared_calls"]


def test_alone_it_is_the_run_bit_for_bit(small, tmp_path, monkeypatch):
    for name, value in {"LONGEST": float("inf"), "PAYS": 0, "CHECKS": 1}.items():
        monkeypatch.setattr(exact_calls, name, value)
    spec = Sweep(BASE.with_(num_steps=4), {"seed": range(3)})
    sdlab.sweep(small, spec, root=tmp_path)
    shared = inodes(tmp_path)
    sdlab.sweep(small, spec, root=tmp_path, alone=True)
    assert not shared.items() & inodes(tmp_path).items()  # those that shared calls do not count
    for experiment in spec.experiments:
        stored = sdlab.open_run(tmp_path / experiment.id)
        assert torch.equal(stored.latents, sdlab.run(small, experiment).latents)
        assert stored.manifest["largest_call"] > 2  # joined where no bit changes


def test_a_failure_is_kept_and_made_again_only_if_asked_for(small, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_SOLVERS", dict(registry.solvers()))
    broken = [True]

    @sdlab.solver("fails_once", order=1)
    def fails_once(x, sigmas, noise):
        """Raise in a run, but not in the trial before it, which is on numbers."""
        yield x, sigmas[0]
        if broken and getattr(x, "ndim", 0) == 4:
            raise ValueError("no luck")
        return x

    spec = sweep_of(["solver=ddim,fails_once,hoin"], BASE)
    table = sdlab.sweep(small, spec, root=tmp_path).table.set_index("solver")
    assert list(table["state"]) == ["done", "failed", "failed"]
    assert table["error"]["fails_once"] == "ValueError: no luck"
    assert "Did you mean" in table["error"]["hoin"]
    broken.clear()
    table = sdlab.sweep(small, spec, root=tmp_path).table
    assert list(table["state"]) == ["done", "failed", "failed"]
    table = sdlab.sweep(small, spec, root=tmp_path, resume_errored=True).table
    assert list(table["state"]) == ["done", "done", "failed"]


def test_what_was_under_way_can_be_left_out(small, tmp_path):
    spec = Sweep(BASE, {"seed": range(2)})
    folder = SweepFolder(tmp_path, spec.id)
    folder.begin([[[spec.experiments[0].id]]])
    table = sdlab.sweep(small, spec, root=tmp_path, resume_unfinished=False).table
    assert list(table["state"]) == ["failed", "done"] and "under way" in table["error"][0]
    table = sdlab.sweep(small, spec, root=tmp_path, resume_errored=True).table
    assert list(table["state"]) == ["done", "done"]


def test_a_line_that_a_crash_cut_off_hides_no_error(tmp_path):
    folder = SweepFolder(tmp_path, "0" * 16)
    folder.path.mkdir(parents=True)
    (folder.path / "errors.jsonl").write_text('{"run": "a", "err')
    folder.fail("b", ValueError("why"))
    assert folder.errors() == {"b": "ValueError: why"}


def test_measures_of_ones_own_and_by_name(small, tmp_path):
    spec = Sweep(BASE, {"seed": range(2)})
    own = {"width": lambda run: run.image.width}
    table = sdlab.sweep(small, spec, root=tmp_path, measures=own).table
    assert list(table["width"]) == [64, 64]
    result = sdlab.sweep(small, spec, root=tmp_path, measures=["contrast", "fidelity"])
    assert result.table["contrast"].between(0, 0.5).all() and result.table["fidelity"].isna().all()
    with pytest.raises(ValueError, match="No run of this sweep has the measure 'fidelity'"):
        result.best("maximize: fidelity")
    for goal, message in {"most: nfe": "A goal is", "maximize: nf": "Did you mean 'nfe'"}.items():
        with pytest.raises(ValueError, match=message):
            result.best(goal)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": Sweep(BASE, {"solver": ["hoin", "doim"]})}, "Unknown solver 'hoin'"),
        ({"measures": ["contrasts"]}, "Did you mean 'contrast'"),
    ],
)
def test_what_a_sweep_refuses_before_it_begins(small, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        sdlab.sweep(small, **{"spec": SPEC, "root": tmp_path, **change})
    assert not inodes(tmp_path)


def test_a_sweep_belongs_to_one_process_at_a_time(small, tmp_path):
    with SweepFolder(tmp_path, SPEC.id).held():
        with pytest.raises(StoreError, match="is being made by another process"):
            sdlab.sweep(small, SPEC, root=tmp_path)
    with pytest.raises(StoreError, match="No sweep"):
        open_sweep(tmp_path, SPEC.id)
