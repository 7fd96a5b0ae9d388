"""Sweeps on Ray, in submitit's jobs, through an object storage: whole after losses, and how fast.

A Ray cluster of two nodes runs on this machine, each of one core. In the midst of a sweep one node
is killed, and one of submitit's jobs likewise; each store is then held against that of a sweep made
here in one go, bit for bit. The speed-up of two workers over one is that of the work alone, after
both have loaded the model, beside that of two bare processes which make and save the same runs.
submitit's jobs are timed from when each has made its first share, and held against one such
process. The object storage is moto's S3 server on this machine. Needs requirements-every.txt.

--quick leaves out what takes further starts of workers: the storage, and the job that is killed.

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


def spec(count: int, first: int = 0) -> sdlab.Sweep:
    """Return a sweep of so many runs, from a first seed."""
    return sdlab.Sweep(BASE, {"seed": range(first, first + count)})


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


class Some:
    """A crew of which only so many workers are used."""

    def __init__(self, crew, workers: int):
        self._crew, self._workers, self._busy = crew, workers, 0

    def room(self, waiting: int) -> int:
        """Return how many of them are idle."""
        return min(self._crew.room(waiting), self._workers - self._busy)

    def begin(self, shares):
        """Give each share to one."""
        self._busy += len(shares)
        self._crew.begin(shares)

    def events(self):
        """Yield what happened."""
        for event in self._crew.events():
            self._busy -= event.over
            yield event


def made(crew, place: Path, shares: list[Share]) -> float:
    """Return the seconds that a crew takes for shares."""
    folder = SweepFolder(place, "0" * 16)
    return seconds(lambda: list(hand_out(crew, shares, folder, lambda share: set())))


def on_ray(cluster, place: Path, runs: int) -> dict[int, float]:
    """Return the seconds that one and two workers of Ray, with the model loaded, take.

    By 0 those of one for 200 shares of nothing.
    """
    ray = Ray(cluster.address, workers=2, loading=HERE)
    with ray.crew(sdlab.load(device="cpu"), order_for(place), place) as crew:
        while crew.room(2) < 2:
            list(crew.events())
        nothing = [Share((), frozenset(), {}) for _ in range(200)]
        found = {0: made(Some(crew, 1), place, nothing)}
        for workers in (1, 2):  # runs that are not stored yet
            shares = shares_of(spec(runs, 1000 * workers).experiments)
            found[workers] = made(Some(crew, workers), place, shares)
        return found


def in_jobs(place: Path, shares: list[Share]) -> float:
    """Return the evaluations a second of two jobs of submitit, once each has made a share."""
    slurm = Slurm(jobs=2, cluster="local", poll_seconds=0.05, loading=HERE)
    folder = SweepFolder(place, "0" * 16)
    folder.path.mkdir(parents=True)
    order = order_for(place)
    with slurm.crew(sdlab.load(device="cpu"), order, folder.path) as crew:
        parts = crew.divide(shares)
        done: dict[Share, int] = {}
        begun = None
        for event in hand_out(crew, parts, folder, lambda share: set()):
            if event is None:
                continue
            done[event.share] = event.evaluations
            if begun is None and len(done) == len(parts):
                begun = time.perf_counter(), sum(done.values())
        return (sum(done.values()) - begun[1]) / (time.perf_counter() - begun[0])


def speed_up(report: Report, place: Path, runs: int):
    """Report how much faster two workers are than one: bare, of Ray, and in jobs."""
    shares = shares_of(spec(runs).experiments)
    bare_took = {way: bare(place / f"bare{way}", shares, way) for way in (1, 2)}
    rate = sum(share.done_after(1) for share in shares) / bare_took[1]
    with cluster_of(2) as (cluster, _):
        ray_took = on_ray(cluster, place / "ray", runs)
    for name, took in {"two bare processes": bare_took, "two workers of Ray": ray_took}.items():
        note = f"{runs} runs: {took[1]:.1f} s with one, {took[2]:.1f} s with two"
        report.add(f"{name}: speed-up over one", took[1] / took[2], note=note)
    faster = in_jobs(place / "jobs", shares) / rate
    report.add("two jobs of submitit: speed-up over a bare one", faster, note="once both work")
    report.add("Ray: a share of no work, handed out and noted", 1000 * ray_took[0] / 200, unit="ms")


def losses(report: Report, place: Path, count: int, quick: bool):
    """Report sweeps in which a node and a job are killed, and one through an object storage."""
    asked, whole = spec(count), place / "here"
    sdlab.sweep(sdlab.load(device="cpu"), asked, root=whole)
    with cluster_of(2) as (cluster, nodes):
        on = Ray(cluster.address, loading=HERE)
        kill = partial(cluster.remove_node, nodes[0], allow_graceful=False)
        disturbed(report, "Ray, a node killed", asked, whole, place / "ray", on, kill)
        if quick:
            return
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
        speed_up(report, Path(folder) / "speed", 32 if quick else 192)
        losses(report, Path(folder), 24 if quick else 60, quick)
    report.close()


if __name__ == "__main__":
    main()
