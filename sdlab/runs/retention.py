"""How long runs are kept and how much of them, and what goes to the trash by that: ``tidy``.

What has a star or a tag is kept. Of the rest goes what is older than so many days, and the oldest
as long as all take more than so much room, or those of one person do. What lies in the trash is
deleted for ever once tidying has found it there for so many days. Ages are not believed where the
clock has jumped; see ``sdlab.runs.looks``. The trash takes room of the disk, too, and does not
count here.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sdlab.experiment.spec import real
from sdlab.models.memory import GIB, readable
from sdlab.runs.index import RunIndex, index_of
from sdlab.runs.looks import DAY, Look, after, last_look, note, now
from sdlab.runs.owners import EVERYBODY
from sdlab.runs.trash import Deleted, delete_run, empty_trash, list_trash

if TYPE_CHECKING:
    import pandas as pd

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
"""No run is older than sdlab; one that says so was made while the clock was wrong."""


@dataclass(frozen=True)
class Retention:
    """What is kept; None of a rule is no such rule.

    Attributes:
        days: Days after which a run goes to the trash.
        gib: GiB that all runs may take.
        gib_each: GiB that the runs of one person may take, where people sign in.
        trash_days: Days after which what lies in the trash is deleted for ever.

    Raises:
        ValueError: If one is no number, or less than 1 day or a kilobyte.
    """

    days: float | None = None
    gib: float | None = None
    gib_each: float | None = None
    trash_days: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                low = 1e-6 if "gib" in each.name else 1.0
                object.__setattr__(self, each.name, real(each.name, value, low, 1e6))

    @property
    def set(self) -> bool:
        """Whether there is any rule."""
        return self != EVERYTHING


EVERYTHING = Retention()
"""No rule: all is kept."""


class Going(NamedTuple):
    """A run that goes to the trash.

    Attributes:
        run: Its id.
        created: When it was made.
        bytes: Size of its files.
        why: Which rule it falls under.
    """

    run: str
    created: datetime
    bytes: int
    why: str


class Plan(NamedTuple):
    """What is to be tidied away.

    Attributes:
        runs: Go to the trash, the oldest first.
        trash: Is deleted for ever.
        doubt: Why nothing goes by its age; "" if it does.
    """

    runs: list[Going]
    trash: list[Deleted]
    doubt: str = ""


def plan(
    root: str | Path, rules: Retention, *, ahead: timedelta = timedelta(), sure: bool = False
) -> Plan:
    """Return what is to be tidied away, and change nothing.

    Args:
        root: The folder of all runs.
        rules: What is kept.
        ahead: How far from now.
        sure: Whether a person says that the clock is right.
    """
    place = Path(root).expanduser()
    index = index_of(place)
    index.refresh()
    return _planned(index, rules, _look(index, sure), ahead)[0]


def tidy(root: str | Path, rules: Retention, *, sure: bool = False) -> Plan:
    """Move to the trash, and delete for ever, what the rules say; return what that was.

    Args:
        root: The folder of all runs.
        rules: What is kept.
        sure: Whether a person says that the clock is right.

    Raises:
        StoreError: If the disk cannot be written; what has not gone stays.
    """
    place = Path(root).expanduser()
    index = index_of(place)
    index.refresh()
    done, look = _planned(index, rules, _look(index, sure), timedelta())
    if place.is_dir():
        note(place, look)
    empty_trash(place, done.trash)
    for going in done.runs:
        if (place / going.run).exists():  # else another process has tidied it away
            delete_run(place, going.run)
    return done


def soon(index: RunIndex, rules: Retention, ahead: timedelta) -> Plan:
    """Return what of the runs that are read is to be tidied away within a time.

    Args:
        index: Of the runs.
        rules: What is kept.
        ahead: How far from now.
    """
    return _planned(index, rules, _look(index, sure=False), ahead)[0]


def _look(index: RunIndex, sure: bool) -> Look:
    newest = index.kept()["created"].max()
    seconds = None if newest is None or newest != newest else newest.timestamp()
    look = after(last_look(index.root), now(), seconds)
    return replace(look, steady=max(look.steady, DAY)) if sure else look


def _planned(index: RunIndex, rules: Retention, look: Look, ahead: timedelta) -> tuple[Plan, Look]:
    """Return the plan, and the look with what it found in the trash."""
    trash = list_trash(index.root)
    found = {_called(each): look.found.get(_called(each), look.counted) for each in trash}
    until = look.counted + ahead.total_seconds() - DAY * (rules.trash_days or 0.0)
    over = [one for one in trash if rules.trash_days and found[_called(one)] <= until]
    moment = datetime.fromtimestamp(look.wall, UTC)
    runs = list(_going(index.kept(), rules, moment, ahead, look.trusted))
    doubt = "" if look.trusted or rules.days is None else _DOUBT
    return Plan(runs, over, doubt), replace(look, found=found)


_DOUBT = (
    "Nothing goes by its age yet: whether the clock is right is not known, as it has jumped, or the"
    " newest run is more than a week old. It is believed once it has gone on evenly for a day."
)


def _going(
    runs: "pd.DataFrame", rules: Retention, moment: datetime, ahead: timedelta, trusted: bool
) -> Iterator[Going]:
    """Yield what goes to the trash, the oldest first; what has no credible time goes last."""
    excess = float(runs["bytes"].sum()) - GIB * (rules.gib or math.inf)
    each = _excess_of_each(runs, rules)
    oldest = timedelta(days=rules.days or 0)
    credible = runs["created"].between(FIRST, moment)
    loose = runs.assign(doubtful=~credible)[~runs["kept"]]
    for row in loose.sort_values(["doubtful", "created", "run"]).to_dict("records"):
        old = rules.days is not None and trusted and not row["doubtful"]
        people = _people(row["owner"]) if each else []
        if old and row["created"] + oldest <= moment + ahead:
            why = f"older than {rules.days:g} days"
        elif people and all(each[person] > 0 for person in people):
            room = readable(GIB * (rules.gib_each or 0))
            why = f"the runs of {row['owner']} take more than {room}"
        elif excess > 0:
            why = f"all runs take more than {readable(GIB * (rules.gib or 0))}"
        else:
            continue
        excess -= row["bytes"]
        for person in people:
            each[person] -= row["bytes"]
        yield Going(row["run"], row["created"].to_pydatetime(), int(row["bytes"]), why)


def _excess_of_each(runs: "pd.DataFrame", rules: Retention) -> dict[str, float]:
    """Return how much each person's runs take beyond what they may; a run of two is of each."""
    found: dict[str, float] = {}
    if rules.gib_each is not None:
        for owner, size in runs.groupby("owner")["bytes"].sum().items():
            for person in _people(str(owner)):
                found[person] = found.get(person, -GIB * rules.gib_each) + float(size)
    return found


def _people(owner: str) -> list[str]:
    return [person for person in owner.split(", ") if person and person != EVERYBODY]


def no_room(root: str | Path, rules: Retention, owner: str) -> str:
    """Return why somebody may have no more runs made, in a sentence; "" if they may.

    That is so where what they have marked, which always stays, takes all the room of one person.

    Args:
        root: The folder of all runs; what of it has been read counts.
        rules: What is kept.
        owner: Who; "" is nobody in particular, of whom nothing is asked.
    """
    if not owner or rules.gib_each is None:
        return ""
    taken, room = index_of(root).marked_bytes(owner), GIB * rules.gib_each
    if taken < room:
        return ""
    return (
        f"Your runs with a star or a tag take {readable(taken)} of the {readable(room)} that this"
        " server keeps of each person. Take stars and tags away, or delete runs, and try again."
    )


def _called(deleted: Deleted) -> str:
    return f"{deleted.kind} {deleted.name}"
