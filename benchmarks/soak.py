"""Two hours of people coming and going: does the server's memory, or anything else, grow?

Eight people with mixed work (``visitors.py``) come, stay for a while and leave; what they leave
behind is made to its end, and others come. Each time that nothing is left to do, the server is
asked for its memory, open files and threads. Where they are flat the slope is zero within its 95 %
interval (Theil and Sen's, over the medians of blocks, as what follows each other is alike); the
first quarter, in which caches fill, is left out. The lower end of the interval is by how much they
surely grow.

    python benchmarks/soak.py [--quick] [--json] [--minutes 120] [--device cuda]
"""

import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from report import Report
from scipy.stats import theilslopes
from visitors import PATIENCE, Collector, Comparer, Patient, Person, Reader, Server, together

BLOCKS = 24
REST_SECONDS = 2.0
STAY = (20.0, 90.0)
"""Seconds that eight people stay."""
GOALS = {"memory": ("MiB", 20.0), "files": ("", 2.0), "threads": ("", 2.0)}
"""Units, and by how much each may surely grow in an hour."""


@dataclass
class Watch:
    """What the server was asked for: seconds, and the values by name, when nothing was left to do.

    Attributes:
        most: The most memory that it had while people were there, in MiB.
    """

    server: Server
    seconds: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in GOALS})
    most: float = 0.0

    def look(self) -> None:
        """Ask while people are there."""
        self.most = max(self.most, self.server.memory())

    def rest(self) -> None:
        """Wait until nothing is left to do, and ask."""
        end = time.monotonic() + PATIENCE
        while self.server.waiting():
            if time.monotonic() > end:
                raise TimeoutError(f"not done within {PATIENCE:.0f} s: what people left behind")
            self.look()
            time.sleep(1.0)
        time.sleep(REST_SECONDS)
        self.seconds.append(time.monotonic())
        for name, values in self.values.items():
            values.append(getattr(self.server, name)())


def crowd(server: Server, number: int, stay: float) -> list[Person]:
    """Return eight people, whom nobody has seen before."""
    small = [Person(server, f"{number}-{one}", grace=stay) for one in range(4)]
    others = (
        Patient(server, f"{number}-patient", side=256, steps=60),
        Collector(server, f"{number}-collector", count=4),
        Comparer(server, f"{number}-comparer"),
        Reader(server, f"{number}-reader"),
    )
    return [*small, *others]


def slope(seconds: list[float], values: list[float]) -> tuple[float, float, float]:
    """Return the growth in an hour, and its 95 % interval."""
    after = min(len(seconds) // 4, len(seconds) - 2)
    times, found = np.array(seconds[after:]) / 3600, np.array(values[after:])
    blocks = [block for block in np.array_split(np.arange(len(found)), BLOCKS) if len(block)]
    at = [np.median(times[block]) for block in blocks]
    middle, _, low, high = theilslopes([np.median(found[block]) for block in blocks], at)
    return float(middle), float(low), float(high)


def main() -> None:
    """Let people come and go, and print what grew."""
    options = {"--minutes": {"type": float, "default": 120.0, "help": "how long"}}
    report = Report(__doc__.splitlines()[0], options)
    report.head()
    total = 20.0 if report.arguments.quick else 60 * report.arguments.minutes
    stays = (4.0, 8.0) if report.arguments.quick else STAY
    drawn, trouble, done, number = random.Random(0), [], 0, 0
    with (
        tempfile.TemporaryDirectory() as place,
        Server(Path(place) / "runs", report.arguments.device) as server,
    ):
        server.warm_up()
        watch, end = Watch(server), time.monotonic() + total
        watch.rest()
        while time.monotonic() < end:
            number, stay = number + 1, drawn.uniform(*stays)
            people = crowd(server, number, stay)
            together(people, stay, watch.look)
            watch.rest()
            trouble += [said for person in people for said in person.trouble]
            done += sum(person.done for person in people)
        add(report, watch, judged=not report.arguments.quick)
        report.add("memory: at most, while people were there", watch.most, unit="MiB")
        report.add("people who came and went", 8 * number)
        least = 1 if report.arguments.quick else 8 * number
        name = "runs, pages and comparisons that they got done"
        report.add(name, done, goal=f">= {least}")
        said = "; ".join(trouble)[:300]
        report.add("pages that failed", len(trouble), goal="<= 0", note=said)
        errors = server.errors()
        report.add("errors in the server's log", len(errors), goal="<= 0", note="; ".join(errors))
    report.close()


def add(report: Report, watch: Watch, judged: bool) -> None:
    """Add how memory, files and threads grew; seconds are too few to judge by."""
    minutes = (watch.seconds[-1] - watch.seconds[0]) / 60
    for name, (unit, limit) in GOALS.items():
        values = watch.values[name]
        middle, low, high = slope(watch.seconds, values)
        report.add(f"{name}: at the end", values[-1], unit=unit, note=f"{values[0]:.0f} at first")
        said = f"95 %: {low:.1f} to {high:.1f}, {minutes:.1f} minutes"
        report.add(f"{name}: growth in an hour", middle, unit=unit, note=said)
        goal = f"<= {limit:g}" if judged else ""
        report.add(f"{name}: surely grows in an hour", max(low, 0.0), goal=goal, unit=unit)


if __name__ == "__main__":
    main()
