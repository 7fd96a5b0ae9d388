"""Hands out the shares of a sweep to a crew, again where a worker was lost, and notes both."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sdlab.sweeping.executors.crew import Crew, Event, Share

if TYPE_CHECKING:
    from sdlab.sweeping.sweep_folder import SweepFolder

ATTEMPTS = 3
"""Workers lost one after another over a share, none of which got further: then it has failed."""
LOST = f"{ATTEMPTS} workers were lost while they made it or what was made with it."


def hand_out(
    crew: Crew,
    shares: Sequence[Share],
    folder: "SweepFolder",
    left: Callable[[Share], set[str]],
) -> Iterator[Event | None]:
    """Hand out shares until all are over, yielding what becomes of them; None if nothing has.

    A share whose worker was lost is handed out again, first of all. What is under way is noted in
    ``folder`` before it is begun.

    Args:
        crew: Who makes them.
        shares: In the order in which they are begun.
        folder: Of the sweep.
        left: Returns which runs of a share are not stored.
    """
    waiting, under_way = deque(shares), list[Share]()
    losses = Losses(left)
    while waiting or under_way:
        room = min(crew.room(len(waiting)), len(waiting))
        if room:
            begun = [waiting.popleft() for _ in range(room)]
            under_way += begun
            folder.begin(share.runs for share in under_way)
            crew.begin(begun)
        quiet = True
        for event in crew.events():
            quiet = False
            if event.lost:
                event = losses.after(event.share)
            if event.lost:
                waiting.appendleft(event.share)
            if event.over or event.lost:
                under_way.remove(event.share)
            yield event
        if quiet:
            yield None


class Losses:
    """Counts the workers that were lost over each share, anew whenever one had got further.

    Args:
        left: Returns which runs of a share are not stored.
    """

    def __init__(self, left: Callable[[Share], set[str]]) -> None:
        self._left = left
        self._counts: dict[Share, tuple[int, int]] = {}

    def after(self, share: Share) -> Event:
        """Return what a loss means for a share: it is lost, or over, whole or failed."""
        left = self._left(share)
        before, times = self._counts.get(share, (len(share.missing), 0))
        times = 1 if len(left) < before else times + 1
        self._counts[share] = len(left), times
        if left and times < ATTEMPTS:
            return Event(share, lost=True)
        done = share.done_after(len(share.batches))
        return Event(share, done, dict.fromkeys(left, LOST), over=True)
