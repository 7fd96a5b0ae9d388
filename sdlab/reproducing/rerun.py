"""A stored run made again: bit-identical, or the first evaluation that differs and what differs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing.reference import flat, rms, spread_of
from sdlab.errors import ModelError
from sdlab.models.devices import available
from sdlab.models.load import load
from sdlab.models.loaded_by import loading_of
from sdlab.models.model import Model
from sdlab.reproducing.settings import Difference, differences
from sdlab.runs.run import Run
from sdlab.sampling.engine import Engine
from sdlab.sampling.settling import settling
from sdlab.shipped import EMBEDDED
from sdlab.work import Progress, Work, finish

if TYPE_CHECKING:
    from torch import Tensor

FIRST = ("x0_pred", "x_t", "output_cond", "output_uncond")
"""Recorded tensors, the one by which a distance is told first."""
_NOTHING = "Versions, machine and weights are noted as the same: what else differs is not known."


@dataclass(frozen=True)
class Parting:
    """Where two runs of one experiment part.

    Attributes:
        evaluation: The first of which a recorded tensor differs, from 0; None if only what follows
            the recorded ones does.
        sigma: The noise level there; None likewise.
        tensor: The tensor that differs: "x0_pred", "x_t" and so on, or "latents".
        distance: Root mean square of its difference, in standard deviations of the final latents,
            or in its own unit where ``end`` is None.
        end: The same of the final latents; None if the run does not know them.
    """

    evaluation: int | None
    sigma: float | None
    tensor: str
    distance: float
    end: float | None


@dataclass(frozen=True)
class Rerun:
    """A stored run and the same experiment run again.

    Attributes:
        then: The stored run.
        now: The new one.
        parting: Where they part; None if every recorded tensor and the latents are the same.
        pixels: How many pixels of the picture differ.
        differences: What of versions, machine and model differs.
    """

    then: Run
    now: Run
    parting: Parting | None
    pixels: int
    differences: list[Difference]

    @property
    def same(self) -> bool:
        """Whether all is the same, bit for bit."""
        return self.parting is None and not self.pixels

    def __str__(self) -> str:
        evaluations = len(self.then.trace.kept)
        if self.same:
            recorded = f"Bit-identical: the tensors of {evaluations} recorded evaluations"
            if _ends_known(self.then, self.now):
                return f"{recorded}, the final latents and the picture."
            return f"{recorded} and the picture; the pipeline does not report its final latents."
        what = "\n".join(f"  {difference}" for difference in self.differences)
        why = f"What differs:\n{what}" if what else _NOTHING
        pixels = (
            "1 pixel of the picture differs"
            if self.pixels == 1
            else f"{self.pixels:,} pixels of the picture differ"
        )
        where = _where(self.parting, _ends_known(self.then, self.now))
        return f"{where} {pixels}.\n{why}"


def rerun(stored: Run, model: Model | None = None, on_progress: Progress | None = None) -> Rerun:
    """Run a stored run's experiment again, alone, and compare it evaluation by evaluation.

    Args:
        stored: Of ``sdlab.open_run``.
        model: What to run it on; None loads the run's own, on its device and in its number format
            where this machine has the device.
        on_progress: Called after each evaluation with how many are done, and with that of all.

    Raises:
        ValueError: If the experiment is not valid for the model, or a picture is not at hand.
        SdlabError: If the model cannot be loaded, or memory runs out.
    """
    return finish(rerunning(stored, model or model_of(stored)), on_progress)


def rerunning(stored: Run, model: Model) -> Work[Rerun]:
    """Return ``rerun`` as a computation to be watched."""
    engine = Engine(model, mix=False)
    engine.long.give_way()
    job = engine.submit(stored.experiment)
    for _ in settling(engine, [job], lambda job: None):
        yield job.evaluation, job.nfe
    if job.error is not None:
        raise job.error
    assert job.result is not None
    return compared(stored, job.result)


def compared(then: Run, now: Run) -> Rerun:
    """Return how two runs of one experiment compare.

    Raises:
        ModelError: If they are of different models.
    """
    pixels = then.image.width * then.image.height
    if then.image.size == now.image.size and then.image.mode == now.image.mode:
        changed = np.asarray(then.image) != np.asarray(now.image)
        pixels = int(changed.reshape(*changed.shape[:2], -1).any(-1).sum())
    facts = differences(then.manifest, now.manifest)
    return Rerun(then, now, parting(then, now), pixels, facts)


def model_of(stored: Run, **asked: Any) -> Model:
    """Return the model of a stored run, loaded as it was then.

    On its device, if this machine has that; offloading is for the same kind of device alone.

    Args:
        stored: Whose.
        asked: Arguments of ``sdlab.load`` that count before those of then.

    Raises:
        ModelError: If it cannot be loaded.
    """
    facts = stored.manifest["model"]
    device = facts.get("device", "cpu")
    there = device if {device, device.partition(":")[0]} & set(available()) else None
    loading = loading_of(facts)
    if (asked.get("device") or there) != device:
        loading.pop("offload", None)
    name = facts["name"]
    told = {"device": there, "dtype": facts.get("dtype"), **loading, **asked}
    return load(None if name == EMBEDDED else name, **told)


def parting(then: Run, now: Run) -> Parting | None:
    """Return where two runs of one experiment part, or None if they do not.

    Raises:
        ModelError: If they have latents of different shapes, and so are of different models.
    """
    unit, end = 1.0, None
    if _ends_known(then, now):
        if then.latents.shape != now.latents.shape:
            raise ModelError(
                f"The run's latents are {list(then.latents.shape)}, those made now"
                f" {list(now.latents.shape)}: this is another model."
            )
        unit = spread_of(then) or 1.0
        end = float(rms(flat(then.latents) - flat(now.latents))[0]) / unit
    names = [name for name in FIRST if name in then.trace.names() and name in now.trace.names()]
    for place, evaluation in enumerate(then.trace.kept):
        for name in names:
            a, b = then.trace.tensor(name)[place], now.trace.tensor(name)[place]
            if not same_bits(a, b):
                apart = float(rms(flat(a[None]) - flat(b[None]))[0]) / unit
                return Parting(evaluation, then.trace.sigmas[evaluation], name, apart, end)
    if end is None or same_bits(then.latents, now.latents):
        return None
    return Parting(None, None, "latents", end, end)


def same_bits(a: "Tensor", b: "Tensor") -> bool:
    """Return whether two tensors are the same, values that are no numbers too."""
    import torch

    alike = a.shape == b.shape and a.dtype == b.dtype
    return alike and bool(torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))


def _ends_known(then: Run, now: Run) -> bool:
    """Return whether both runs know their final latents, which some pipelines do not report."""
    return "latents" in then.tensors and "latents" in now.tensors


def _where(parting: Parting | None, known: bool) -> str:
    if parting is None:
        what = "latents are" if known else "recorded tensors are"
        return f"The {what} the same bit for bit."
    if parting.evaluation is None:
        first = "Every recorded evaluation is the same; the final latents differ"
        return f"{first} by {parting.end:.2g} of their standard deviation."
    first = (
        f"Evaluation {parting.evaluation} (sigma {parting.sigma:.4g}) is the first that differs:"
        f" {parting.tensor} by {parting.distance:.2g}"
    )
    if parting.end is None:
        return f"{first}; the pipeline does not report its final latents."
    return f"{first} standard deviations of the final latents, which differ by {parting.end:.2g}."
