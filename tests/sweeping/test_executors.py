"""Sweeps made by workers: handed out again where one is lost, nothing twice, errors told."""

import json
import shutil

import pytest
from pyarrow.fs import LocalFileSystem

import sdlab
from sdlab.errors import ModelError, SdlabError, StoreError
from sdlab.extras import extra
from sdlab.sweeping.executors.crew import Order, Share
from sdlab.sweeping.executors.ray_cluster import Ray
from sdlab.sweeping.executors.slurm_jobs import ShareJob, Slurm
from sdlab.sweeping.hand_out import LOST
from sdlab.sweeping.run_store import LISTED, ObjectStore, store_of
from sdlab.sweeping.search import Search
from sdlab.sweeping.sweep_folder import SweepFolder
from sdlab.sweeping.worker import Worker
from tests.conftest import make_pipeline
from tests.sweeping.losing import Jobs, Losing
from tests.sweeping.test_sweep import assert_same_runs, inodes

EVALUATIONS = 15  # DDIM's two and Heun's three, thrice each


@pytest.fixture(scope="module")
def undisturbed(model, spec, tmp_path_factory):
    """The sweep made without losses."""
    root = tmp_path_factory.mktemp("undisturbed")
    assert (sdlab.sweep(model, spec, root=root, on=Losing()).table["state"] == "done").all()
    return root


def test_what_a_lost_worker_had_is_handed_out_again_and_not_made_twice(
    model, spec, tmp_path, undisturbed
):
    losing, seen, progress = Losing([1, 0]), [], []

    def watch(*done):
        seen.append(inodes(tmp_path))
        progress.append(done)

    table = sdlab.sweep(model, spec, root=tmp_path, on=losing, on_progress=watch).table
    assert (table["state"] == "done").all() and progress[-1] == (EVALUATIONS, EVALUATIONS)
    assert losing.begun[0] is losing.begun[1] is losing.begun[2] and len(losing.begun) == 5
    assert all(stored.items() <= inodes(tmp_path).items() for stored in seen) and seen[0]
    assert_same_runs(tmp_path, undisturbed)


@pytest.fixture
def half(undisturbed, spec, tmp_path):
    """A store that lacks DDIM's three runs."""
    made = {x.id for x in spec.experiments if x.solver == "heun"}
    for run in made:
        shutil.copytree(undisturbed / run, tmp_path / run)
    return tmp_path


def test_what_ends_every_worker_fails_unless_each_gets_further(model, spec, half):
    table = sdlab.sweep(model, spec, root=half, on=Losing([0, 0, 0])).table
    failed = table[table["state"] == "failed"]
    assert set(failed["solver"]) == {"ddim"} and (failed["error"] == LOST).all()
    assert (table["state"] == "done").sum() == 3
    on = Losing([0, 0, 1, 0])
    table = sdlab.sweep(model, spec, root=half, on=on, resume_errored=True).table
    assert (table["state"] == "done").all() and not on.losses


def test_batches_broken_off_together_are_made_as_they_were(model, spec, tmp_path, undisturbed):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    with pytest.raises(Stop):
        sdlab.sweep(model, spec, root=tmp_path, on=Losing([1]), on_progress=stop)
    assert len(inodes(tmp_path)) == 2
    sdlab.sweep(model, spec, root=tmp_path, on=Losing())
    assert_same_runs(tmp_path, undisturbed)


def test_only_what_a_worker_was_at_counts_as_broken_off(model, spec, half):
    lacking = [x.id for x in spec.experiments if x.solver == "ddim"]
    SweepFolder(half, spec.id).begin([[lacking[:2], lacking[2:]]])
    table = sdlab.sweep(model, spec, root=half, resume_unfinished=False).table.set_index("run")
    assert list(table["state"][lacking]) == ["failed", "failed", "done"]


def test_what_an_earlier_start_left_in_a_storage_is_brought_not_made(
    model, spec, tmp_path, undisturbed
):
    asked = []
    sdlab.sweep(
        model, spec, root=tmp_path / "runs", on=Losing(storage=undisturbed.as_uri()),
        on_progress=lambda *done: asked.append(done),
    )  # fmt: skip
    assert not any(total for _, total in asked)
    assert_same_runs(tmp_path / "runs", undisturbed)


def test_in_an_object_storage_a_run_is_there_once_its_manifest_is(
    model, spec, tmp_path, undisturbed
):
    store = ObjectStore(LocalFileSystem(), str(tmp_path / "bucket"))
    run = sdlab.open_run(undisturbed / spec.experiments[0].id)
    assert store.made([run.id], model.hash) == set()
    store.save([run])
    assert store.made([run.id, "0" * 16], model.hash) == {run.id}
    many = (f"{number:016x}" for number in range(LISTED))
    assert store.made([run.id, *many], model.hash) == {run.id}
    assert store.made([run.id], "other") == set() == store.made([run.id], model.hash, mix=False)
    (tmp_path / "bucket" / run.id / "other.py").write_text("")
    store.bring([run.id], tmp_path / "root")
    brought, stored = tmp_path / "root" / run.id, undisturbed / run.id
    assert {p.name for p in brought.iterdir()} == {p.name for p in stored.iterdir()}
    assert all((stored / p.name).read_bytes() == p.read_bytes() for p in brought.glob("*.parquet"))
    (tmp_path / "bucket" / run.id / "manifest.json").write_text('{"model"')
    assert store.made([run.id], model.hash) == set()
    (tmp_path / "bucket" / ("0" * 16) / "manifest.json").mkdir(parents=True)
    with pytest.raises(StoreError, match="bucket cannot be used"):
        store.made(["0" * 16], model.hash)


def test_a_job_reports_and_stores_nothing_once_the_sweep_was_started_again(model, spec, tmp_path):
    one, other = spec.experiments[:2]
    order = Order(model.name, model.hash, {"device": "cpu"}, str(tmp_path / "runs"), mix=True)
    share = Share(((one,), (other,)), frozenset({one.id, other.id}), {one.id: 2, other.id: 3})
    report = tmp_path / "jobs" / "1.json"
    report.parent.mkdir()
    ShareJob(order, share, report)()
    found = json.loads(report.read_text())
    assert found == {"batches": 2, "errors": {}, "problem": "", "over": True}
    gone = Order(model.name, model.hash, {"device": "cpu"}, str(tmp_path / "more"), mix=True)
    ShareJob(gone, share, tmp_path / "gone" / "1.json")()
    assert not inodes(tmp_path / "more") and not (tmp_path / "gone").exists()


def test_a_worker_with_other_weights_makes_nothing(model, spec, tmp_path):
    order = Order(model.name, "0" * 16, {"device": "cpu"}, str(tmp_path), mix=True)
    with pytest.raises(ModelError, match="has other weights on a worker"):
        Worker(order).ready()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ray(cores=0), "cores must be at least 1, got 0"),
        (lambda: Ray(gpus=-1), "gpus must be at least 0, got -1"),
        (lambda: Ray(workers=0), "workers must be at least 1, got 0"),
        (lambda: Slurm(jobs=0), "jobs must be at least 1, got 0"),
        (lambda: Slurm(cluster="pbs"), "cluster must be 'slurm' or 'local', got 'pbs'"),
    ],
)
def test_what_executors_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_ends_one_job_is_why_its_runs_failed_and_the_rest_go_on(tmp_path):
    folder, calls = tmp_path / "model", []
    make_pipeline().save_pretrained(folder)
    held = sdlab.load(str(folder), device="cpu")

    def move():
        calls.append(1)
        if len(calls) == 1:
            folder.rename(tmp_path / "away")
        elif len(calls) == 2:
            (tmp_path / "away").rename(folder)

    base = sdlab.Experiment(prompt="a car", width=64, height=64, num_steps=2, model=held.name)
    spec = sdlab.Sweep(base, {"solver": ["ddim", "heun"], "seed": range(2)})
    root = tmp_path / "runs"
    table = sdlab.sweep(held, spec, root=root, on=Jobs(jobs=2, before=move)).table
    assert table.groupby("solver")["state"].unique().explode().to_dict() == {
        "ddim": "failed", "heun": "done"
    }  # fmt: skip
    assert table["error"].str.startswith("ModelError: ").sum() == 2
    again = sdlab.sweep(held, spec, root=root, on=Jobs(jobs=2), resume_errored=True).table
    assert (again["state"] == "done").all()

    folder.rename(tmp_path / "away")
    other = sdlab.Sweep(base, {"seed": range(5, 9)})
    with pytest.raises(SdlabError, match="Every job failed: ModelError"):
        sdlab.sweep(held, other, root=root, on=Jobs(jobs=2))
    assert not SweepFolder(root, other.id).errors()


def test_a_search_hands_out_its_trials_in_rounds_to_one_crew(model, tmp_path):
    base = sdlab.Experiment(prompt="a car", width=64, height=64, model=model.name)
    spec = sdlab.Sweep(base, {"num_steps": [3, 1, 2, 4, 5], "seed": range(2)})
    on, seen = Losing([0]), []
    goal = Search("minimize: nfe", trials=4)
    result = sdlab.sweep(
        model, spec, root=tmp_path, on=on, search=goal, on_progress=lambda *done: seen.append(done)
    )
    assert on.opened == 1 and not on.losses
    assert list(dict.fromkeys(seen)) == [(0, 4), (3, 4), (4, 4)]  # a round of three, and one of one
    made = result.table[result.table["state"] == "done"]
    assert len(made) == 8 and made.groupby("num_steps").size().eq(2).all()
    assert result.best(goal.goal)["nfe"] == made["nfe"].min()


def test_trials_of_a_round_that_was_broken_off_are_made_again_together(model, tmp_path):
    class Stop(Exception):
        pass

    def stop(done, _):
        if SweepFolder(tmp_path, spec.id).under_way():
            raise Stop

    base = sdlab.Experiment(prompt="a car", width=64, height=64, num_steps=1, model=model.name)
    spec = sdlab.Sweep(base, {"solver": ["ddim", "euler", "heun"], "seed": range(2)})
    goal = Search("maximize: contrast", trials=3)
    with pytest.raises(Stop):
        sdlab.sweep(model, spec, root=tmp_path, on=Losing([0]), search=goal, on_progress=stop)
    begun = {tuple(run) for share in SweepFolder(tmp_path, spec.id).under_way() for run in share}
    on = Losing()
    table = sdlab.sweep(model, spec, root=tmp_path, on=on, search=goal).table
    assert (table["state"] == "done").all()
    assert begun <= {tuple(batch) for share in on.begun for batch in share.runs}


def test_what_is_not_installed_or_unknown_is_told():
    with pytest.raises(SdlabError, match=r"pip install 'sdlab\[ray\]'"):
        extra("ray_that_is_not_there", "ray")
    with pytest.raises(StoreError, match="nothing://here is no storage that pyarrow can reach"):
        store_of("nothing://here")
