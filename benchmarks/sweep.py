"""A sweep that is killed again and again, and what a sweep costs above the bare engine.

A sweep of 60 small runs of the embedded model is started and killed with SIGKILL after a time drawn
at random (seeded) from none to what the whole takes, and started again, until it has been killed so
many times; when it ends before that, its store is emptied and all begins anew. Each finished store
is held against that of an undisturbed sweep: the tensors and the picture of every run, bit for bit.
All of it is in forked children; the time of a start is that of the sweep alone, without imports.
Sweeps on Ray and Slurm are measured by sweep_executors.py.

    python benchmarks/sweep.py [--quick] [--json]
"""

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import torch
from report import Report, seconds

import sdlab

BASE = sdlab.Experiment(prompt="a red car", width=64, height=64, num_steps=2)


def spec(count: int) -> sdlab.Sweep:
    """Return a sweep of so many runs, half of them of twice the evaluations."""
    return sdlab.Sweep(BASE, {"num_steps": [2, 4], "seed": range(count // 2)})


def start(work, patience: float | None = None) -> bool:
    """Do work in a child, killed after ``patience`` seconds; return whether it ended by itself."""
    child = os.fork()
    if not child:
        status = 1
        try:
            torch.set_num_threads(1)
            work()
            status = 0
        finally:
            os._exit(status)
    timer = threading.Timer(patience or 0, os.kill, (child, signal.SIGKILL))
    if patience is not None:
        timer.start()
    status = os.waitpid(child, 0)[1]
    timer.cancel()
    assert status in (0, signal.SIGKILL), status
    return status == 0


def make(asked: sdlab.Sweep, store: Path) -> None:
    """Carry out the sweep."""
    sdlab.sweep(sdlab.load(device="cpu"), asked, root=store)


def stored(store: Path) -> dict[str, int]:
    """Return the stored runs and the folder that each is in, which a second writing changes."""
    return {path.name: path.stat().st_ino for path in store.glob("[0-9a-f]*")}


def differing(store: Path, other: Path) -> int:
    """Return how many runs are not in both stores, bit for bit."""
    names = stored(store).keys() | stored(other).keys()
    return sum(not _same(store / name, other / name) for name in names)


def _same(one: Path, other: Path) -> bool:
    try:
        a, b = sdlab.open_run(one), sdlab.open_run(other)
    except sdlab.StoreError:
        return False
    tensors = all(torch.equal(a.tensors[name], b.tensors[name]) for name in b.tensors)
    return set(a.tensors) == set(b.tensors) and tensors and a.image.tobytes() == b.image.tobytes()


def killings(asked: sdlab.Sweep, place: Path, times: int) -> dict[str, int]:
    """Kill the sweep so many times and return what was found."""
    whole = place / "undisturbed"
    longest = seconds(lambda: start(lambda: make(asked, whole)))
    drawn = random.Random(0)
    found = dict.fromkeys(("killed", "finished", "lost or made twice", "half written", "other"), 0)
    store, before = place / "killed", {}
    while found["killed"] < times or before:
        last = found["killed"] >= times
        ended = start(lambda: make(asked, store), None if last else drawn.uniform(0, longest))
        after = stored(store)
        found["killed"] += not ended
        found["lost or made twice"] += len(before.items() - after.items())
        found["half written"] += _unreadable(store)
        before = after
        if ended:
            found["finished"] += 1
            found["other"] += differing(store, whole)
            shutil.rmtree(store)
            before = {}
    return found


def _unreadable(store: Path) -> int:
    found = sdlab.runs.listing.list_runs(store, problem=True) if store.is_dir() else ()
    return len(found)


def overhead(count: int, parts: int, place: Path) -> dict[str, float]:
    """Return what a run takes more in a sweep than in the bare engine, in milliseconds.

    Parts of a sweep and the bare engine take turns, each part with seeds of its own, in one store;
    none has so few runs that it gets a contact sheet.
    """
    model = sdlab.load(device="cpu")
    sdlab.run_many(model, spec(4).experiments)
    more: dict[str, list[float]] = {"processor": [], "clock": []}
    for part in range(parts):
        seeds = range(1000 * part, 1000 * part + count // 2)
        asked = sdlab.Sweep(BASE, {"num_steps": [2, 4], "seed": seeds})
        ways = {
            "bare": lambda asked=asked: sdlab.run_many(model, asked.experiments),
            "swept": lambda asked=asked: sdlab.sweep(model, asked, root=place / "overhead"),
        }
        order = sorted(ways, reverse=bool(part % 2))
        took = {name: _took(ways[name]) for name in order}
        for clock, swept, bare in zip(more, took["swept"], took["bare"], strict=True):
            more[clock].append(1000 * (swept - bare) / count)
    return {clock: median(times) for clock, times in more.items()}


def _took(work) -> tuple[float, float]:
    """Return the seconds of the processor, and those of the clock."""
    begin = time.process_time()
    clock = seconds(work)
    return time.process_time() - begin, clock


def main() -> None:
    """Print what was found."""
    report = Report(__doc__.splitlines()[0])
    report.head()
    quick = report.arguments.quick
    count, times = (12, 4) if quick else (60, 100)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        torch.set_num_threads(1)
        # before any store is deleted: ext4 takes its time with files where others were of late
        more = overhead(66, 2 if quick else 21, place)
        for clock, goal in (("processor", "<= 5"), ("clock", "")):
            report.add(f"a run above the bare engine, {clock}", more[clock], goal=goal, unit="ms",
                       note="saving included")  # fmt: skip
        found = killings(spec(count), place, times)
        report.add("killed", found["killed"], unit="times", note=f"a sweep of {count}")
        report.add("finished after that", found["finished"], unit="sweeps")
        for name in ("lost or made twice", "half written"):
            report.add(name, found[name], goal="<= 0", unit="runs")
        report.add("not those of an undisturbed sweep", found["other"], goal="<= 0", unit="runs")
    report.close()


if __name__ == "__main__":
    main()
