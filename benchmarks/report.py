"""What every benchmark script shares: its two flags, its table and its last line."""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Report:
    """Collects rows and prints them, as a table and, if asked, as one JSON object.

    Args:
        description: What the script measures.
        options: Flags of its own beside the two, each with the arguments of ``add_argument``.
    """

    description: str
    options: dict[str, dict] = field(default_factory=dict)
    rows: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        parser = argparse.ArgumentParser(description=self.description)
        parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
        parser.add_argument("--json", action="store_true", help="last line: one JSON object")
        parser.add_argument("--device", default="cpu", help="cpu or cuda")
        for flag, how in self.options.items():
            parser.add_argument(flag, **how)
        self.arguments = parser.parse_args()

    def add(self, name: str, value: float, *, goal: str = "", unit: str = "", note: str = ""):
        """Add a row; ``goal`` is '<= 1.10' or '>= 27', or empty for what has none."""
        holds = None
        if goal:
            sign, limit = goal.split()
            holds = bool(value <= float(limit) if sign == "<=" else value >= float(limit))
        self.rows[name] = {"value": float(f"{value:.4g}"), "goal": goal, "holds": holds}
        mark = {True: "holds", False: "FALLS SHORT", None: ""}[holds]
        small = 0 < abs(value) < 0.005
        number = f"{value:10.2e}" if small else f"{value:10.3f}"
        print(f"{name:58s} {number} {unit:8s} {goal:9s} {mark:11s} {note}", flush=True)

    def head(self):
        """Print the machine and the versions."""
        print(machine())

    def close(self):
        """Print the JSON line if it was asked for."""
        if self.arguments.json:
            print(json.dumps(self.rows))


def machine() -> str:
    """Return the kind of machine, its cores and the versions."""
    import os

    from sdlab.runs.manifest import versions

    return f"{platform.machine()}, {os.cpu_count()} cores, {versions()}"


def seconds(function: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleaved(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time functions in turn, A B C A B C ..., so that a drifting machine is fair to all."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(seconds(function))
    return times


def ratio(times: dict[str, list[float]], over: str, under: str) -> float:
    """Return the median of the pairwise ratios of two interleaved timings."""
    return median(a / b for a, b in zip(times[over], times[under], strict=True))
