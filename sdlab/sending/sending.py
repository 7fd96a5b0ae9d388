"""Sends stored runs to another program, one after the other."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple

import sdlab.sending as room
from sdlab.errors import unknown
from sdlab.sending.parcel import Parcel, parcel_of

PREFIX = "to_"
PROJECT = "sdlab"


class Sent(NamedTuple):
    """What became of a run that was to be sent.

    Attributes:
        run: The run's id.
        place: Where the program keeps it.
        new: Whether it was sent now; else it was there before.
    """

    run: str
    place: str
    new: bool


def programs() -> list[str]:
    """Return the names of the programs that runs can be sent to."""
    found = (module.name for module in iter_modules(room.__path__))
    return sorted(name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX))


def send_runs(
    folders: Iterable[str | Path],
    to: str,
    place: str | None = None,
    project: str = PROJECT,
    on_sent: Callable[[Sent], None] | None = None,
) -> list[Sent]:
    """Send stored runs to another program, and return what became of each.

    Args:
        folders: Their folders, as the column ``path`` of ``sdlab.runs()``.
        to: One of ``programs()``: "mlflow", "wandb".
        place: For MLflow the tracking URI, None for MLflow's own (MLFLOW_TRACKING_URI). For W&B a
            folder, into which runs are written as ``wandb sync`` takes them; None sends them.
        project: The experiment of MLflow, or the project of W&B, that they are put into.
        on_sent: Called after each.

    Raises:
        ValueError: If there is no such program.
        SdlabError: If it is not installed, or refuses a run; those before it are sent.
        StoreError: If a run cannot be read.
    """
    if to not in programs():
        raise ValueError(unknown("program to send runs to", to, programs()))
    send: Callable[[Parcel, str | None, str], Sent]
    send = import_module(f"{room.__name__}.{PREFIX}{to}").send
    done = []
    for folder in folders:
        done.append(send(parcel_of(Path(folder)), place, project))
        if on_sent is not None:
            on_sent(done[-1])
    return done
