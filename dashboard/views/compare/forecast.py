"""What a comparison will cost, and what cannot be compared fairly, before anything runs."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.widgets.run_states import evaluations_of
from dashboard.worker.scheduler import IN_FLIGHT
from dashboard.worker.snapshots import ModelView
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from sdlab.solvers.course import Course

Evaluations = dict[tuple[str, int], int]  # by entrant and budget


BESIDES = 1.2
"""Decodings and previews take about a fifth of the network's time."""
RUN_SECONDS = 0.35
"""Saving a run, and reading it again for the summing up."""
ONCE_SECONDS = 1.0


@dataclass(frozen=True)
class Forecast:
    """What a comparison will take.

    Attributes:
        runs: Of the samplers.
        evaluations: Of the samplers' runs.
        references: Runs behind the references.
        reference_evaluations: Of those.
        bytes: That computing and recording, or the summing up after it, take at their peak,
            estimated.
        notes: Why entrants cannot be compared fairly, sentences by entrant.
        power: Which differences so many pictures can tell from luck, a sentence.
        sums: Why each sampler takes so many evaluations at the first budget, sentences.
    """

    runs: int
    evaluations: int
    references: int
    reference_evaluations: int
    bytes: int
    notes: dict[str, list[str]] = field(default_factory=dict)
    power: str = ""
    sums: tuple[str, ...] = ()


def seconds_of(needed: NeededRuns, model: ModelView, evaluations: int, runs: int) -> float | None:
    """Return how long so many evaluations of so many runs will take; None if not known.

    Two calls of the network are timed where the model is quick and at rest: what ran before may
    have run while the machine was busier. Otherwise the pace of late counts.
    """
    status = lab().status()
    pace = status.pace
    if model.decodes_fast and not (status.running or status.queued):
        first = needed.cells[0].experiment
        shape = (first.width, first.height, first.fast, first.guidance_scale > 1)
        try:
            pace = BESIDES * _pace(shape, len(needed.cells), model.hash, needed)
        except (ValueError, SdlabError):
            return None  # what cannot run says so when it is asked to
    return None if pace is None else pace * evaluations + RUN_SECONDS * runs + ONCE_SECONDS


@st.cache_data(max_entries=8, ttl=60, show_spinner=False)
def _pace(shape: tuple[Any, ...], count: int, model_hash: str, _needed: NeededRuns) -> float:
    from sdlab.comparing.pace import TOGETHER, evaluation_seconds

    runs = [cell.experiment for cell in _needed.cells[:TOGETHER]]
    return lab().ask(lambda model: evaluation_seconds(model, runs), model_hash, session_id())


@st.cache_data(max_entries=64, show_spinner=False)
def forecast(
    comparison: str, name: str, model_hash: str, config: dict[str, Any], pipeline: str = ""
) -> Forecast:
    """Return what a comparison will take.

    Args:
        comparison: Its JSON.
        name: Of the model in memory.
        model_hash: Of its weights.
        config: Its scheduler config.
        pipeline: The name of its pipeline's class; "" if it is not known.

    Raises:
        ValueError: If a sampler cannot run as it is asked to; names it.
        MemoryLimitError: If not even one run fits into memory.
    """
    from sdlab.noise.flow import path_of

    found = Comparison.from_dict(json.loads(comparison))
    model = ModelFacts(name, model_hash, config, pipeline)
    needed = NeededRuns.of(found, model)
    pictures = len(found.pictures)
    nfe = {(e.label, b): _nfe(e, found, b, model) for e in found.entrants for b in found.budgets}
    return Forecast(
        runs=len(needed.cells),
        evaluations=pictures * sum(nfe.values()),
        references=len(needed.of_references),
        reference_evaluations=sum(evaluations_of(run, model) for run in needed.of_references),
        bytes=max(_making(needed, nfe, model_hash), _summing(needed, nfe, model_hash)),
        notes=_notes(found, model),
        power=power(found, path_of(config)) if needed.references else "",
        sums=tuple(_sum(entrant, found, model) for entrant in found.entrants),
    )


def power(comparison: Comparison, path: str = "vp") -> str:
    """Return which differences the pictures can tell from luck; "" if no sampler is ranked."""
    from sdlab.comparing.fairness import draws_noise
    from sdlab.comparing.significance import PICTURES, resolution

    samplers = sum(not draws_noise(entrant, path) for entrant in comparison.entrants)
    if samplers < 2:
        return ""
    pictures = len(comparison.pictures)
    counts = sorted({n for n in (pictures, 4, 8, 16, 32) if n >= max(pictures, PICTURES)})[:3]
    shown = [f"{resolution(n, samplers):.2g} with {n} pictures" for n in counts]
    few = ""
    if pictures < PICTURES:
        few = f"Fewer than {PICTURES} pictures cannot tell a difference from luck. "
    return (
        f"{few}A difference shows if it is this large relative to the scatter between pictures: "
        f"{', '.join(shown)}."
    )


def _nfe(entrant: Entrant, comparison: Comparison, budget: int, model: ModelFacts) -> int:
    return _course(entrant, comparison, budget, model).nfe


def _sum(entrant: Entrant, comparison: Comparison, model: ModelFacts) -> str:
    from sdlab.sampling.evaluation_sum import by_step, told

    found = _course(entrant, comparison, comparison.budget, model)
    counts = by_step(found.steps)
    return told(entrant.label, counts, found.num_steps - len(counts), found.end == 0)


def _course(entrant: Entrant, comparison: Comparison, budget: int, model: ModelFacts) -> "Course":
    from sdlab.comparing.entrant_course import entrant_course

    try:
        pipeline, config = model.drawn_by(comparison), model.config
        num_steps = comparison.steps_for(entrant, budget, config, pipeline)
        curve, drawn = comparison.curve, comparison.drawn
        return entrant_course(entrant, num_steps, curve, config, pipeline, drawn)
    except ValueError as error:
        if f"budget {budget}" in str(error):
            raise
        raise ValueError(f"{entrant.label}, budget {budget}: {error}") from None


def _notes(comparison: Comparison, model: ModelFacts) -> dict[str, list[str]]:
    from sdlab.comparing.fairness import notes

    pipeline = model.drawn_by(comparison)
    found = {e.label: notes(comparison, e, model.config, pipeline) for e in comparison.entrants}
    return {label: said for label, said in found.items() if said}


def _making(needed: NeededRuns, nfe: Evaluations, model_hash: str) -> int:
    """Return what the runs that are in flight together take, at the most."""
    longest = max(
        needed.cells, key=lambda c: len(c.experiment.record.tensors) * nfe[c.entrant, c.budget]
    ).experiment
    together = min(len(needed.experiments), IN_FLIGHT)
    fine = [reference.fine for reference in needed.references][:1]

    def weigh(model: Any) -> int:
        from sdlab.models import memory
        from sdlab.sampling.engine import most_samples
        from sdlab.sampling.plan import plan

        plans = [plan(model, experiment) for experiment in (longest, *fine)]
        rows = min(most_samples(model), together * (2 if plans[0].guided else 1))
        computing = rows * memory.sample_bytes(model, plans[0].shape)
        computing = max(computing, memory.decode_bytes(model, plans[0].shape))
        kept = max(p.record_bytes for p in plans)
        return memory.BASE_BYTES + computing + together * kept

    return lab().ask(weigh, model_hash, session_id())


def _summing(needed: NeededRuns, nfe: Evaluations, model_hash: str) -> int:
    """Return what summing up all stored runs takes."""
    asked = [(cell.experiment, nfe[cell.entrant, cell.budget]) for cell in needed.cells]
    asked += [(run, evaluations_of(run, needed.model)) for run in needed.of_references]

    def weigh(model: Any) -> int:
        from sdlab.comparing.memory import summary_bytes

        return summary_bytes(model, asked, len(needed.comparison.pictures))

    return lab().ask(weigh, model_hash, session_id())
