"""What the stations draw from: a stored run, and the numbers of its middle evaluation."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dashboard.worker.stored_runs import StoredRun
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from sdlab.runs.run import Run


@dataclass(frozen=True)
class Lesson:
    """A run as the stations read it.

    Attributes:
        stored: Its folder and manifest.
        run: The run, opened; it kept x_t and x0_pred.
        place: Which of its kept evaluations the numbers are of: the middle one.
    """

    stored: StoredRun
    run: "Run"
    place: int

    @classmethod
    def of(cls, stored: StoredRun) -> "Lesson | None":
        """Return the lesson of a run; None if it kept too little.

        Raises:
            StoreError: If it is damaged.
        """
        import sdlab

        run = sdlab.open_run(stored.folder)
        if not {"x_t", "x0_pred"} <= set(run.trace.names()) or "latents" not in run.tensors:
            return None
        return cls(stored, run, len(run.trace.kept) // 2)

    @property
    def experiment(self) -> Experiment:
        """What was run."""
        return self.run.experiment

    @property
    def number(self) -> int:
        """The number of the evaluation, from 0."""
        return int(self.run.trace.kept[self.place])

    @cached_property
    def rows(self) -> "pd.DataFrame":
        """The steps table of the kept evaluations, in order."""
        steps = self.run.steps.set_index("evaluation", drop=False)
        return steps.loc[self.run.trace.kept].reset_index(drop=True)

    @property
    def row(self) -> Any:
        """The steps table's row of the evaluation."""
        return self.rows.iloc[self.place]

    @property
    def flow(self) -> bool:
        """Whether it is a run of flow matching."""
        return "flow_time" in self.run.steps

    def mixture(self, place: int | None = None) -> tuple[float, float]:
        """Return a and b of x_t = a x0 + b eps at a kept evaluation, by default the middle one."""
        row = self.rows.iloc[self.place if place is None else place]
        if self.flow:
            return 1 - float(row["flow_time"]), float(row["flow_time"])
        alpha_bar = float(row["alpha_bar"])
        return math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)

    @property
    def x_t(self) -> "Tensor":
        """x_t at the evaluation, [C, h, w]."""
        return self.run.trace.x_t[self.place].float()

    @property
    def x0_pred(self) -> "Tensor":
        """x0_pred at the evaluation, [C, h, w]."""
        return self.run.trace.x0_pred[self.place].float()

    @property
    def latents(self) -> "Tensor":
        """The final latents, [C, h, w]."""
        return self.run.latents[0].float()

    def at_center(self, latents: "Tensor") -> float:
        """Return the value of channel 0 in the middle of latents [C, h, w]."""
        return float(latents[0, latents.shape[1] // 2, latents.shape[2] // 2])

    @cached_property
    def losses(self) -> "pd.DataFrame":
        """The kept evaluations with ``loss``: of the prediction, if the run's picture is the truth.

        With x_t = a x0 + b eps an error d of x0 is an error (a / b) d of eps, and with flow
        matching d / t of the velocity. Where there is no noise nothing is predicted.
        """
        trace, rows = self.run.trace, self.rows
        loss = []
        for place, x0_pred in enumerate(trace.x0_pred.float()):
            error = float((x0_pred - self.latents).square().mean())
            signal, noise = self.mixture(place)
            factor = (1 if self.flow else signal) / noise if noise else math.nan
            loss.append(factor**2 * error)
        table = rows.assign(loss=loss)
        return table[table["loss"] > 0]


def number(value: float) -> str:
    """Return a number for an equation, to three places, a negative one in brackets."""
    text = f"{value:.3f}"
    return f"({text})" if text.startswith("-") else text
