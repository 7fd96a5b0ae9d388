"""What the blocks of a network make of a run: at one evaluation, or at every one.

A recorded evaluation of plain Stable Diffusion is called once more with what the run recorded, x_t
and the timestep, so it answers in the time of one network call. Every other model draws the run
again. Hooks are on the network during these calls alone: the picture is the same bit for bit.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.anatomy.activations import SiluReader
from sdlab.anatomy.blocks import blocks_of
from sdlab.anatomy.features import FeatureMaps, statistics
from sdlab.anatomy.watching import picture_in, watching
from sdlab.denoisers.network import Sample, evaluate, uses_guidance
from sdlab.errors import ModelError, unknown
from sdlab.experiment.experiment import Experiment
from sdlab.sampling.engine import Engine
from sdlab.work import Work

if TYPE_CHECKING:
    from torch import nn

    from sdlab.models.model import Model
    from sdlab.runs.run import Run

ALL = None
"""Every evaluation."""


@dataclass(frozen=True)
class Observed:
    """What was seen of a network.

    Attributes:
        blocks: One row an evaluation and block: ``mean``, ``std``, ``min``, ``max`` of what it puts
            out for the picture's places and ``dead``, the share of dead channels.
        silus: One row an evaluation and SiLU, see ``SiluReader.table``.
        histograms: Of the SiLUs' inputs, by evaluation, see ``SiluReader.histogram``.
        features: By (block, evaluation): those that were asked for.
        run: The run, if it was drawn again; None if single evaluations were.
    """

    blocks: pd.DataFrame
    silus: pd.DataFrame
    histograms: pd.DataFrame
    features: dict[tuple[str, int], FeatureMaps] = field(default_factory=dict)
    run: "Run | None" = None


class Observer:
    """Hooks on a network while it computes an evaluation, and what they saw.

    Args:
        network: A U-Net or a transformer.
        size: (h, w) of the latents.
        keep: The blocks whose feature maps are kept.

    Raises:
        ValueError: If there is no such block; the message lists those that there are.
    """

    def __init__(
        self, network: "nn.Module", size: tuple[int, int], keep: Collection[str] = ()
    ) -> None:
        self._blocks, self._size, self._keep = blocks_of(network), size, set(keep)
        for name in self._keep:
            check_block(name, self._blocks)
        self._silus = SiluReader(network)
        self._rows: dict[tuple[int, str], dict[str, Any]] = {}
        self._tables: dict[int, tuple[pd.DataFrame, pd.DataFrame]] = {}
        self._features: dict[tuple[str, int], FeatureMaps] = {}
        self._network = network

    @contextmanager
    def evaluation(self, number: int) -> Iterator[None]:
        """Watch the network call, or calls, of one evaluation; the last one counts."""

        def take(name: str, inputs: tuple[Any, ...], output: Any) -> None:
            picture = picture_in(output, self._size)
            if picture is None:
                return
            values = picture[-1].detach().to("cpu", copy=True).float()
            row = {"evaluation": number, "block": name, **statistics(values)}
            self._rows[number, name] = row
            if name in self._keep:
                self._features[name, number] = FeatureMaps(name, number, values)

        self._silus.begin()
        with watching(self._blocks, take), watching(self._silus.modules, self._silus.take):
            yield
        self._tables[number] = self._silus.table(), self._silus.histogram()

    def observed(self, run: "Run | None" = None) -> Observed:
        """Return all that was seen.

        Raises:
            ModelError: If the network called no hooks.
        """
        if not self._rows:
            raise ModelError(
                f"The blocks of this {type(self._network).__name__} cannot be seen: it calls no"
                " hooks, as compiled networks do, or none of its blocks has places."
            )
        silus, histograms = (
            pd.concat(
                [pair[i].assign(evaluation=n) for n, pair in self._tables.items()],
                ignore_index=True,
            )
            for i in (0, 1)
        )
        blocks = pd.DataFrame(list(self._rows.values()))
        return Observed(blocks, silus, histograms, self._features, run)


def observing(
    model: "Model",
    experiment: Experiment,
    evaluations: Collection[int] | None = ALL,
    keep: Collection[str] = (),
) -> Work[Observed]:
    """Draw a run again and watch its network, as a computation that yields after each evaluation.

    Args:
        model: The loaded model.
        experiment: What to draw.
        evaluations: Which to watch, from 0; None for all.
        keep: The blocks whose feature maps are kept.

    Raises:
        ValueError: If the experiment is not valid for this model, or there is no such block.
        ModelError: If the network calls no hooks.
        Exception: What the run failed with.
    """
    engine = Engine(model, mix=False)
    job = engine.submit(experiment)
    observer = Observer(model.network, (job.plan.shape[1], job.plan.shape[2]), keep)
    try:
        going = True
        while going:
            number = job.evaluation
            if job.state in ("queued", "running") and (
                evaluations is None or number in evaluations
            ):
                with observer.evaluation(number):
                    going = engine.round()
            else:
                going = engine.round()
            yield job.evaluation, job.nfe
        if job.error is not None:
            raise job.error
        return observer.observed(job.result)
    finally:
        job.cancel()
        engine.round()


def can_call_again(model: "Model", run: "Run") -> bool:
    """Return whether a run's evaluations can be called once more by what it has recorded."""
    plain = model.plain and run.experiment.image is None and "x_t" in run.trace.names()
    return plain and run.experiment.record.dtype == "float32"


def look_again(model: "Model", run: "Run", evaluation: int, keep: Collection[str] = ()) -> Observed:
    """Return what the network does at one recorded evaluation of a run, from one call of it.

    Args:
        model: The model that drew the run.
        run: One that ``can_call_again``.
        evaluation: A kept one, from 0.
        keep: The blocks whose feature maps are kept.

    Raises:
        ValueError: If the evaluation was not kept, or there is no such block.
        ModelError: If the network calls no hooks.
    """
    if evaluation not in run.trace.kept:
        kept = ", ".join(map(str, run.trace.kept))
        raise ValueError(f"evaluation {evaluation} was not recorded (recorded: {kept}).")
    x_t = run.trace.x_t[run.trace.kept.index(evaluation)][None]
    observer = Observer(model.network, (x_t.shape[2], x_t.shape[3]), keep)
    sample = _sample(model, run, evaluation, x_t.to(model.device))
    with observer.evaluation(evaluation):
        evaluate(model, [sample])
    return observer.observed()


def check_block(name: str, blocks: Collection[str]) -> None:
    """Raise if a network has no block of that name.

    Raises:
        ValueError: With the blocks that there are.
    """
    if name not in blocks:
        raise ValueError(unknown("block", name, list(blocks)))


def _sample(model: "Model", run: "Run", evaluation: int, x_t: Any) -> Sample:
    asked = run.experiment
    guided = uses_guidance(model, asked.guidance_scale)
    cond, uncond = model.encode_prompt(asked.prompt, asked.negative_prompt if guided else None)
    steps = run.steps
    timestep = float(steps.loc[steps["evaluation"] == evaluation, "timestep"].iloc[0])
    return Sample(
        x_t, timestep, cond, uncond, asked.guidance_scale, asked.guidance_rescale, asked.fast
    )
