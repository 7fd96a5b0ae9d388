"""What a page shows, and how a run is started from the form."""

import time

from dashboard.shell.lab import lab
from dashboard.worker.task import Priority
from tests.dashboard.conftest import read, run_until

FORM = "experiment.go"


def titles(at) -> list[str]:
    return [t.value for t in at.title]


def errors(at) -> list[str]:
    return [read(e) for e in at.error]


def open_tab(at, name):
    """Open one of a run's tabs, which alone is drawn."""
    at.session_state["run.tab"] = name
    at.run()
    assert not at.exception
    return at


def study(at, button):
    """Start a study and run the page again once it has ended: a polling page holds it up."""
    at.button(key=button).click().run()
    end = time.monotonic() + 240
    while any(task.live for task in lab()._tasks.all(Priority.STUDY)):
        assert time.monotonic() < end
        time.sleep(0.02)
    at.run()
    assert not at.exception and not at.error
    return at


def finished(run):
    """Wait for a run to end and return its id."""
    end = time.monotonic() + 240
    while (view := lab().known_runs.get(run)) is not None and view.live:
        assert time.monotonic() < end
        time.sleep(0.05)
    return run


def start(at):
    at.button(key=FORM).click().run()
    return run_until(at, lambda a: any(s.value == "Measurements" for s in a.header))
