"""What a page shows, and how a run is started from the form."""

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


def start(at):
    at.button(key=FORM).click().run()
    return run_until(at, lambda a: any(s.value == "Measurements" for s in a.header))
