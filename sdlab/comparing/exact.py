"""Runs a comparison on data with an exact denoiser instead of a network.

For such data the true result is known (``sdlab.bench``), so tables and verdict can be checked.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.model_facts import ModelFacts
from sdlab.runs.run import Run
from sdlab.runs.trace import Trace
from sdlab.sampling.experiment_course import experiment_course
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.solvers.protocol import Answer, Query
from sdlab.work import drive

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.denoisers.exact import ExactDenoiser
    from sdlab.experiment.experiment import Experiment

EXACT_MODEL = ModelFacts("exact", "exact", SD_CONFIG)
MS = 1.0
"""Time of an evaluation in the runs' tables: as if it all went into the network."""


def exact_runs(comparison: Comparison, data: "ExactDenoiser") -> dict[str, Run]:
    """Return every run of a comparison by experiment id, the references' too.

    Prompts and guidance have no effect on such data. All seeds of an experiment are one batch in
    float64, so that a stochastic sampler draws noise for all of them from the first seed.

    Args:
        comparison: What to run; of Stable Diffusion's noise schedule.
        data: Whose denoiser answers.

    Raises:
        ValueError: If an entrant or its options are not valid.
    """
    experiments = [cell.experiment for cell in comparison.cells(SD_CONFIG)]
    experiments += [x for reference in comparison.references() for x in reference[2:]]
    batches: dict[Experiment, list[Experiment]] = {}
    for experiment in experiments:
        batches.setdefault(experiment.with_(seed=0), []).append(experiment)
    return {run.id: run for batch in batches.values() for run in _batch(batch, data)}


def _batch(batch: "list[Experiment]", data: "ExactDenoiser") -> list[Run]:
    """Return the runs of experiments that differ in their seed only."""
    import torch

    starts = []
    for experiment in batch:
        generator = torch.Generator().manual_seed(experiment.seed)
        starts.append(torch.randn(data.shape, generator=generator, dtype=torch.float64))
    first = batch[0]
    course = experiment_course(first, SD_CONFIG)
    process = course.make_process(torch.stack(starts), torch.Generator().manual_seed(first.seed))
    asked: list[tuple[Query, Tensor]] = []

    def answer(query: Query) -> Answer:
        given = _answer(query, data)
        asked.append((query, given.x0_pred))
        return given

    latents = drive(process, answer)
    return [_run(x, i, asked, latents) for i, x in enumerate(batch)]


def _answer(query: Query, data: "ExactDenoiser") -> Answer:
    """Return the output of a network that predicts the noise."""
    scale = (1.0 + query.sigma**2) ** 0.5
    x = query.x_t.double() * scale
    x0_pred = data.denoise(x, query.sigma)
    return Answer((x - x0_pred) / query.sigma, x0_pred)


def _run(
    experiment: "Experiment",
    i: int,
    asked: "list[tuple[Query, Tensor]]",
    latents: "Tensor",
) -> Run:
    import pandas as pd
    import torch
    from PIL import Image

    kept = {
        "x_t": [query.x_t[i] for query, _ in asked],
        "x0_pred": [x0_pred[i] for _, x0_pred in asked],
    }
    tensors = {name: torch.stack(kept[name]) for name in experiment.record.tensors}
    evaluations = range(len(asked))
    sigmas = [query.sigma for query, _ in asked]
    where = {"run": experiment.id, "evaluation": evaluations}
    steps = pd.DataFrame({**where, "step": [query.step for query, _ in asked], "sigma": sigmas})
    timings = pd.DataFrame({**where, "stage": "network", "ms": MS, "samples": 1})
    return Run(
        experiment,
        Image.new("RGB", (8, 8)),
        Trace(list(evaluations) if tensors else [], sigmas, tensors),
        {"steps": steps, "timings": timings},
        {**tensors, "latents": latents[i : i + 1].double()},
        {
            "id": experiment.id,
            "model": {"name": EXACT_MODEL.name, "hash": EXACT_MODEL.hash},
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
