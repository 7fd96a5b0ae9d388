"""Which run begins next, where runs of several models wait: a model that is loaded is used.

Runs of models in memory may overtake others, which spares loading, but each of those only so often:
then nothing begins before it, what is in flight ends, and its model can be loaded. Where a study
holds the models in its way, which may take hours, that would not help, and others go on.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

MOST_OVERTAKEN = 16

Item = TypeVar("Item", bound=Hashable)


class ModelTurns:
    """Chooses among what waits, and counts who was overtaken.

    Args:
        most: How often one is overtaken at most.
    """

    def __init__(self, most: int = MOST_OVERTAKEN) -> None:
        self._most = most
        self._overtaken: dict[Hashable, int] = {}

    def choose(
        self,
        waiting: Iterable[Item],
        can_begin: Callable[[Item], bool],
        is_here: Callable[[Item], bool],
        runs_alone: Callable[[Item], bool] = lambda item: True,
    ) -> Item | None:
        """Return what begins next; None if what must come first cannot begin yet.

        Args:
            waiting: What waits, who comes first by right first.
            can_begin: Whether one could begin at once.
            is_here: Whether the model that it needs is in memory.
            runs_alone: Whether one could begin once all runs in flight have ended.
        """
        line = list(waiting)
        for place, item in enumerate(line):
            if is_here(item) and can_begin(item):
                self._count(line, place)
                return item
            if self._overtaken.get(item, 0) >= self._most and runs_alone(item):
                break
        if line and can_begin(line[0]):
            self._count(line, 0)
            return line[0]
        return None

    def _count(self, line: Sequence[Item], begun: int) -> None:
        before = self._overtaken
        self._overtaken = {
            item: before.get(item, 0) + (place < begun)
            for place, item in enumerate(line)
            if place < begun or (place > begun and item in before)
        }
