"""Sweeps on Ray, in submitit's jobs, through an object storage: whole after losses, and how fast.

A Ray cluster of two nodes runs on this machine, each of one core. In the midst of a sweep one node
is killed, and one of submitit's jobs likewise; each store is then held against that of a sweep made
here in one go, bit for bit. The speed-up of two workers over one is that of the work alone, after
both have loaded the model, beside that of two bare processes which make and save the same runs.
The object storage is moto's S3 server on this machine. Needs requirements-every.txt.

    python benchmarks/sweep_executors.py [--quick] [--json]
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # of all processes; read by torch when it is imported
os.environ["RAY_worker_niceness"] = "0"  # as bare processes have; Ray's own is 15

from report import Report, seconds
from sweep import differing, stored

import sdlab
from sdlab.sweeping.executors.crew import Order, Share
from sdlab.sweeping.executors.ray_cluster import Ray
from sdlab.sweeping.executors.slurm_jobs import Slurm
from sdlab.sweeping.hand_out import hand_out
from sdlab.sweeping.sweep_folder import SweepFolder
from sdlab.sweeping.worker import Worker

BASE = sdlab.Experiment(prompt="a red car", width=64, height=64, num_steps=4)
HERE = {"device": "cpu"}
SMALL = {"object_store_memory": 80 * 2**20}
SHARE = 4
"""Runs of a share whose time is taken."""


def spec(count: int) -> sdlab.Sweep:
    """Return a sweep of so many runs."""
    return sdlab.Sweep(BASE, {"seed": range(count)})


@contextmanager
def cluster_of(nodes: int):
    """Yield a Ray cluster whose head makes nothing, and its other nodes, each of one core."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, **SMALL}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield cluster, [cluster.add_node(num_cpus=1, **SMALL) for _ in range(nodes)]
    finally:
        cluster.shutdown()


@contextmanager
def s3_server():
    """Yield the URL of a bucket on an S3 server of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bucket = urllib.request.Request(f"http://127.0.0.1:{port}/lab", method="PUT")
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(bucket)
                break
            except OSError:
                time.sleep(0.1)
        yield f"s3://key:secret@lab/runs?scheme=http&endpoint_override=127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


class Watch:
    """Looks at a store whenever a sweep has got further, and disturbs it once.

    Args:
        store: The folder of all runs.
        disturb: Called when a third of the evaluations is done.
    """

    def __init__(self, store: Path, disturb):
        self.store, self.disturb = store, disturb
        self.before, self.twice, self.done = {}, 0, False

    def __call__(self, done: int, total: int):
        """Count the runs that were lost or written again since the last look."""
        after = stored(self.store)
        self.twice += len(self.before.items() - after.items())
        self.before = after
        if not self.done and done >= total / 3:
            self.done = True
            self.disturb()


def disturbed(report: Report, what: str, asked, whole: Path, store: Path, on, disturb):
    """Make a sweep that is disturbed, and report what of it is not as it should be."""
    watch = Watch(store, disturb)
    model = sdlab.load(device="cpu")
    took = seconds(lambda: sdlab.sweep(model, asked, root=store, on=on, on_progress=watch))
    assert watch.done
    count = len(asked.experiments)
    report.add(f"{what}: sweep in all", took, unit="s", note=f"{count} runs, workers' starts too")
    report.add(f"{what}: lost or made twice", watch.twice, goal="<= 0", unit="runs")
    report.add(f"{what}: not those of one made here", differing(store, whole), goal="<= 0",
               unit="runs")  # fmt: skip


def kill_a_job():
    """Kill one of submitit's jobs: its controller and the process that works."""
    import psutil

    job = psutil.Process().children()[0]
    for process in (job, *job.children(recursive=True)):
        os.kill(process.pid, signal.SIGKILL)


def shares_of(experiments) -> list[Share]:
    """Return shares of one batch each, all of one length."""
    parts = [experiments[at : at + SHARE] for at in range(0, len(experiments), SHARE)]
    return [
        Share((tuple(part),), frozenset(x.id for x in part), {x.id: x.num_steps for x in part})
        for part in parts
    ]


def order_for(place: Path) -> Order:
    """Return what workers make into a folder of runs, of the embedded model."""
    model = sdlab.load(device="cpu")
    return Order(model.name, model.hash, HERE, str(place), mix=True)


def bare(place: Path, shares: list[Share], processes: int) -> float:
    """Return the seconds that forked processes, with the model loaded, take for all shares.

    They are forked from here, so this must be called before Ray has threads in this process.
    """
    worker = Worker(order_for(place))
    worker.ready()
    children = []
    begun = time.perf_counter()
    for number in range(processes):
        child = os.fork()
        if not child:
            for share in shares[number::processes]:
                worker.make(share)
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    return time.perf_counter() - begun


def on_ray(cluster, place: Path, shares: list[Share], workers: int) -> float:
    """Return the seconds that workers of Ray, with the model loaded, take for all shares."""
    model, folder = sdlab.load(device="cpu"), SweepFolder(place, "0" * 16)
    ray = Ray(cluster.address, workers=workers, loading=HERE)
    with ray.crew(model, order_for(place), folder.path) as crew:
        while crew.room(workers) < workers:
            list(crew.events())
        return seconds(lambda: list(hand_out(crew, shares, folder, lambda share: set())))


def speed_up(report: Report, place: Path, runs: int):
    """Report how much faster two workers are than one, of Ray and bare."""
    shares = shares_of(spec(runs).experiments)
    took = {("bare", way): bare(place / f"bare{way}", shares, way) for way in (1, 2)}
    with cluster_of(2) as (cluster, _):
        took |= {("ray", way): on_ray(cluster, place / f"ray{way}", shares, way) for way in (1, 2)}
        nothing = [Share((), frozenset(), {}) for _ in range(200)]
        idle = on_ray(cluster, place / "nothing", nothing, 1)
    for kind, name in {"bare": "two bare processes", "ray": "two workers of Ray"}.items():
        note = f"{runs} runs: {took[kind, 1]:.1f} s with one, {took[kind, 2]:.1f} s with two"
        report.add(f"{name}: speed-up over one", took[kind, 1] / took[kind, 2], note=note)
    report.add("Ray: a share of no work, handed out and noted", 1000 * idle / 200, unit="ms")


def losses(report: Report, place: Path, count: int):
    """Report sweeps in which a node and a job are killed, and one through an object storage."""
    asked, whole = spec(count), place / "here"
    sdlab.sweep(sdlab.load(device="cpu"), asked, root=whole)
    with cluster_of(2) as (cluster, nodes):
        on = Ray(cluster.address, loading=HERE)
        kill = partial(cluster.remove_node, nodes[0], allow_graceful=False)
        disturbed(report, "Ray, a node killed", asked, whole, place / "ray", on, kill)
        with s3_server() as bucket:
            cluster.add_node(num_cpus=1, **SMALL)
            on = Ray(cluster.address, loading=HERE, storage=bucket)
            disturbed(report, "Ray to S3", asked, whole, place / "s3", on, lambda: None)
    on = Slurm(jobs=2, cluster="local", poll_seconds=0.2, loading=HERE)
    disturbed(report, "submitit, a job killed", asked, whole, place / "jobs", on, kill_a_job)


def main():
    """Print what was found."""
    report = Report(__doc__.splitlines()[0])
    report.head()
    quick = report.arguments.quick
    with tempfile.TemporaryDirectory() as folder:
        speed_up(report, Path(folder), 16 if quick else 96)
        losses(report, Path(folder), 24 if quick else 60)
    report.close()


if __name__ == "__main__":
    main()
