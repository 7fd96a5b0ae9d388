"""What each difference costs: both experiments run here, and the first with one thing changed.

Distances are of the final latents, root mean square in standard deviations of the first's, and in
units of what the first's sampler itself is off by: the distance to its own end at twice the steps.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sdlab.comparing.divergence import THRESHOLD, Divergence, along, divergence, none_along
from sdlab.comparing.reference import flat, rms, spread_of
from sdlab.errors import ModelError, SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.explaining.explain import Difference, Explanation
from sdlab.explaining.making import Making
from sdlab.explaining.of_run import draws_noise
from sdlab.models.model import Model
from sdlab.sampling.engine import Engine
from sdlab.sampling.settling import settling
from sdlab.work import Work

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job

COLUMNS = ("what", "distance", "in_own_error", "note")
ALL = "all of them at once"
_NO_FIELD = "no field of an experiment here does it"
_TRACED = Record(tensors=("x_t", "x0_pred"), statistics=False)


@dataclass(frozen=True)
class Cost:
    """What one difference does to the picture of the first.

    Attributes:
        difference: Which; None for all of them at once.
        distance: Of the final latents, in standard deviations; None if it was not measured.
        note: Why it was not, or what stands in for it.
    """

    difference: Difference | None
    distance: float | None
    note: str = ""

    @property
    def what(self) -> str:
        """The cause's title."""
        return ALL if self.difference is None else self.difference.cause.title


@dataclass(frozen=True)
class Measured:
    """What two makings differ by on a model.

    Attributes:
        costs: One for each difference, and all at once.
        own_error: What the first's sampler is off by at these steps, in standard deviations of
            its latents; None where it draws noise, which with other steps is other noise.
        parting: The first evaluation from which on the two predict different pictures; None if
            they end together.
        along: How far apart they are at each evaluation of the first: ``evaluation``, ``sigma``,
            ``distance``.
        a: The first's run.
        b: The second's.
        notes: What was left out of both, to run them here.
    """

    costs: tuple[Cost, ...]
    own_error: float | None
    parting: Divergence | None
    along: "pd.DataFrame"
    a: "Run"
    b: "Run"
    notes: tuple[str, ...]

    def table(self) -> "pd.DataFrame":
        """Return a row a difference, with the columns ``COLUMNS``, the dearest first."""
        import pandas as pd

        rows = [
            (cost.what, cost.distance, self.share(cost.distance), cost.note) for cost in self.costs
        ]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        table[["distance", "in_own_error"]] = table[["distance", "in_own_error"]].astype(float)
        return table.sort_values("distance", ascending=False, kind="stable", ignore_index=True)

    def share(self, distance: float | None) -> float | None:
        """Return a distance in units of the sampler's own error; None where that is not known."""
        return distance / self.own_error if distance is not None and self.own_error else None

    @property
    def sentence(self) -> str:
        """Where they part, and by how much they end apart."""
        whole = next(cost.distance for cost in self.costs if cost.difference is None)
        if whole is None:
            return "Their latents have two shapes, so they have no distance."
        share = self.share(whole)
        unit = f", {share:.1f} times what the sampler itself is off by" if share else ""
        end = f"They end {whole:.2g} standard deviations apart{unit}."
        if self.parting is None:
            return f"What they predict stays together to the end. {end}"
        return (
            f"From evaluation {self.parting.evaluation_a} of the first on (sigma"
            f" {self.parting.sigma:.4g}) they predict pictures {THRESHOLD} standard deviations"
            f" apart or more. {end}"
        )


def measuring(explanation: Explanation, model: Model) -> Work[Measured]:
    """Run two makings on a model, and the first with each difference alone; to be watched.

    The prompts, seeds and settings are theirs; the model, and the size where that model cannot
    have it, are not.

    Args:
        explanation: Of both; each must have an experiment.
        model: What to run on.

    Raises:
        ModelError: If one of them has no experiment, or the model cannot run it; says why.
        SdlabError: If memory runs out.
    """
    (one, other), notes = _both(explanation, model.name)
    engine = Engine(model, mix=False)
    engine.long.give_way()
    a_job, b_job = _submit(engine, explanation.a, one), _submit(engine, explanation.b, other)
    asked: dict[str, Job] = {}
    single = [_Single(engine, one, each, asked) for each in explanation.differences]
    finer = None if draws_noise(one) else engine.submit(finer_than(one))
    jobs = list(engine.jobs)
    total = sum(job.nfe for job in jobs)
    for _ in settling(engine, jobs, lambda job: None):
        yield min(sum(job.evaluation for job in jobs), total), total
    a, b = _result(a_job), _result(b_job)
    whole = Cost(None, _between(a, b), "" if _alike(a, b) else "their latents have two shapes")
    own = None if finer is None else _between(a, _result(finer))
    parted, apart = (divergence(a, b), along(a, b)) if _alike(a, b) else (None, none_along())
    costs = (*(each.cost(a) for each in single), whole)
    return Measured(costs, own or None, parted, apart, a, b, tuple(notes))


def runs_of(explanation: Explanation, name: str) -> list[Experiment]:
    """Return what ``measuring`` runs: both, the first with each difference, and a finer one.

    Args:
        explanation: Of both; each must have an experiment.
        name: Of the model.
    """
    (one, other), _ = _both(explanation, name)
    runs = [one, other] if draws_noise(one) else [one, other, finer_than(one)]
    for difference in explanation.differences:
        with suppress(ValueError):
            runs.append(one.with_(**_possible(one, difference.change)))
    return runs


def finer_than(x: Experiment) -> Experiment:
    """Return an experiment at twice the steps; of a table of sigmas, one more between each two.

    The last step, from the lowest level to 0, is not cut: below that level the model was not
    trained.
    """
    if x.curve != "sigmas":
        return x.with_(num_steps=2 * x.num_steps)
    given = [float(sigma) for sigma in dict(x.curve_options)["sigmas"]]
    roots = [sigma ** (1 / 7) for sigma in given[:-1]]
    between = [((left + right) / 2) ** 7 for left, right in pairwise(roots)]
    sigmas = [level for pair in zip(given, between, strict=False) for level in pair]
    sigmas += given[-2:]
    return x.with_(curve_options={"sigmas": sigmas}, num_steps=len(sigmas) - 1)


class _Single:
    """The first's experiment with one difference alone, on its way.

    Args:
        jobs: Those that were submitted, by the experiment's id; two differences may ask for one.
    """

    def __init__(
        self, engine: Engine, base: Experiment, difference: Difference, jobs: "dict[str, Job]"
    ) -> None:
        self.difference, self.refused = difference, difference.stand_in or _NO_FIELD
        self.job: Job | None = None
        if not difference.change:
            return
        try:
            changed = base.with_(**_possible(base, difference.change))
            self.job = jobs.get(changed.id) or engine.submit(changed)
            jobs[changed.id] = self.job
        except (ValueError, SdlabError) as error:
            self.refused = str(error)

    def cost(self, a: "Run") -> Cost:
        """Return what it does to the first's run."""
        if self.job is None:
            return Cost(self.difference, None, self.refused)
        if self.job.result is None:
            return Cost(self.difference, None, str(self.job.error))
        return Cost(self.difference, _between(a, self.job.result), self.difference.stand_in)


def _possible(base: Experiment, change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change, its pipeline options beside those that there are."""
    options = change.get("pipeline_options")
    if options is None:
        return dict(change)
    return {**change, "pipeline_options": {**dict(base.pipeline_options), **dict(options)}}


def _both(explanation: Explanation, name: str) -> tuple[tuple[Experiment, Experiment], list[str]]:
    """Return both experiments for the model of a name, and what was changed for that."""
    sides = (explanation.a, explanation.b)
    given = []
    for side in sides:
        if side.experiment is None:
            raise ModelError(f"{side.title} cannot be run here. {side.no_experiment}")
        given.append(side.experiment)
    made = [x.with_(model=name, record=_TRACED) for x in given]
    notes = []
    if any(x.model != name for x in given) or {side.kind for side in sides} != {"run"}:
        made = [x.with_(width=None, height=None) for x in made]
        notes.append(f"Both are run on {name}, at its own size.")
    return (made[0], made[1]), notes


def _submit(engine: Engine, side: Making, x: Experiment) -> "Job":
    try:
        return engine.submit(x)
    except ValueError as error:
        raise ModelError(f"{side.title} cannot be run here: {error}") from error


def _result(job: "Job") -> "Run":
    if job.error is not None:
        raise job.error
    assert job.result is not None
    return job.result


def _alike(a: "Run", b: "Run") -> bool:
    return bool(a.latents.shape == b.latents.shape)


def _between(a: "Run", b: "Run") -> float | None:
    """Return how far apart two runs end, in standard deviations of the first's latents."""
    if not _alike(a, b):
        return None
    return float(rms(flat(a.latents) - flat(b.latents))[0]) / (spread_of(a) or 1.0)
