"""Makes a sweep whose process is killed in the midst of what it writes, again and again.

    python -m tests.sweeping.killed STORE MOMENT...

Each moment is how often the store was touched (a file opened, a folder made or renamed) when
SIGKILL comes, or, below zero, how often a name was changed; the sweep is then started again. After
the last it ends undisturbed. All torch work is in forked children, so that nothing but the import
is shared.
"""

import os
import signal
import sys
from pathlib import Path

import sdlab
from sdlab.models.model import Model
from sdlab.sweeping.sweep import sweep
from tests.conftest import make_pipeline

TOUCHES = ("open", "os.mkdir", "os.rename")
SPEC = sdlab.Sweep(
    sdlab.Experiment(prompt="a red car", width=64, height=64, num_steps=2, model="small"),
    {"solver": ["ddim", "heun"], "seed": range(3)},
)


def kill_at(moment: int, store: Path) -> None:
    """Let this process be killed when it touches the store for the ``moment``-th time."""
    count, events = 0, TOUCHES if moment > 0 else ("os.rename",)

    def touched(event, arguments):
        nonlocal count
        if event in events and str(arguments[0]).startswith(str(store)):
            count += 1
            if count == abs(moment):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(touched)


def forked(store: Path, moment: int | None) -> int:
    """Make the sweep in a child and return the signal that ended it, 0 for none."""
    child = os.fork()
    if not child:
        status = 1
        try:
            if moment is not None:
                kill_at(moment, store)
            sweep(Model(make_pipeline(), "small"), SPEC, root=store)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for given in sys.argv[2:]:
        ended = forked(place, int(given))
        stored = sorted(p.name for p in place.glob("[0-9a-f]*"))
        mine = [f"{p}:{(place / p).stat().st_ino}" for p in stored]
        print(ended, *mine, flush=True)
    print(forked(place, None))
