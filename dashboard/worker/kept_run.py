"""A run that was asked for and is not stored, as it is written down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from sdlab.errors import unknown
from sdlab.experiment.experiment import Experiment

STATES = ("waiting", "failed", "interrupted")
_SWITCHES = ("frames", "mix")
_TEXTS = ("owner", "session", "error", "point")


@dataclass(frozen=True)
class KeptRun:
    """A run and who asked for it.

    Attributes:
        experiment: What to run; the pixels of its pictures lie elsewhere.
        number: Its place in the order in which runs were asked for. It is counted, not timed, so
            that a clock which jumps changes nothing.
        owner: Whose it is; "" is nobody in particular.
        session: Tells people without a login apart.
        frames: Whether the scrubber's frames are to be drawn once it is done.
        mix: Whether it may share network calls with other runs.
        state: "waiting", also while it runs; "failed", or "interrupted" by the end of a server of
            an older version.
        error: Why it failed, in a sentence.
        deaths: How often the worker or its whole process ended in the midst of this run's work.
        point: Which piece of the work that was, the last time.
    """

    experiment: Experiment
    number: int
    owner: str = ""
    session: str = ""
    frames: bool = True
    mix: bool = False
    state: str = "waiting"
    error: str = ""
    deaths: int = 0
    point: str = ""

    @property
    def id(self) -> str:
        """The experiment's id."""
        return self.experiment.id

    @property
    def waits(self) -> bool:
        """Whether it is still to be made."""
        return self.state == "waiting"

    def with_(self, **changes: Any) -> Self:
        """Return it with the named fields changed."""
        return replace(self, **changes)

    def to_json(self) -> str:
        """Return all of it but the number."""
        told = {name: getattr(self, name) for name in _OWN}
        return json.dumps({"experiment": json.loads(self.experiment.to_json()), **told})

    @classmethod
    def from_json(cls, number: int, text: str) -> Self:
        """Return what ``to_json`` wrote; what a later version adds is passed over.

        Raises:
            ValueError: If it was not written by ``to_json``.
        """
        told = json.loads(text)
        if not isinstance(told, dict) or not isinstance(told.get("experiment"), dict):
            raise ValueError("it holds no experiment")
        own = {name: told[name] for name in _OWN if name in told}
        _check(own)
        return cls(Experiment.from_dict(told["experiment"]), number, **own)


_OWN = tuple(f.name for f in fields(KeptRun) if f.name not in ("experiment", "number"))


def _check(own: Mapping[str, Any]) -> None:
    """Refuse values of another kind than ``KeptRun`` has.

    Raises:
        ValueError: If there is one.
    """
    for name, value in own.items():
        kind = str if name in (*_TEXTS, "state") else bool if name in _SWITCHES else int
        if type(value) is not kind:
            raise ValueError(f"{name} must be of type {kind.__name__}, got {value!r:.80}.")
    if own.get("state", "waiting") not in STATES:
        raise ValueError(unknown("state of a kept run", own["state"], STATES))
