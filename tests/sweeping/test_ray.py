"""Sweeps on a real Ray cluster of this machine: nodes join and die, actors are killed."""

import shutil
import subprocess

import pytest

import sdlab
from sdlab.errors import SdlabError
from sdlab.sweeping.executors.ray_cluster import Ray
from sdlab.sweeping.search import Search
from tests.sweeping.test_sweep import assert_same_runs, inodes

pytestmark = pytest.mark.every  # a cluster starts slowly; test_executors has all but Ray
pytest.importorskip("ray", reason="pip install -r requirements-every.txt")


@pytest.fixture
def cluster(monkeypatch):
    """A cluster whose head makes nothing, to which a test adds nodes."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a busy machine leaves them nothing

    head = {"num_cpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


def node(cluster):
    return cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)


def on(cluster):
    return Ray(cluster.address, loading={"device": "cpu"})


def test_a_node_joins_one_is_killed_and_the_sweep_ends_whole(model, spec, tmp_path, cluster):
    nodes, seen = [node(cluster)], []

    def watch(done, total):
        seen.append(inodes(tmp_path))
        if done and len(nodes) == 1:
            nodes.append(node(cluster))
            cluster.remove_node(nodes[0], allow_graceful=False)

    ray = on(cluster)
    table = sdlab.sweep(model, spec, root=tmp_path, on=ray, on_progress=watch, alone=True).table
    assert (table["state"] == "done").all() and len(nodes) == 2
    assert all(stored.items() <= inodes(tmp_path).items() for stored in seen)
    sdlab.sweep(model, spec, root=tmp_path / "here", alone=True)
    assert_same_runs(tmp_path, tmp_path / "here")


def test_what_a_worker_raises_ends_the_sweep(small, spec, tmp_path, cluster):
    node(cluster)
    with pytest.raises(SdlabError, match="small"):
        sdlab.sweep(small, spec, root=tmp_path, on=on(cluster))


def test_what_is_in_the_way_of_one_cell_is_its_error(model, spec, tmp_path, cluster):
    """A folder that nothing can take the place of: a disk is mounted there."""
    node(cluster)
    blocked = tmp_path / spec.experiments[1].id
    blocked.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(blocked)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs leave to mount a tmpfs; runs wherever the tests run as root")
    executor = Ray(cluster.address, loading={"device": "cpu"}, workers=1)
    try:
        table = sdlab.sweep(model, spec, root=tmp_path, on=executor, alone=True).table
    finally:
        subprocess.run(["umount", str(blocked)], check=True)
    states = table.set_index("run")
    assert states["state"][blocked.name] == "failed"
    assert "cannot be written" in states["error"][blocked.name]
    assert (states["state"] == "done").sum() == len(spec.experiments) - 1


def test_a_search_is_made_on_it(model, spec, tmp_path, cluster):
    for _ in range(2):
        node(cluster)
    found = sdlab.sweep(
        model, spec, root=tmp_path, on=on(cluster), search=Search("minimize: nfe", 2)
    )
    assert found.best("minimize: nfe")["solver"] == "ddim"
    assert (found.table["state"] == "done").all()  # both samplers, each with its three seeds
    sdlab.sweep(model, spec, root=tmp_path / "here")
    assert inodes(tmp_path).keys() == inodes(tmp_path / "here").keys()


def test_an_address_without_a_cluster_is_told(model, spec, tmp_path):
    with pytest.raises(SdlabError, match="No Ray cluster can be reached at 127.0.0.1:1"):
        sdlab.sweep(model, spec, root=tmp_path, on=Ray("127.0.0.1:1"))
