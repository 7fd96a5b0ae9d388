"""People at a server of their own: what the scripts on sharing and on soaking are made of.

The server is a process like any other, its runs in a folder of its own. Each person is a thread
with open tabs, each a real session over the websocket (``tests/e2e/wire.py``), which keeps itself
up to date as a browser's would. Nothing is started or read behind the server's back, but for the
run folders, by which a run is known to be finished.
"""

import json
import math
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil
from startup import ROOT, free_port, wait_for_server

sys.path.insert(0, str(ROOT))

from tests.e2e.wire import Visit, browser  # noqa: E402

PATIENCE = 600.0
_RAISED = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt)\b")
STEPS = 5
"""Of a small run: the embedded model's own size."""
PAGES = (
    "runs",
    "tokens",
    "noise_schedules",
    "models",
    "glossary",
    "network",
    "latents",
    "workbench",
)
GRID = 50
COMPARED = "a red car, compared"
THREADS = str(max(1, (os.cpu_count() or 2) - 1))
"""Of torch, in the server as in the process that makes its pictures anew."""


class Server:
    """``streamlit run`` on a folder of runs, with its model in memory.

    Args:
        root: Folder of the runs.
        device: "cpu" or "cuda".
        variables: Further environment variables.

    Attributes:
        url: Where it answers.
        log: What it has written.
    """

    def __init__(self, root: Path, device: str = "cpu", **variables: str) -> None:
        self.root, self.log = root, root.with_suffix(".log")
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._variables = {"OMP_NUM_THREADS": THREADS, **variables}
        if device == "cpu":
            self._variables["CUDA_VISIBLE_DEVICES"] = ""

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
        command += ["--server.port", str(self._port), "--server.headless", "true"]
        command += ["--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
        environment = {**os.environ, "SDLAB_RUNS": str(self.root), **self._variables}
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=sink, stderr=sink
            )
        wait_for_server(self.process, self._port)
        self._known = psutil.Process(self.process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def warm_up(self) -> None:
        """Have one small run made, so that the model is in memory and every code has run once."""
        person = Person(self, "first")
        person.once()
        person.close()

    def waiting(self) -> int:
        """Return how many runs and other computations wait or are under way."""
        with urlopen(f"{self.url}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith(("sdlab_runs{", "sdlab_studies "))]
        return round(sum(float(line.split()[-1]) for line in counted))

    def errors(self) -> list[str]:
        """Return what was raised and logged: of each traceback its last line."""
        found, within = [], False
        for line in self.log.read_text(errors="replace").splitlines():
            text = line.strip(" |│╭╰─╮╯")
            if "Traceback (most recent call last)" in text:
                within = True
            elif within and _RAISED.match(text):
                found.append(text[:200])
                within = False
        return found

    def memory(self) -> float:
        """Return the memory of the process, in MiB."""
        return self._known.memory_info().rss / 2**20

    def files(self) -> int:
        """Return how many files and sockets the process has open."""
        return self._known.num_fds()

    def threads(self) -> int:
        """Return how many threads the process has."""
        return self._known.num_threads()


@dataclass
class Asked:
    """A run that somebody asked for.

    Attributes:
        run: Its id.
        pressed: When the button was pressed, ``time.monotonic`` seconds.
        seconds: Until it was stored; None if it was not.
    """

    run: str
    pressed: float
    seconds: float | None = None


@dataclass(eq=False)
class Person:
    """Somebody who runs small experiments, and thinks in between.

    Args:
        server: Where.
        who: Decides the words and the seeds, so that no two people ask for the same.
        until: When to begin nothing more, ``time.monotonic`` seconds.
        pause: The longest time to think, in seconds.
        grace: How long after the end to wait for what was asked for before, in seconds.

    Attributes:
        asked: The runs so far.
        trouble: What went wrong, a sentence each.
    """

    server: Server
    who: str
    until: float = 0.0
    pause: float = 3.0
    grace: float = 120.0
    asked: list[Asked] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    done: int = 0
    _visit: Visit | None = None
    _browser: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name=self.who, daemon=True)
        self._drawn = random.Random(self.who)
        self._seed = self._drawn.randrange(10**6) * 1000

    def open(self, page: str, **values: object) -> Visit:
        """Open a page by its address, in a tab of one browser; what it raises is trouble."""
        if not self._browser:
            self._browser = browser(self.server.url)
        address = f"{self.server.url}/{page}?{urlencode(values, doseq=True)}"
        visit = Visit(address, self._browser)
        visit.exceptions = self.trouble
        return visit

    def _run(self) -> None:
        try:
            self.live()
        except Exception as error:  # the others go on; the report says it
            self.trouble.append(f"{self.who}: {type(error).__name__}: {error}")
        finally:
            self.close()

    def live(self) -> None:
        """Run small experiments one after another."""
        while time.monotonic() < self.until:
            self.once()
            assert self._visit is not None
            self._visit.stay(self._drawn.uniform(0.3, 1) * self.pause)

    def once(self) -> Asked:
        """Make one small run, and return it."""
        words = {"experiment.prompt": f"a parrot, for {self.who}", "experiment.steps": STEPS}
        return self.made(words, self.until + self.grace if self.until else math.inf)

    def made(self, values: dict[str, object], end: float) -> Asked:
        """Press Run and look at the page until the run is stored, or the end is there."""
        if self._visit is None:
            self._visit = self.open("experiment", **values)
            self._visit.wait(lambda: "experiment.go" in self._visit.fields, PATIENCE)
        visit, before = self._visit, self._visit.parameter("run")
        self._seed += 1
        pressed = time.monotonic()
        visit.press("experiment.go", {"experiment.seed": str(self._seed)}, within=PATIENCE)
        visit.wait(lambda: visit.parameter("run") not in ("", before), PATIENCE)
        asked = Asked(visit.parameter("run"), pressed)
        self.asked.append(asked)
        stored = self.server.root / asked.run / "manifest.json"
        try:
            visit.wait(stored.exists, end - time.monotonic())
        except TimeoutError:
            return asked
        asked.seconds = time.monotonic() - pressed
        self.done += 1
        return asked

    def close(self) -> None:
        """Close the tab."""
        if self._visit is not None:
            self._visit.close()
            self._visit = None


@dataclass(eq=False)
class Patient(Person):
    """Somebody who has one large picture made, and watches it.

    Args:
        side: Of the picture, in pixels.
        steps: How many.
    """

    side: int = 512
    steps: int = 250

    def live(self) -> None:
        """Have large pictures made until the end; what is then under way is left."""
        values = {
            "experiment.prompt": f"a large parrot, for {self.who}",
            "experiment.steps": self.steps,
            "experiment.width": self.side,
            "experiment.height": self.side,
        }
        while time.monotonic() < self.until:
            self.made(values, self.until)

    @property
    def evaluations(self) -> int:
        """How far the picture under way is, as its page says."""
        words = (self._visit.progress if self._visit else "").split()
        return int(words[1]) if words[:1] == ["Evaluation"] else 0

    def close(self) -> None:
        """Count what was done of a picture under way, and close the tab."""
        self.done += self.evaluations
        super().close()


@dataclass(eq=False)
class Collector(Person):
    """Somebody who has many pictures made at once: grids of 50 seeds each, of 10 steps.

    Args:
        count: How many pictures in all.
    """

    count: int = 200

    def live(self) -> None:
        """Press Run once for each grid, and look at the pictures as they come."""
        words = {
            "experiment.prompt": f"many parrots, for {self.who}",
            "experiment.steps": 2 * STEPS,
        }
        mine = range(self._seed, self._seed + self.count)
        visit = self._visit = self.open("experiment", **words)
        for first in mine[::GRID]:
            grid = visit.parameter("grid")
            seeds = {"experiment.seeds": f"{first}-{min(first + GRID, mine.stop) - 1}"}
            visit.press("experiment.go", seeds, within=PATIENCE)
            visit.wait(lambda before=grid: visit.parameter("grid") not in ("", before), PATIENCE)
        visit.stay(max(0.0, self.until - time.monotonic()))
        self.done = sum(made["seed"] in mine for made in stored(self.server.root))


@dataclass(eq=False)
class Comparer(Person):
    """Somebody who compares samplers."""

    def live(self) -> None:
        """Press Compare for one seed after another."""
        while time.monotonic() < self.until:
            self._seed += 1
            self._visit = self.open(
                "compare",
                **{
                    "compare.prompts": COMPARED,
                    "compare.samplers": ["ddim", "heun"],
                    "compare.seeds": self._seed,
                    "compare.align": "Steps",
                    "compare.budget": 4,
                    "compare.more": "",
                    "compare.reference": 8,
                },
            )
            self._visit.press("compare.go", within=PATIENCE)
            self._visit.stay(min(10.0, max(1.0, self.until - time.monotonic())))
            self.done += 1
            self.close()


@dataclass(eq=False)
class Reader(Person):
    """Somebody who reads: one page after another, each in a new tab."""

    def live(self) -> None:
        """Open pages until the end."""
        while time.monotonic() < self.until:
            self._visit = self.open(PAGES[self.done % len(PAGES)])
            self._visit.settle(PATIENCE)
            self._visit.stay(self.pause / 2)
            self.done += 1
            self.close()


def together(
    people: list[Person], seconds: float, watch: Callable[[], None] = lambda: None
) -> None:
    """Let people live for so long, then wait for what they wait for; ``watch`` every second."""
    end = time.monotonic() + seconds
    for person in people:
        person.until = end
        person.thread.start()
    while any(person.thread.is_alive() for person in people):
        watch()
        time.sleep(1.0)


def mixed(server: Server) -> list[Person]:
    """Return eight people with mixed work; four make small runs."""
    small = [Person(server, f"person {number}") for number in range(4)]
    kinds = {"patient": Patient, "collector": Collector, "comparer": Comparer, "reader": Reader}
    return [*small, *(kind(server, who) for who, kind in kinds.items())]


def stored(root: Path) -> list[dict[str, Any]]:
    """Return the experiments of all stored runs."""
    found = [json.loads(path.read_text()) for path in root.glob("*/manifest.json")]
    return [facts["experiment"] for facts in found]
