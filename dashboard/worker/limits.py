"""What one person may ask of a server at a time, where its operator sets limits."""

from dataclasses import dataclass

from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment

MILLION = 1e6


class LimitError(SdlabError):
    """Somebody asks for more than one person may have on this server."""


@dataclass(frozen=True)
class Limits:
    """What one person may have; None for any amount.

    Attributes:
        queued_runs: Runs that wait or are being made.
        megapixel_steps: Width x height x steps of one run, in millions.
        studies: Long computations that wait or go on.
        upload_mib: MiB that the kept pictures which they brought may take.
    """

    queued_runs: int | None = None
    megapixel_steps: float | None = None
    studies: int | None = None
    upload_mib: float | None = None

    def too_large(self, run: Experiment, size: tuple[int, int] | None) -> str:
        """Return why a run is too large, in a sentence; "" if it is not.

        Args:
            run: The run.
            size: (width, height) in pixels where it names none; None if that is not known.
        """
        limit = self.megapixel_steps
        width, height = run.width or (size or (0, 0))[0], run.height or (size or (0, 0))[1]
        millions = width * height * run.num_steps / MILLION
        if limit is None or millions <= limit:
            return ""
        steps = int(limit * MILLION / (width * height))
        fewer = f" at most {steps:,} steps or" if steps else ""
        return (
            f"{width} x {height} pixels by {run.num_steps:,} steps are {millions:,.4g} million; on"
            f" this server a run may have {limit:,.4g} million. Take{fewer} a smaller picture."
        )

    def too_many(self, asked: int, live: int) -> str:
        """Return why runs are too many, in a sentence; "" if they are not.

        Args:
            asked: How many more are asked for.
            live: How many of the same person wait or are being made.
        """
        limit = self.queued_runs
        if limit is None or asked + live <= limit:
            return ""
        wait = "waits or is" if live == 1 else "wait or are"
        have = f"You have {_runs(live)} that {wait} being made, and ask for" if live else "Here are"
        more = " more" if live else ""
        way = "Wait until some are done, or cancel some on the Runs page." if live else ""
        if asked > limit:
            way = "Ask for fewer at a time."
        return (
            f"{have} {_runs(asked)}{more}; on this server one person may have {limit:,} at a time."
            f" {way}"
        )

    def too_busy(self, live: int) -> str:
        """Return why no more long computation may be asked for, in a sentence; "" if one may.

        Args:
            live: How many of the same person wait or go on.
        """
        if self.studies is None or live < self.studies:
            return ""
        what = "sweep or computed chart" if live == 1 else "sweeps and computed charts"
        return (
            f"You have {live:,} {what} under way; on this server one person may have"
            f" {self.studies:,} at a time. Wait until one is done, or cancel one."
        )


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
