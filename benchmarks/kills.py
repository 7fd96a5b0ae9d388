"""Kills of the server with a full queue: is every run that was asked for there once in the end?

A worker is asked for runs and is killed in the midst of the asking; a server (``streamlit run``)
goes on with what waits and is killed in the midst of its work, at a moment drawn by chance; and so
on. Half of the moments are drawn from the seconds since it began to work, half come when so many
more runs are stored. Each fifth end is a SIGTERM, the others are SIGKILL. The last server works
until nothing waits. Then each run whose asking had returned must be stored and whole, and none that
was stored may have been made again. Set aside are runs at whose same evaluation two servers ended,
as if they had been the cause; these are run by hand, and counted.

    python benchmarks/kills.py [--kills N] [--seed N] [--quick] [--json]
"""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from report import Report
from startup import ROOT, free_port, start_server

import sdlab

WAITING = 60
"""Runs that wait at least, as a server is started."""
LONGEST = 6.0
"""Seconds after a server has begun to work in which it is killed."""
PATIENCE = 600.0
ASKS = """
import sys, time
from pathlib import Path
from dashboard.worker.worker import Worker
from sdlab.experiment.experiment import Experiment
worker = Worker(Path(sys.argv[1]), str, after_page=True)
first, count = int(sys.argv[2]), int(sys.argv[3])
for seed in range(first, first + count):
    steps = 4 + 3 * (seed % 7)
    print(worker.submit(Experiment(prompt="a boat", seed=seed, num_steps=steps)), flush=True)
time.sleep(600)
"""


@dataclass
class Lab:
    """A store, who asks, and who is killed.

    Attributes:
        root: Folder of the runs.
        chance: Draws the moments.
        asked: Runs whose asking has returned.
        stored: Of the stored ones, what tells a folder from one that was made anew.
        again: Runs that were made again after they had been stored.
        kills: Ends so far.
        by_hand: Runs that had been set aside.
    """

    root: Path
    chance: random.Random
    asked: set[str] = field(default_factory=set)
    stored: dict[str, tuple[int, int]] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    kills: int = 0
    seed: int = 0
    by_hand: int = 0

    def ask(self, count: int, whole: bool = False) -> None:
        """Ask for runs, and end the process that asks: in its midst, unless all are wanted."""
        command = [sys.executable, "-c", ASKS, str(self.root), str(self.seed), str(count)]
        enough = count if whole else self.chance.randint(count // 2, count)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as asking:
            assert asking.stdout is not None
            for _ in range(enough):
                self.asked.add(asking.stdout.readline().strip())
            self.end(asking)
            self.asked |= set(asking.stdout.read().split())
        self.seed += count

    def serve(self) -> None:
        """Start a server and end it in the midst of its work."""
        server, url = self.start()
        until(lambda: works(url) or not self.kept())
        if self.chance.random() < 0.5:
            time.sleep(self.chance.uniform(0.0, LONGEST))
        else:
            enough = self.count() + self.chance.randint(1, 9)
            until(lambda: self.count() >= enough or not self.kept())
        self.end(server)
        self.look()

    def count(self) -> int:
        """Return how many runs are stored."""
        return len(list(self.root.glob("[0-9a-f]*/manifest.json")))

    def start(self) -> tuple[subprocess.Popen, str]:
        """Return a server that has just been started, and its address."""
        port = free_port()
        return start_server(self.root, port), f"http://127.0.0.1:{port}"

    def end(self, process: subprocess.Popen) -> None:
        """End a process."""
        self.kills += 1
        process.send_signal(signal.SIGTERM if self.kills % 5 == 0 else signal.SIGKILL)
        process.wait(60)
        print(f"end {self.kills}: {len(self.stored)} stored", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Let a last server make all that waits, run by hand what was set aside among it."""
        aside = [told["experiment"]["seed"] for told in self.kept() if told["state"] == "failed"]
        self.by_hand = len(aside)
        for seed in aside:
            self.seed = seed
            self.ask(1, whole=True)
        server, url = self.start()
        until(lambda: not [one for one in self.kept() if one["state"] == "waiting"])
        server.terminate()
        server.wait(60)
        self.look()

    def look(self) -> None:
        """Note which runs are stored, and which of them were made anew."""
        for manifest in self.root.glob("[0-9a-f]*/manifest.json"):
            facts = manifest.parent.stat()
            mark = (facts.st_ino, manifest.stat().st_mtime_ns)
            if self.stored.setdefault(manifest.parent.name, mark) != mark:
                self.again.add(manifest.parent.name)

    def kept(self) -> list[dict]:
        """Return what the queue on disk holds."""
        with sqlite3.connect(self.root / ".dashboard" / "queue.sqlite3", timeout=60) as queue:
            rows = queue.execute("SELECT told FROM runs").fetchall()
        queue.close()
        return [json.loads(told) for (told,) in rows]

    def lost(self) -> list[str]:
        """Return the runs that were asked for and are not there, or not whole."""
        return [run for run in sorted(self.asked) if not whole(self.root / run)]


def whole(folder: Path) -> bool:
    """Return whether a run is stored and can be read to its end."""
    try:
        run = sdlab.open_run(folder)
        return run.image.size[0] > 0 and len(run.steps) > 0
    except sdlab.errors.StoreError:
        return False


def works(url: str) -> bool:
    """Return whether the server is in the midst of a run."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
            doing = json.load(answer)["reason"]
    except OSError:  # also 503
        return False
    return any(piece in doing for piece in ("network call", "decoding", "saving"))


def until(met) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not met():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.1)


def main() -> None:
    """Measure and print."""
    report = Report(
        __doc__.splitlines()[0],
        {"--kills": {"type": int, "default": 100}, "--seed": {"type": int, "default": 1}},
    )
    report.head()
    few = report.arguments.quick
    kills, waiting = (2, 8) if few else (report.arguments.kills, WAITING)
    with tempfile.TemporaryDirectory() as place:
        lab = Lab(Path(place), random.Random(report.arguments.seed))
        while lab.kills < kills:
            lab.ask(waiting)
            while lab.kills < kills and (few or len(lab.kept()) > waiting // 2):
                lab.serve()
        report.add("ends, of servers and of those who ask", lab.kills)
        lab.finish()
        report.add("runs asked for", len(lab.asked))
        report.add("of these lost", len(lab.lost()), goal="<= 0")
        report.add("made again though stored", len(lab.again), goal="<= 0")
        report.add("left in the queue", len(lab.kept()), goal="<= 0")
        report.add("set aside, then run by hand", lab.by_hand)
    report.close()


if __name__ == "__main__":
    main()
