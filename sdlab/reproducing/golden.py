"""Golden runs: what a set of experiments gave, evaluation by evaluation, to be checked elsewhere.

A file holds for every experiment a hash of each evaluation's x_t and x0_pred, so that a check on
another machine, device or version names the first evaluation that is not the same bit for bit. By
how much it is not says a sample of the numbers themselves, taken at even distances, whose root mean
square difference stands for that of all. What that matters is told against the sampler's own error:
how far its picture at these steps is from the one at twice the steps.

The file is one of safetensors: the sampled numbers as tensors, the rest as JSON among its metadata.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import draws_noise
from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.models.model import Model
from sdlab.reproducing.settings import Difference, differences
from sdlab.runs.atomic import write_file
from sdlab.runs.run import Run
from sdlab.runs.tensors import read_tensors
from sdlab.sampling.engine import run
from sdlab.work import Work

if TYPE_CHECKING:
    from torch import Tensor

KIND, FORMAT = "sdlab.golden", 1
ENTRY = "golden"
NUMBERS = 4096
"""Numbers that are kept of a tensor; a difference told by them is right within some per cent."""
FACTS = ("model", "versions", "machine")
RECORDED = ("x_t", "x0_pred")
USUAL = (
    *("ddim", "euler", "heun", "dpmpp_2m", "unipc", "euler_ancestral", "dpmpp_2m_sde"),
    *("DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "PNDMScheduler"),
)
"""One sampler of each kind: sdlab's, some that draw noise, and the most used of diffusers'."""


@dataclass(frozen=True)
class GoldenRun:
    """What one experiment gave.

    Attributes:
        experiment: As JSON values.
        sigmas: The noise level of each evaluation.
        hashes: Of each evaluation, over the bytes of x_t and x0_pred; the last, of the latents.
        spread: The standard deviation of the final latents, the unit of distances.
        own_error: How far the final latents are from those at twice the steps, in that unit; None
            where noise is drawn on the way, which with other steps is other noise.
    """

    experiment: dict[str, Any]
    sigmas: list[float]
    hashes: list[str]
    spread: float
    own_error: float | None


@dataclass(frozen=True)
class Golden:
    """Golden runs and where they were made.

    Attributes:
        facts: Versions, machine and model, as a run's manifest has them.
        runs: One for each experiment.
        samples: Numbers of x0_pred by experiment id, [evaluations, at most ``NUMBERS``], the final
            latents' as the last row.
    """

    facts: dict[str, Any]
    runs: tuple[GoldenRun, ...]
    samples: "Mapping[str, Tensor]"

    def save(self, path: str | Path) -> Path:
        """Write them to a file and return its path.

        Raises:
            StoreError: If it cannot be written whole.
        """
        from safetensors.torch import save

        values = {"kind": KIND, "format": FORMAT, "facts": self.facts}
        values["runs"] = [asdict(made) for made in self.runs]
        data = save(dict(self.samples), {ENTRY: json.dumps(values, allow_nan=False)})
        return write_file(Path(path).expanduser(), lambda stream: stream.write(data))


@dataclass(frozen=True)
class Checked:
    """A golden run made again.

    Attributes:
        experiment: What was run.
        evaluations: How many it has.
        first: The first evaluation that is not the same bit for bit; the number of evaluations if
            only the final latents are not; None if all is the same.
        sigma: The noise level there; None of the final latents.
        distance: Of x0_pred there, in standard deviations of the final latents.
        end: Of the final latents.
        own_error: The sampler's own error, in the same unit; None if it draws noise.
    """

    experiment: Experiment
    evaluations: int
    first: int | None
    sigma: float | None
    distance: float
    end: float
    own_error: float | None

    @property
    def same(self) -> bool:
        """Whether all is the same, bit for bit."""
        return self.first is None

    @property
    def share(self) -> float | None:
        """The end's difference as a share of the sampler's own error; None if that is not known."""
        return self.end / self.own_error if self.own_error else None

    @property
    def measured(self) -> float:
        """What a tolerance is held against: ``share`` where it is known, else ``end``."""
        return self.end if self.share is None else self.share


def usual_experiments(model: Model, num_steps: int = 10) -> list[Experiment]:
    """Return an experiment for one sampler of each kind, of those that can run on a model."""
    from sdlab.solvers.catalogue import schedulers

    table = schedulers(model)
    fit = set(table[table["compatible"]]["name"])
    base = Experiment(prompt="a red car on the beach", seed=7, num_steps=num_steps)
    return [base.with_(solver=name, model=model.name) for name in USUAL if name in fit]


def record(model: Model, experiments: Sequence[Experiment]) -> Work[Golden]:
    """Run experiments, each alone, and return what they gave, as a computation to be watched.

    Args:
        model: What to run them on.
        experiments: At least one.

    Raises:
        ValueError: If there is none, or one is not valid for the model.
        SdlabError: If memory runs out.
    """
    if not experiments:
        raise ValueError("experiments must be at least one, got none.")
    runs, samples, facts = [], {}, {}
    for done, experiment in enumerate(experiments):
        yield done, len(experiments)
        made = _run(model, experiment)
        facts = {name: made.manifest[name] for name in FACTS}
        golden = GoldenRun(
            made.experiment.to_dict(),
            list(made.trace.sigmas),
            list(_hashes(made)),
            _spread(made),
            _own_error(model, made),
        )
        runs.append(golden)
        samples[made.id] = _sampled(made)
    return Golden(facts, tuple(runs), samples)


def check(model: Model, golden: Golden) -> Work[list[Checked]]:
    """Run golden experiments again, each alone, and return how they compare; to be watched.

    Args:
        model: What to run them on.
        golden: Of ``open_golden``.

    Raises:
        ValueError: If one is not valid for the model.
        SdlabError: If memory runs out.
    """
    found = []
    for done, before in enumerate(golden.runs):
        yield done, len(golden.runs)
        made = _run(model, Experiment.from_dict(before.experiment))
        found.append(_compared(before, golden.samples[made.id], made))
    return found


def open_golden(path: str | Path) -> Golden:
    """Return the golden runs of a file, which ``Golden.save`` wrote.

    Raises:
        StoreError: If it is no such file, or of a format that this version does not know.
    """
    path = Path(path).expanduser()
    metadata, samples = read_tensors(path, _content)
    try:
        values = json.loads((metadata or {})[ENTRY])
        if values["kind"] != KIND or values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r:.60} is not known")
        runs = tuple(GoldenRun(**made) for made in values["runs"])
        ids = [Experiment.from_dict(made.experiment).id for made in runs]
        facts = {name: dict(values["facts"][name]) for name in FACTS}
        return Golden(facts, runs, {name: samples[name] for name in ids})
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} holds no golden runs: {error}.") from error


def changed(golden: Golden, model: Model) -> list[Difference]:
    """Return what of versions, machine and model is not as when golden runs were made."""
    from sdlab.runs.manifest import facts_of

    return differences(golden.facts, facts_of(model))


def _run(model: Model, experiment: Experiment) -> Run:
    kept = Record(tensors=RECORDED, statistics=False)
    return run(model, experiment.with_(record=kept))


def _compared(before: GoldenRun, samples: "Tensor", made: Run) -> Checked:
    hashes = list(_hashes(made))
    pairs = zip(before.hashes, hashes, strict=False)
    first = next((place for place, (a, b) in enumerate(pairs) if a != b), None)
    if first is None and len(hashes) != len(before.hashes):
        first = min(len(hashes), len(before.hashes)) - 1
    apart = _apart(samples, _sampled(made), before.spread)
    count = len(before.sigmas)
    return Checked(
        made.experiment,
        count,
        first,
        before.sigmas[first] if first is not None and first < count else None,
        0.0 if first is None else apart[min(first, len(apart) - 1)],
        apart[-1],
        before.own_error,
    )


def _apart(before: "Tensor", now: "Tensor", spread: float) -> list[float]:
    """Return the root mean square difference of each row; of others than before, not a number."""
    if before.shape != now.shape:
        return [float("nan")]
    rows = (before.double() - now.double()).square().mean(1).sqrt() / (spread or 1.0)
    found: list[float] = rows.tolist()
    return found


def _hashes(made: Run) -> Iterator[str]:
    for place in range(len(made.trace.kept)):
        yield _hash(made.trace.tensor(name)[place] for name in RECORDED)
    yield _hash([made.latents])


def _hash(tensors: "Iterable[Tensor]") -> str:
    import torch

    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _sampled(made: Run) -> "Tensor":
    """Return numbers of each x0_pred and of the final latents at even distances, float32."""
    import torch

    rows = torch.cat([made.trace.x0_pred.float(), made.latents.float()]).flatten(1)
    places = torch.linspace(0, rows.shape[1] - 1, min(NUMBERS, rows.shape[1])).round().long()
    return rows[:, places].contiguous()


def _spread(made: Run) -> float:
    return float(made.latents.double().std(correction=0))


def _own_error(model: Model, made: Run) -> float | None:
    x = made.experiment
    entrant = Entrant(x.solver, solver_options=x.solver_options, eta=x.eta)
    if draws_noise(entrant, model.path or "vp"):
        return None
    finer = run(model, x.with_(num_steps=2 * x.num_steps, record=Record((), statistics=False)))
    difference = finer.latents.double() - made.latents.double()
    return float(difference.square().mean().sqrt()) / (_spread(made) or 1.0)


def _content(file: Any) -> tuple[dict[str, str] | None, dict[str, "Tensor"]]:
    return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
