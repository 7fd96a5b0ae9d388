"""What the worker counts and times of its work: numbers alone, no prompts and no people."""

import math
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

STAGES = ("queued", "text", "sampling", "decoding", "saving")
BOUNDS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""In seconds; each bucket holds what took at most so long."""


_OF_TIMINGS = {
    "encode": "text",
    "network": "sampling",
    "solver": "sampling",
    "decode": "decoding",
}


def stage_seconds(timings: "pd.DataFrame") -> dict[str, float]:
    """Return the seconds that a run spent in the stages of which it has a table.

    Args:
        timings: Of the run, see ``sdlab.columns``.
    """
    seconds = timings["ms"].groupby(timings["stage"].map(_OF_TIMINGS)).sum() / 1000
    return {str(stage): float(spent) for stage, spent in seconds.items()}


@dataclass
class Durations:
    """How long something took, each time.

    Attributes:
        counts: How many fell below each of ``BOUNDS``, and above the one before; the last of all.
        seconds: In all.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def copy(self) -> "Durations":
        """Return them as they are now."""
        return Durations(list(self.counts), self.seconds)


class Measures:
    """Counts since the worker's start; any thread may call.

    Attributes:
        ended: Runs that ended, by state.
        loads: Models loaded, and those that failed, by "loaded" and "failed".
        restarts: How often the worker was started anew.
        restarted_at: When that was last, ``time.monotonic`` seconds; -infinity before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages = {stage: Durations() for stage in STAGES}
        self.ended: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        self.restarts = 0
        self.restarted_at = -math.inf

    def restarted(self) -> None:
        """Count that the worker was started anew."""
        with self._lock:
            self.restarts += 1
            self.restarted_at = time.monotonic()

    def run_ended(self, state: str, spent: Mapping[str, float]) -> None:
        """Count a run that has ended.

        Args:
            state: How.
            spent: Seconds by stage; a stage that it did not come to is missing.
        """
        with self._lock:
            self.ended[state] += 1
            for stage, seconds in spent.items():
                self._stages[stage].add(seconds)

    def loaded(self, well: bool) -> None:
        """Count a model that was loaded, or was not."""
        with self._lock:
            self.loads["loaded" if well else "failed"] += 1

    def stages(self) -> dict[str, Durations]:
        """Return how long each stage of the runs that have ended took."""
        with self._lock:
            return {stage: took.copy() for stage, took in self._stages.items()}
