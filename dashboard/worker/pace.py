"""How fast runs go, by the latest rounds of the engines."""

from collections import deque
from dataclasses import dataclass, field

PACED = 64  # rounds from which the pace is estimated


def _rounds() -> deque[tuple[int, float]]:
    return deque(maxlen=PACED)


@dataclass(eq=False)
class Pace:
    """The latest rounds, decoding, previews and saving among them.

    It foretells what the next many evaluations take if the machine stays as busy as it is.
    """

    _evaluations: deque[tuple[int, float]] = field(default_factory=_rounds)
    _pixels: deque[tuple[int, float]] = field(default_factory=_rounds)

    @property
    def seconds(self) -> float | None:
        """Seconds that an evaluation of one run takes, with all its run needs; None before any."""
        return _mean(self._evaluations)

    @property
    def of_pixel(self) -> float | None:
        """Seconds of one pixel and evaluation, with all that a run needs; None before any."""
        return _mean(self._pixels)

    def note(self, evaluations: int, pixels: int, seconds: float) -> None:
        """Count a round; one without an evaluation belongs to the one before.

        Args:
            evaluations: Made in it, of all runs.
            pixels: The same, each times the pixels of its run's picture.
            seconds: What it took.
        """
        _note(self._evaluations, evaluations, seconds)
        _note(self._pixels, pixels, seconds)

    def forget(self) -> None:
        """Forget the rounds: another model will have another pace."""
        self._evaluations.clear()
        self._pixels.clear()


def _mean(rounds: deque[tuple[int, float]]) -> float | None:
    rounds = rounds.copy()  # the worker's thread notes more meanwhile
    done = sum(count for count, _ in rounds)
    return sum(seconds for _, seconds in rounds) / done if done else None


def _note(rounds: deque[tuple[int, float]], done: int, seconds: float) -> None:
    """Note what a round did and took; one that did nothing yet belongs to the one before."""
    if done:
        rounds.append((done, seconds))
    elif rounds:
        before, took = rounds.pop()
        rounds.append((before, took + seconds))
