r"""Counterfactuals: the same seed and the same noise, one thing changed, the difference measured.

The difference of two predictions or latents is the root mean square over all their values,

    RMS(a, b) = \sqrt{ mean_i (a_i - b_i)^2 },

in the latents' own unit, whose standard deviation is near 1, and in pixels of 0 ... 255. A
difference map is the same over the channels alone, place by place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sdlab.causes.change import NOTHING, Change
from sdlab.causes.switch import Switch
from sdlab.causes.switching import switched
from sdlab.errors import ModelError, check_types
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.models.model import Model
from sdlab.sampling.engine import Engine
from sdlab.sampling.pipeline_job import PipelineJob
from sdlab.sampling.plan import plan
from sdlab.shipped import SHIPPED
from sdlab.work import Work, one_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from PIL import Image
    from torch import Tensor

    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job

    Case = tuple[Change, Experiment]

RECORD = Record(("x_t", "x0_pred"), statistics=False)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one change led to.

    Attributes:
        change: What was changed.
        image: The picture.
        latents: Final latents, [1, C, h, w], on the CPU.
        x_t: What the network was given at every evaluation, [K, C, h, w], in VP coordinates, on
            the CPU.
        x0_pred: The prediction at every evaluation, [K, C, h, w], on the CPU.
        verdict: On the embedded model each statement of the plain run's prompt and whether the
            picture fulfils it, as the world's checker sees it; None elsewhere.
    """

    change: Change
    image: "Image.Image"
    latents: "Tensor"
    x_t: "Tensor"
    x0_pred: "Tensor"
    verdict: dict[str, bool] | None

    @property
    def score(self) -> float | None:
        """The share of the statements that the picture fulfils; None where nothing is known."""
        return sum(self.verdict.values()) / len(self.verdict) if self.verdict else None

    @property
    def path(self) -> "Tensor":
        """The way from the start noise to the final latents, float64 [K + 1, C * h * w]."""
        import torch

        return torch.cat([self.x_t.double(), self.latents.double()]).flatten(1)

    @property
    def length(self) -> float:
        """How long the path is: the sum of its steps' RMS, in latent units."""
        return float(self.path.diff(dim=0).square().mean(1).sqrt().sum())

    @property
    def pixels(self) -> np.ndarray:
        """The picture's pixels, float64 in 0 ... 255, [H, W, 3]."""
        return np.asarray(self.image.convert("RGB"), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """A plain run beside the same with one thing changed, for several changes.

    Attributes:
        experiment: The plain one.
        sigmas: Noise level of each evaluation.
        plain: The plain run's outcome; bit-identical to ``sdlab.run``'s.
        changed: One for each change, in their order.
    """

    experiment: Experiment
    sigmas: tuple[float, ...]
    plain: Outcome
    changed: tuple[Outcome, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The plain one and the changed ones."""
        return (self.plain, *self.changed)

    def x0_map(self, outcome: Outcome, evaluation: int | None = None) -> np.ndarray:
        """Return where x0_pred differs from the plain run's, float64 [h, w]: RMS over channels.

        Args:
            outcome: One of ``changed``.
            evaluation: From 0; None for the final latents.

        Raises:
            ValueError: If there is no such evaluation.
        """
        if evaluation is None:
            return rms_map(outcome.latents, self.plain.latents)
        self.check(evaluation)
        return rms_map(outcome.x0_pred[evaluation, None], self.plain.x0_pred[evaluation, None])

    def pixel_map(self, outcome: Outcome) -> np.ndarray:
        """Return where the picture differs, float64 in 0 ... 255, [H, W]: RMS over colours."""
        gap = outcome.pixels - self.plain.pixels
        return np.asarray(np.sqrt((gap**2).mean(-1)))

    def check(self, evaluation: int) -> None:
        """Raise if there is no such evaluation.

        Raises:
            ValueError: Naming those that there are.
        """
        if not 0 <= evaluation < len(self.sigmas):
            raise ValueError(
                f"evaluation must be from 0 to {len(self.sigmas) - 1}, got {evaluation}."
            )

    def table(self) -> pd.DataFrame:
        """Return how far each outcome is from the plain run.

        Returns:
            Columns ``change``, ``rms_latents`` and ``largest_latents`` (of the final latents),
            ``rms_pixels`` and ``largest_pixels`` (0 ... 255), ``least`` and ``greatest`` (of the
            final latents' own values), ``length`` (of the path there), ``score`` (NaN where nothing
            is known) and ``lost`` (the statements that the plain picture fulfils and this does
            not).
        """
        rows = []
        for outcome in self.outcomes:
            gap = (outcome.latents.double() - self.plain.latents.double()).abs()
            pixels = np.abs(outcome.pixels - self.plain.pixels)
            score = outcome.score
            rows.append(
                {
                    "change": outcome.change.name,
                    "rms_latents": float(gap.square().mean().sqrt()),
                    "largest_latents": float(gap.max()),
                    "rms_pixels": float(np.sqrt((pixels**2).mean())),
                    "largest_pixels": float(pixels.max()),
                    "least": float(outcome.latents.min()),
                    "greatest": float(outcome.latents.max()),
                    "length": outcome.length,
                    "score": np.nan if score is None else score,
                    "lost": ", ".join(self.lost(outcome)),
                }
            )
        return pd.DataFrame(rows)

    def lost(self, outcome: Outcome) -> list[str]:
        """Return the statements that the plain picture fulfils and this one does not."""
        before, after = self.plain.verdict or {}, outcome.verdict or {}
        return [claim for claim, held in before.items() if held and not after.get(claim, held)]

    def course(self) -> pd.DataFrame:
        """Return how far x0_pred is from the plain run's at every evaluation, the plain one first.

        Returns:
            Columns ``change``, ``evaluation``, ``sigma``, ``rms``, ``largest`` and, of x0_pred's
            own values, ``spread`` (their standard deviation), ``least`` and ``greatest``.
        """
        frames = []
        for outcome in self.outcomes:
            gap = (outcome.x0_pred.double() - self.plain.x0_pred.double()).flatten(1).abs()
            own = outcome.x0_pred.double().flatten(1)
            frames.append(
                pd.DataFrame(
                    {
                        "change": outcome.change.name,
                        "evaluation": range(len(gap)),
                        "sigma": self.sigmas,
                        "rms": gap.square().mean(1).sqrt().numpy(),
                        "largest": gap.amax(1).numpy(),
                        "spread": own.std(1).numpy(),
                        "least": own.amin(1).numpy(),
                        "greatest": own.amax(1).numpy(),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)


def counterfactuals(
    model: Model, experiment: Experiment, changes: Sequence[Change], *, together: bool = False
) -> Work[Counterfactuals]:
    """Draw a picture plainly and with each change; yields after every network evaluation.

    Every run starts from the same noise and draws the same noise on its way. Each has its network
    calls to itself, so that the plain one is bit-identical to ``sdlab.run``'s.

    Args:
        model: The loaded model.
        experiment: The plain run; what it records does not matter.
        changes: Any number.
        together: Whether the runs share network calls, which is quicker and the same within
            rounding. What is switched inside the network would be switched in all, so no change
            may have a switch.

    Raises:
        ValueError: If the experiment or a change does not fit the model, or a change has a switch
            and the runs are to go together; before anything runs.
        ModelError: If the network cannot be switched so, or the pipeline's predictions not be read.
        SdlabError: If memory runs out.
        TypeError: If an argument is of another type.
    """
    check_types(counterfactuals, model=(model, Model), experiment=(experiment, Experiment))
    plain = experiment.with_(record=RECORD)
    cases = [(NOTHING, plain), *((change, change.applied(plain)) for change in changes)]
    for change in changes:
        for switch in change.switches:
            switch.check(model)
        if together and change.switches:
            raise ValueError(f"together needs changes without switches, got {change.name!r}.")
    runs = yield from (_jointly if together else _in_turn)(model, cases)
    pairs = zip([change for change, _ in cases], runs, strict=True)
    first, *others = (outcome(model, change, run, experiment.prompt) for change, run in pairs)
    return Counterfactuals(experiment, tuple(runs[0].trace.sigmas), first, tuple(others))


def _in_turn(model: Model, cases: "Sequence[Case]") -> "Work[list[Run]]":
    """Run every case with its network calls to itself."""
    runs: list[Run] = []
    for number, (change, spec) in enumerate(cases):
        work = running(model, spec, change.switches)
        runs.append((yield from one_of(work, number, len(cases))))
    return runs


def _jointly(model: Model, cases: "Sequence[Case]") -> "Work[list[Run]]":
    """Run all cases in shared network calls; they have no switches."""
    engine = Engine(model, mix=True)
    jobs = [engine.submit(spec) for _, spec in cases]
    total, seen = sum(job.nfe for job in jobs), 0
    try:
        while engine.round():
            if (done := sum(job.evaluation for job in jobs)) > seen:
                seen = done
                yield done, total
    finally:
        for job in jobs:
            if not job.over:
                job.stop()
    return [_result(job) for job in jobs]


def running(model: Model, experiment: Experiment, switches: Sequence[Switch] = ()) -> "Work[Run]":
    """Run an experiment with parts of its network switched; yields after every evaluation.

    The switches are in the network during this run's calls alone: whoever else uses it between two
    of them never sees them.

    Args:
        model: The loaded model.
        experiment: What to run.
        switches: What to switch.

    Raises:
        ValueError: If the experiment or a switch does not fit the model.
        ModelError: If the network cannot be switched so.
        SdlabError: If memory runs out.
    """
    engine = Engine(model, mix=False)
    job = engine.submit(experiment)
    seen, going = 0, True
    try:
        if isinstance(job, PipelineJob):
            job.start()  # up to its first call, which a switch may change
        while going:
            with _acting(model, job, switches):
                going = engine.round()
            if job.evaluation > seen:
                seen = job.evaluation
                yield seen, job.nfe
    finally:
        if not job.over:
            job.stop()
    return _result(job)


def _result(job: "Job") -> "Run":
    """Return what a job that is over has led to, or raise what it failed by."""
    if job.error is not None:
        raise job.error
    assert job.result is not None
    return job.result


def _acting(model: Model, job: "Job", switches: Sequence[Switch]) -> "AbstractContextManager[None]":
    """Return what switches the next network call of a job, if it is one of the main network."""
    begin, guided = job.evaluation, job.plan.guided
    if not isinstance(job, PipelineJob) or job.state != "running":
        return switched(model, switches, begin=begin, guided=guided)
    own = model.networks[job.call.network] is model.network
    given = job.call.arguments
    return switched(model, switches if own else (), begin=begin, guided=guided, call=given)


def outcome(model: Model, change: Change, run: "Run", prompt: str) -> Outcome:
    """Return what a run with a change led to, judged by the plain run's prompt.

    Raises:
        ModelError: If the run's predictions were not read.
    """
    if "x0_pred" not in run.trace.names():
        raise ModelError(
            f"The predictions of {model.name} cannot be read, so what a change does to them cannot"
            f" be measured. {' '.join(run.manifest.get('warnings', ()))}".rstrip()
        )
    verdict = _judged(model, run, prompt)
    return Outcome(change, run.image, run.latents, run.trace.x_t, run.trace.x0_pred, verdict)


def rms_map(one: "Tensor", other: "Tensor") -> np.ndarray:
    """Return the root mean square difference over the channels, float64 [h, w].

    Args:
        one: [1, C, h, w].
        other: Likewise.
    """
    gap = one.cpu().double() - other.cpu().double()  # of two devices, and MPS has no float64
    return np.asarray(gap.square().mean((0, 1)).sqrt().numpy())


def check_plain(model: Model, experiment: Experiment | None = None) -> None:
    """Raise if a model's network cannot be asked anew at any x_t of a run.

    Args:
        model: The loaded model.
        experiment: The run that is meant, if it matters.

    Raises:
        ModelError: If the model is not plain Stable Diffusion, or the run goes by the call of a
            pipeline, as one after a picture does.
        ValueError: If the experiment does not fit the model.
    """
    if not model.plain:
        raise ModelError(
            f"{model.name} is not Stable Diffusion 1.x or 2.x drawing from words, whose network can"
            " be asked anew at any x_t of a run. Whole runs of it can be changed by"
            " sdlab.causes.counterfactuals.counterfactuals."
        )
    if experiment is not None and plan(model, experiment).call is not None:
        raise ModelError(
            "This run starts from a picture or has options of its pipeline; only of runs from words"
            " alone can the network be asked anew at any x_t."
        )


def _judged(model: Model, run: "Run", prompt: str) -> dict[str, bool] | None:
    if model.name not in SHIPPED:
        return None
    from sdlab.embedded.checker import judge, shipped
    from sdlab.embedded.claims import parse

    claims = parse(prompt, shipped().objects)
    return judge(shipped().look([run.image])[0], claims)
