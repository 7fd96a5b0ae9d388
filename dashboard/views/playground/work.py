"""The Playground page's computations, in the worker's thread: training, and what came of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.playground.distance import Distance
    from sdlab.playground.train import Progress, Settings, Trained
    from sdlab.work import Work

TRUTH_POINTS = 500


@dataclass
class Live:
    """What has been seen of a training so far; the worker appends, pages read."""

    seen: "list[Progress]" = field(default_factory=list)

    def latest(self) -> "Progress | None":
        """Return the last progress that has points, or None."""
        return next((p for p in reversed(self.seen) if p.points is not None), None)


@dataclass(frozen=True, eq=False)
class Done:
    """A training that has ended."""

    trained: "Trained"
    seen: "list[Progress]"


@st.cache_resource(max_entries=32, show_spinner=False)
def live(settings: str) -> Live:
    """Return the place where the training of these settings, as text, can be watched."""
    return Live()


def training(settings: "Settings", place: Live, model: Any) -> "Work[Done]":
    """Train; progress is in optimizer steps, and what there is to see comes to ``place``."""
    from sdlab.playground.train import train

    place.seen.clear()
    work = train(settings)
    try:
        while True:
            progress = next(work)
            place.seen.append(progress)
            yield progress.step, settings.steps
    except StopIteration as stop:
        return Done(stop.value, list(place.seen))
    finally:
        work.close()


@st.cache_data(max_entries=64, show_spinner=False)
def truth(data: str) -> "pd.DataFrame":
    """Return points of a distribution, columns ``x`` and ``y``."""

    def ask(model: Any) -> "pd.DataFrame":
        import torch

        from sdlab.playground.data import sample

        return table(sample(data, TRUTH_POINTS, torch.Generator().manual_seed(12345)))

    return lab().ask(ask, None, session_id())


@st.cache_data(max_entries=64, show_spinner="Measuring …")
def measured(settings: str, steps: int, _done: Done) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Return drawn points and the table of distances, with so many sampling steps."""

    def ask(model: Any) -> "tuple[pd.DataFrame, dict[str, Distance]]":
        from sdlab.playground.compared import comparing
        from sdlab.playground.train import SHOWN
        from sdlab.work import finish

        points = table(_done.trained.points(SHOWN, steps=steps))
        return points, finish(comparing(_done.trained, steps=steps))

    import pandas as pd

    points, found = lab().ask(ask, None, session_id())
    rows = [
        {"points": name, "distance": d.value, "low": d.low, "high": d.high, "batch": d.count}
        for name, d in found.items()
    ]
    return points, pd.DataFrame(rows)


@st.cache_data(max_entries=128, show_spinner=False)
def field_at(settings: str, time: float, _done: Done) -> "pd.DataFrame":
    """Return the trained network's field at a time, as ``arrows`` has it."""
    return arrows(lab().ask(lambda model: _done.trained.field(time), None, session_id()))


def arrows(values: Any) -> "pd.DataFrame":
    """Return a field [G * G, 2] on the grid's points: columns ``x``, ``y``, ``to_x``, ``to_y``."""
    from sdlab.playground.train import grid_points

    to = table(values).rename(columns={"x": "to_x", "y": "to_y"})
    return table(grid_points()).join(to)


def table(points: Any) -> "pd.DataFrame":
    """Return points [N, 2] as columns ``x`` and ``y``."""
    import pandas as pd

    return pd.DataFrame(points.numpy(), columns=["x", "y"])


def losses(seen: "list[Progress]") -> "pd.DataFrame":
    """Return the loss over the steps."""
    import pandas as pd

    return pd.DataFrame([{"step": p.step, "loss": p.loss} for p in seen])
