"""Sweeps in submitit's jobs, by its executor for one machine."""

import os
import signal

import pytest

import sdlab
from sdlab.errors import SdlabError
from sdlab.sweeping.executors.slurm_jobs import Slurm
from sdlab.sweeping.sweep_folder import SweepFolder
from tests.sweeping.test_sweep import assert_same_runs, inodes

pytestmark = pytest.mark.every  # each job imports torch; test_executors has all but submitit
pytest.importorskip("submitit", reason="pip install -r requirements-every.txt")

LOCAL = Slurm(jobs=2, cluster="local", poll_seconds=0.1, loading={"device": "cpu"})


def children(of):
    """Return the processes that a process has started."""
    import psutil

    return [child.pid for child in psutil.Process(of).children(recursive=True)]


def test_jobs_make_a_sweep_and_one_that_is_killed_is_submitted_again(model, spec, tmp_path):
    seen, killed = [], []

    def watch(done, total):
        seen.append(inodes(tmp_path))
        if not killed and 0 < done < total:
            killed.extend(children(os.getpid()))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    table = sdlab.sweep(model, spec, root=tmp_path, on=LOCAL, on_progress=watch, alone=True).table
    assert (table["state"] == "done").all() and killed
    assert all(stored.items() <= inodes(tmp_path).items() for stored in seen)
    sdlab.sweep(model, spec, root=tmp_path / "here", alone=True)
    assert_same_runs(tmp_path, tmp_path / "here")


def test_jobs_are_cancelled_with_the_sweep(model, spec, tmp_path):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    before = set(children(os.getpid()))
    with pytest.raises(Stop):
        sdlab.sweep(model, spec, root=tmp_path, on=LOCAL, on_progress=stop)
    import psutil

    started = [psutil.Process(pid) for pid in set(children(os.getpid())) - before]
    assert not psutil.wait_procs(started, timeout=60)[1] and not inodes(tmp_path)


def test_a_model_that_no_job_can_load_ends_the_sweep(small, spec, tmp_path):
    with pytest.raises(SdlabError, match="Every job failed: ModelError.*Their logs"):
        sdlab.sweep(small, spec, root=tmp_path, on=LOCAL)
    assert not inodes(tmp_path) and not SweepFolder(tmp_path, spec.id).errors()


def test_what_submitit_refuses(model, spec, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="submitit refuses a parameter"):
        odd = Slurm(cluster="local", parameters={"partitoin": "gpu"})
        sdlab.sweep(model, spec, root=tmp_path, on=odd)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SdlabError, match="sbatch is not found"):
        sdlab.sweep(model, spec, root=tmp_path, on=Slurm())
