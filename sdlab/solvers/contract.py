"""The contract of a solver, checked by running it on exact denoisers.

A plug-in is accepted only if nothing is found here; ``sdlab.check_solver`` shows its author the
same. The checks go from the simple (it runs, shapes, finite numbers) to the subtle (the order it
declares), and later ones are skipped when an earlier one fails.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from sdlab.denoisers.gaussian import denoise
from sdlab.noise import curves
from sdlab.sampler_names import unknown_solver
from sdlab.solvers.gaussian_law import law
from sdlab.solvers.randomness import Noise, Silence
from sdlab.solvers.registry import Solver, solvers

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.denoisers.mixture import Mixture

MEAN, STD = 0.3, 0.6
# By how much a measured order may fall short of the declared one.
TOLERANCE = 0.25
# An error this small is rounding and shows nothing about the order.
ROUNDING = 1e-10


class Breach(NamedTuple):
    """A rule that a solver breaks: the rule's short name, and a sentence."""

    rule: str
    message: str


def check(solver: "Solver | str") -> list[Breach]:
    """Return the rules of the contract that a solver breaks; empty if all is well.

    Args:
        solver: A registered solver or its name.

    Raises:
        ValueError: If there is no solver of that name.
    """
    import torch

    if isinstance(solver, str):
        if solver not in solvers():
            raise ValueError(unknown_solver(solver, solvers()))
        solver = solvers()[solver]
    trial = Trial(solver)
    with torch.no_grad():
        for rules in RULES:
            found = [finding for rule in rules for finding in _judge(rule, trial)]
            if found:
                return found
    return []


check_solver = check  # its name in ``sdlab``


class Trial:
    """A solver being checked, and its runs that several rules look at."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())

    def start(self, rows: int = 2, dtype: str = "float64", size: int = 8) -> "Tensor":
        """Return a start point at the first sigma, [rows, 4, size, size]."""
        import torch

        generator = torch.Generator().manual_seed(7)
        x = torch.randn(rows, 4, size, size, generator=generator, dtype=torch.float64)
        start: Tensor = (x * self.sigmas[0] + MEAN).to(getattr(torch, dtype))
        return start

    def run(
        self,
        x: "Tensor",
        seed: int = 0,
        *,
        sigmas: tuple[float, ...] | None = None,
        std: float = STD,
    ) -> "Tensor":
        """Return where it ends; a generator an image, numbered from ``seed``."""
        import torch

        noise = Noise([torch.Generator().manual_seed(seed + row) for row in range(len(x))])

        def answer(at: "Tensor", sigma: float) -> "Tensor":
            _look(at, x, f"yields at sigma {sigma:g}")
            if not 0 < sigma < math.inf:
                raise ValueError(f"asks for a prediction at sigma {sigma:g}.")
            x0_pred = denoise(at, sigma, MEAN, std)
            sent.append((x0_pred, x0_pred.clone()))
            return x0_pred

        sent: list[tuple[Tensor, Tensor]] = []
        before = x.clone()
        end, self.asked = self.solver.solve(x, sigmas or self.sigmas, noise, answer)
        _look(end, x, "returns")
        self.kept = torch.equal(x, before) and all(torch.equal(a, b) for a, b in sent)
        return end

    @cached_property
    def end(self) -> "Tensor":
        """Where it ends in float64, with seed 0."""
        return self.run(self.start())


def _look(what: object, like: "Tensor", verb: str) -> None:
    import torch

    if not isinstance(what, torch.Tensor):
        raise ValueError(f"{verb} {type(what).__name__}, no tensor.")
    if what.shape != like.shape:
        raise ValueError(f"{verb} shape {tuple(what.shape)}, not {tuple(like.shape)}.")
    if what.dtype != like.dtype:
        raise ValueError(f"{verb} {what.dtype}, not {like.dtype}.")


def runs(trial: Trial) -> None:
    """It runs in float64 and float32, over many steps and over one, and keeps shape and dtype."""
    _ = trial.end
    trial.run(trial.start(dtype="float32"))
    trial.run(trial.start(), sigmas=(trial.sigmas[0], 0.0))


def finite(trial: Trial) -> Iterator[str]:
    """Its end is finite."""
    if not trial.end.isfinite().all():
        yield "ends in NaN or infinity on Gaussian data."


def in_place(trial: Trial) -> Iterator[str]:
    """It changes neither its start nor the predictions it was sent."""
    trial.run(trial.start())
    if not trial.kept:
        yield "changes its start or a prediction in place; write x = x + ..., not x += ..."


def evaluations(trial: Trial) -> Iterator[str]:
    """It asks no more often than its stages say."""
    trial.run(trial.start())
    solver, steps = trial.solver, len(trial.sigmas) - 1
    limit = solver.stages * steps + solver.warmup
    if len(trial.asked) > limit:
        yield (
            f"makes {len(trial.asked)} evaluations in {steps} steps, but declares stages="
            f"{solver.stages} and warmup={solver.warmup}."
        )


def repeatable(trial: Trial) -> Iterator[str]:
    """The same generators give the same end."""
    if not trial.run(trial.start()).equal(trial.end):
        yield "ends elsewhere when run again: randomness must come from noise alone."


def deterministic(trial: Trial) -> Iterator[str]:
    """It draws noise if and only if it says so."""
    same = trial.run(trial.start(), seed=100).equal(trial.end)
    if trial.solver.deterministic and not same:
        yield "draws noise, but declares deterministic=True."
    if not trial.solver.deterministic and same:
        yield "draws no noise, but declares deterministic=False."


def batch(trial: Trial) -> Iterator[str]:
    """An image does not depend on the others in its batch."""
    import torch

    alone = trial.run(trial.start()[:1])
    if not torch.allclose(alone, trial.end[:1], rtol=0, atol=1e-8):
        yield "gives an image that depends on the others in its batch."


def ends_at_last_sigma(trial: Trial) -> Iterator[str]:
    """On data that is one point it ends there, or as far from it as the last sigma allows."""
    end = trial.run(trial.start(), std=0.0)
    off = float((end - MEAN).abs().max())
    if off > 1e-3:
        yield f"ends {off:.3g} away from data that is a single point; sigma 0 was the last."
    last = 0.5
    sigmas = (*(s for s in trial.sigmas if s > last), last)
    spread = float((trial.run(trial.start(1, size=48), sigmas=sigmas, std=0.0) - MEAN).std())
    if not 0.9 * last < spread < 1.1 * last:
        yield f"ends with noise of {spread:.3g} where the last sigma is {last:g}."


def order(trial: Trial) -> Iterator[str]:
    """It reaches the order it declares."""
    declared = trial.solver.order
    if declared is None:
        return
    errors = [_error(trial, steps) for steps in (32, 64, 128)]
    reached = [
        math.log2(coarse / fine) if fine > ROUNDING else math.inf
        for coarse, fine in zip(errors, errors[1:], strict=False)
    ]
    if not max(reached) >= declared - TOLERANCE:
        yield (
            f"declares order {declared}, but reaches {max(reached):.2f} on exact data, from"
            f" errors {', '.join(f'{error:.2g}' for error in errors)} at 32, 64 and 128 steps."
        )


def _error(trial: Trial, steps: int) -> float:
    """Return the distance to the ODE's solution; of a stochastic solver, the error of its variance.

    The ODE is that of a mixture: on a single Gaussian some rules (the midpoint's) are of a higher
    order than elsewhere, as their leading error cancels.
    """
    sigmas = _levels(steps)
    if not trial.solver.deterministic:
        true = STD**2 + sigmas[-1] ** 2
        return abs(law(trial.solver, sigmas, mean=MEAN, std=STD)[1] - true)
    data, x, reference = _reference()
    end = trial.solver.solve(x, sigmas, Silence(), data.denoise)[0]
    return float((end - reference).square().mean().sqrt())


def _levels(steps: int) -> tuple[float, ...]:
    return tuple(curves.exponential(steps + 1, 0.1, 10.0)[:-1].tolist())


@cache
def _reference() -> "tuple[Mixture, Tensor, Tensor]":
    """Return a mixture of two Gaussians, start points, and where its ODE takes them."""
    import torch

    from sdlab.denoisers.mixture import Mixture

    data = Mixture.even(torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1), 0.5)
    x = torch.linspace(-12.0, 12.0, 16, dtype=torch.float64).view(16, 1, 1, 1)
    unipc = solvers()["unipc"]
    end, _ = unipc.solve(x, _levels(512), Silence(), data.denoise, {"order": 3})
    return data, x, end


Rule = Callable[[Trial], "Iterator[str] | None"]
RULES: tuple[tuple[Rule, ...], ...] = (
    (runs,),
    (finite,),
    (in_place, evaluations, repeatable, deterministic, batch, ends_at_last_sigma),
    (order,),
)


def _judge(rule: Rule, trial: Trial) -> Iterator[Breach]:
    try:
        for message in rule(trial) or ():
            yield Breach(rule.__name__, message)
    except Exception as error:  # foreign code: whatever it raises is the finding
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        yield Breach(rule.__name__, " ".join(reason.split())[:300])
