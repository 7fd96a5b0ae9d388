"""One server, many people: how long small runs wait beside large ones, and whether all is exact.

A real server, real sessions over its websocket (``visitors.py``). Alone, then beside one large
picture, behind many queued ones, and among eight people with mixed work, the latency of a small run
is taken from the press of the button until the run is stored. Then every picture is made once more
by ``sdlab.run``, alone, and must be the same bit for bit, its latents too. ``--people 30`` adds the
curve of latency and memory over the number of people who all run small experiments.

    python benchmarks/shared.py [--quick] [--json] [--minutes 10] [--people 30] [--device cuda]
"""

import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from report import Report, seconds
from visitors import COMPARED, THREADS, Collector, Patient, Person, Server, mixed, together

FEWER = (1, 2, 4, 8, 15, 30, 60)
GOAL = "<= 3"


def main() -> None:
    """Measure and print."""
    options = {
        "--minutes": {"type": float, "default": 10.0, "help": "of the eight people's work"},
        "--people": {"type": int, "default": 0, "help": "the curve, up to so many"},
    }
    report = Report(__doc__.splitlines()[0], options)
    report.head()
    quick = report.arguments.quick
    add_interpreter(report)
    with tempfile.TemporaryDirectory() as place:
        alone = add_beside(report, Path(place), 3.0 if quick else 60.0)
        if not quick:
            add_worse(report, Path(place), alone, 120.0)
            add_mixed(report, Path(place), alone, report.arguments.minutes * 60)
        add_exact(report, sorted(Path(place).glob("*/")))
        if report.arguments.people:
            add_curve(report, Path(place), report.arguments.people, 10.0 if quick else 60.0)
    report.close()


@contextmanager
def serving(report: Report, place: Path, name: str):
    """Yield a server on a folder of its own, its model in memory."""
    with Server(place / name, report.arguments.device) as server:
        server.warm_up()
        yield server


def add_interpreter(report: Report) -> None:
    """Add how much longer a run takes beside a thread that never lets go of the interpreter."""
    import torch

    import sdlab
    from dashboard.worker.worker_thread import SWITCH_SECONDS

    torch.set_num_threads(int(THREADS))
    model, end = sdlab.load(device=report.arguments.device), threading.Event()
    drawing = threading.Thread(target=lambda: all(not end.is_set() for _ in iter(int, 1)))
    short = partial(sdlab.run, model, sdlab.Experiment("a parrot", num_steps=1))
    short()
    alone, before = min(seconds(short) for _ in range(5)), sys.getswitchinterval()
    drawing.start()
    try:
        for interval, goal in ((0.005, ""), (SWITCH_SECONDS, "<= 4")):
            sys.setswitchinterval(interval)
            name = f"beside a busy thread that lets go after {interval * 1000:g} ms"
            report.add(f"{name}: run / alone", seconds(short) / alone, goal=goal)
    finally:
        sys.setswitchinterval(before)
        end.set()
        drawing.join()


def add_beside(report: Report, place: Path, length: float) -> np.ndarray:
    """Add a small run alone and beside one large picture; return the latencies alone."""
    with serving(report, place, "beside") as server:
        person = Person(server, "alone", pause=0.5)
        together([person], length)
        alone = latencies(person)
        report.add("small run alone: median", np.median(alone), unit="s", note=f"{len(alone)} runs")
        report.add("small run alone: p95", np.percentile(alone, 95), unit="s")
        person, large = Person(server, "beside", pause=0.5), Patient(server, "large")
        add_ratios(report, "beside 512x512, 250 steps", alone, [person], [person, large], length)
        add_progress(report, "beside 512x512", large)
    return alone


def add_worse(report: Report, place: Path, alone: np.ndarray, seconds: float) -> None:
    """Add small runs beside larger pictures, and behind the queue of another person."""
    for side in (1024, 2048):
        with serving(report, place, f"beside-{side}") as server:
            person, large = Person(server, "small"), Patient(server, "large", side=side)
            name = f"beside {side}x{side}, 250 steps"
            add_ratios(report, name, alone, [person], [person, large], seconds)
            add_progress(report, f"beside {side}x{side}", large)
    with serving(report, place, "behind") as server:
        person, many = Person(server, "small"), Collector(server, "many", count=200)
        add_ratios(report, "behind 200 queued", alone, [person], [person, many], seconds)
        report.add("behind 200 queued: of them made", many.done, goal=">= 1")


def add_mixed(report: Report, place: Path, alone: np.ndarray, seconds: float) -> None:
    """Add eight people with mixed work."""
    with serving(report, place, "mixed") as server:
        people = mixed(server)
        small = [person for person in people if type(person) is Person]
        add_ratios(report, "among 8 people, mixed work", alone, small, people, seconds)
        report.add(
            "among 8 people: least that anybody got done", min(p.done for p in people), goal=">= 1"
        )
        report.add("among 8 people: memory of the server", server.memory(), unit="MiB")


def add_ratios(
    report: Report,
    name: str,
    alone: np.ndarray,
    small: list[Person],
    people: list[Person],
    seconds: float,
) -> None:
    """Let people live, and add how long small runs take over how long they take alone."""
    for person in small:
        person.grace = min(person.grace, seconds)
    together(people, seconds)
    found = np.concatenate([latencies(person) for person in small])
    asked = [asked for person in small for asked in person.asked]
    if len(found):
        ratio, worst = np.median(found) / np.median(alone), np.percentile(found, 95)
        said = f"{np.median(found):.2f} s, {len(found)} runs"
        report.add(f"{name}: median / alone", ratio, goal=GOAL, note=said)
        tail = worst / np.percentile(alone, 95)
        report.add(f"{name}: p95 / alone", tail, goal=GOAL, note=f"{worst:.2f} s")
    report.add(f"{name}: small runs that never came", len(asked) - len(found), goal="<= 0")
    trouble = [said for person in people for said in person.trouble]
    said = "; ".join(trouble)[:300]
    report.add(f"{name}: pages that failed", len(trouble), goal="<= 0", note=said)


def add_progress(report: Report, name: str, large: Patient) -> None:
    """Add how far a large picture came while others ran small experiments."""
    report.add(f"{name}: evaluations of the large one", large.done, goal=">= 1")


def latencies(person: Person) -> np.ndarray:
    """Return the seconds of each run that came."""
    return np.array([asked.seconds for asked in person.asked if asked.seconds is not None])


def add_exact(report: Report, roots: list[Path]) -> None:
    """Add how many pictures differ from those that the same experiments make alone."""
    import torch

    import sdlab

    torch.set_num_threads(int(THREADS))  # as many as the server's
    model = sdlab.load(device=report.arguments.device)
    count = differ = 0
    for folder in sorted(path for root in roots for path in root.glob("[0-9a-f]*/")):
        made = sdlab.open_run(folder)
        if made.experiment.prompt == COMPARED:  # where calls may be shared, and the page says so
            continue
        solo = sdlab.run(model, made.experiment)
        same = np.array_equal(np.asarray(made.image), np.asarray(solo.image))
        same &= np.array_equal(np.asarray(made.latents.cpu()), np.asarray(solo.latents.cpu()))
        count, differ = count + 1, differ + (not same)
    report.add("pictures made again, each alone", count, goal=">= 1")
    report.add("pictures that differ in any bit", differ, goal="<= 0")


def add_curve(report: Report, place: Path, most: int, seconds: float) -> None:
    """Add latency and memory over the number of people who run small experiments."""
    with serving(report, place, "curve") as server:
        for count in (number for number in FEWER if number <= most):
            people = [Person(server, f"{count}-{number}", pause=8.0) for number in range(count)]
            together(people, seconds)
            found = np.concatenate([latencies(person) for person in people])
            name = f"{count} people, small runs"
            report.add(f"{name}: median", np.median(found), unit="s", note=f"{len(found)} runs")
            report.add(f"{name}: p95", np.percentile(found, 95), unit="s")
            report.add(f"{name}: longest", found.max(), unit="s")
            report.add(f"{name}: memory of the server", server.memory(), unit="MiB")
            failed = sum(len(person.trouble) for person in people)
            report.add(f"{name}: pages that failed", failed, goal="<= 0")


if __name__ == "__main__":
    main()
