"""What is stored, and who may change it: whoever owns it, and operators.

Pages ask here, not the store, so that what a page forgets to hide is refused all the same. On a
server without login everybody is an operator.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from dashboard.worker.task import Priority
from sdlab.errors import SdlabError, StoreError
from sdlab.runs.marks import mark
from sdlab.runs.owners import EVERYBODY, add_owner, all_owners, drop_owner, owners_of
from sdlab.runs.trash import (
    RUN,
    Deleted,
    delete,
    empty_trash,
    is_stored,
    list_trash,
    restore,
)

log = logging.getLogger(__name__)

SWEEP_TASK = "sweep-"
"""What the id of a task begins with that makes a sweep."""


class NotYoursError(SdlabError):
    """Somebody wants to change what is not theirs."""


class OwnedThings:
    """The stored things of a server.

    Args:
        root: The folder of all runs.
        operator: Tells of an id whether it is an operator's.
    """

    def __init__(self, root: Path, operator: Callable[[str], bool]) -> None:
        self.root = root
        self._operator = operator

    def own(self, kind: str, names: Iterable[str], owner: str) -> None:
        """Note that somebody has asked for things, whoever else has; "" is nobody.

        What cannot be noted is said in the log, and nobody's: work goes on, operators change it.
        """
        try:
            add_owner(self.root, kind, names, owner)
        except StoreError as error:
            log.warning("%s", error)

    def own_asked(self, kind: str, names: Iterable[str], owner: str) -> None:
        """Note that somebody asks for things before they are made; what is stored, see ``join``."""
        stored = {name: bool(owner) and is_stored(self.root, kind, name) for name in names}
        self.own(kind, [name for name in stored if not stored[name]], owner)
        self.join(kind, [name for name in stored if stored[name]], owner)

    def join(self, kind: str, names: Iterable[str], owner: str) -> None:
        """Note that somebody asks for what is stored: it is theirs, too, unless it is nobody's.

        Else whoever asks for what was made without login could delete it.
        """
        try:
            self.own(kind, [name for name in names if owner and self.owners(kind, name)], owner)
        except StoreError as error:
            log.warning("%s", error)

    def own_if_nobody_does(self, kind: str, name: str, owner: str) -> None:
        """Note whose a thing is that was made in the place of nobody's.

        Or while the trash, with an older one, was emptied.
        """
        try:
            if owner and not self.owners(kind, name):
                add_owner(self.root, kind, [name], owner)
        except StoreError as error:
            log.warning("%s", error)

    def owners(self, kind: str, name: str) -> tuple[str, ...]:
        """Return who owns a thing, also one that is still to be made."""
        return tuple(who for who in owners_of(self.root, kind, name) if who != EVERYBODY)

    def all_owners(self, kind: str) -> dict[str, tuple[str, ...]]:
        """Return who owns the things of a kind, by their names; nothing if that cannot be read."""
        try:
            return all_owners(self.root, kind)
        except StoreError as error:
            log.warning("%s", error)
            return {}

    def may_change(self, kind: str, name: str, by: str) -> bool:
        """Return whether somebody may delete or replace a thing."""
        return self._operator(by) or by in self.owners(kind, name)

    def may_end(self, kind: str, name: str, by: str, asked: str) -> bool:
        """Return whether somebody may end what makes a thing, or forget how it ended.

        Args:
            kind: Of the thing.
            name: Its id.
            by: Who wants to.
            asked: Who asked for it: it is theirs while nobody owns what it makes.
        """
        return self.may_change(kind, name, by) or by == asked and not self.owners(kind, name)

    def may_mark(self, run: str, by: str) -> bool:
        """Return whether somebody may mark a run: also one that is shared, or nobody's."""
        owners = owners_of(self.root, RUN, run)
        return self._operator(by) or not owners or by in owners or EVERYBODY in owners

    def check(self, kind: str, name: str, by: str, doing: str = "delete it") -> None:
        """Let nobody change what is not theirs.

        Raises:
            NotYoursError: If it is not.
        """
        if not self.may_change(kind, name, by):
            raise NotYoursError(self._not_yours(kind, name, doing))

    def delete(self, kind: str, name: str, by: str) -> bool:
        """Move a thing to the trash; of what others own too, only give up one's own part.

        Returns:
            Whether it is in the trash.

        Raises:
            NotYoursError: If it is not theirs.
            StoreError: As ``sdlab.runs.trash.delete``.
        """
        self.check(kind, name, by)
        if self.leave(kind, name, by):
            return False
        delete(self.root, kind, name)
        return True

    def leave(self, kind: str, name: str, by: str) -> bool:
        """Give up one's part of a thing that others own, too; return whether there are others."""
        owners = self.owners(kind, name)
        if by not in owners or len(owners) == 1:
            return False
        drop_owner(self.root, kind, name, by)
        return True

    def restore(self, kind: str, name: str, by: str) -> None:
        """Put a thing back from the trash.

        Raises:
            NotYoursError: If it is not theirs.
            StoreError: As ``sdlab.runs.trash.restore``.
        """
        self.check(kind, name, by, "put it back")
        restore(self.root, kind, name)

    def trash(self, by: str) -> list[Deleted]:
        """Return what lies in the trash that somebody may put back or delete for ever."""
        return [one for one in list_trash(self.root) if self.may_change(one.kind, one.name, by)]

    def empty_trash(self, by: str, found: Sequence[Deleted] | None = None) -> int:
        """Delete for ever what is theirs in the trash and return how many things that were.

        Raises:
            NotYoursError: If any of what is named is not theirs.
            StoreError: As ``sdlab.runs.trash.empty_trash``.
        """
        gone = self.trash(by) if found is None else list(found)
        for one in gone:
            self.check(one.kind, one.name, by, "delete it for ever")
        return empty_trash(self.root, gone)

    def mark(self, runs: Iterable[str], by: str, **changes: Any) -> None:
        """Change what is noted of runs, all of them or none; see ``sdlab.runs.marks.mark``.

        Raises:
            NotYoursError: If one is neither theirs nor shared.
            StoreError: As ``sdlab.runs.marks.mark``.
            ValueError: Likewise.
        """
        names = list(runs)
        for run in names:
            if not self.may_mark(run, by):
                raise NotYoursError(self._not_yours(RUN, run, "mark it"))
        mark(self.root, names, **changes)

    def share(self, runs: Iterable[str], by: str, shared: bool) -> None:
        """Let everybody mark runs, or their owners alone.

        Raises:
            NotYoursError: If one is not theirs.
            StoreError: If the disk cannot be written.
        """
        names = list(runs)
        for run in names:
            self.check(RUN, run, by, "share it")
        if shared:
            add_owner(self.root, RUN, names, EVERYBODY)
            return
        for run in names:
            drop_owner(self.root, RUN, run, EVERYBODY)

    def _not_yours(self, kind: str, name: str, doing: str) -> str:
        owners = self.owners(kind, name)
        whose = f"belongs to {', '.join(owners)}" if owners else "was made without login"
        who = "they or an operator" if owners else "an operator"
        return f"{kind.capitalize()} {name} {whose}; only {who} may {doing}."


def thing_of(task: str, priority: Priority) -> tuple[str, str]:
    """Return kind and name of what a task makes; of what it does not store, its own id."""
    if priority is not Priority.RUN and task.startswith(SWEEP_TASK):
        return "sweep", task.removeprefix(SWEEP_TASK)
    return (RUN if priority is Priority.RUN else ""), task
