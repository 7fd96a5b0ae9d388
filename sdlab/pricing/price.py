"""The price of a speed-up: what it costs in picture, told in steps of the plain sampler.

Every sampler at a finite number of steps is off by something: its own error, the distance of its
picture to the one that it draws with many times the steps. That is the unit here. A speed-up whose
picture differs by a tenth of it is lost in what the sampler neglects anyway; one that differs by
ten times it costs as much as leaving out most of the steps. Then seconds: the same time buys so
many plain steps, and a speed-up is worth it if its picture is nearer to the end than theirs.
"""

import logging
from collections.abc import Iterable, Sequence

from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import draws_noise
from sdlab.errors import SdlabError, brief, check_types
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.noise.curves import fixed_steps
from sdlab.pricing.ladder import FEWEST, rungs
from sdlab.pricing.pictures import Made, making
from sdlab.pricing.priced import Priced, Seen
from sdlab.pricing.speedup import Changed, chosen
from sdlab.work import Count, Progress, Work, finish

logger = logging.getLogger(__name__)

LEAST_STEPS = 4
END = 8
"""The end has so many times the steps: a first-order sampler is then off by an eighth."""
MOST_SEEDS = 64


def price(
    model: Model,
    experiment: Experiment,
    speedups: Iterable[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3),
    on_progress: Progress | None = None,
) -> Priced:
    """Return what speed-ups cost, in units of the sampler's own error, and what they save.

    Args:
        model: The loaded model; it is not changed.
        experiment: Prompt, sampler and steps; its seed is not used.
        speedups: Names of ``sdlab.pricing.speedup.speedups()``; None for all that take no minutes.
        seeds: Of the pictures; intervals are over them.
        on_progress: Called with (steps done, steps in all).

    Raises:
        ValueError: If the sampler draws noise on the way, its curve has a fixed number of steps,
            there are fewer than 4 steps or 2 seeds, or a speed-up is not known.
        SdlabError: If memory runs out.
    """
    check_types(price, model=(model, Model), experiment=(experiment, Experiment))
    return finish(pricing(model, experiment, speedups, seeds), on_progress)


def pricing(
    model: Model,
    experiment: Experiment,
    speedups: Iterable[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3),
) -> Work[Priced]:
    """Return ``price`` as a computation that can be watched and cancelled; counted in steps.

    A speed-up's pictures are made in turn with plain ones, so that both meet the same machine.
    """
    wanted = chosen(speedups)
    asked = [experiment.with_(seed=seed) for seed in seeds]
    _check(model, experiment, asked)
    n, plain = experiment.num_steps, Changed(model)
    limit = int(model.scheduler_config.get("num_train_timesteps") or 1000)
    most, steps = min(END * n, limit), rungs(n, limit)
    each = FEWEST + 2 * n * len(asked)
    count = Count(len(asked) * (most + sum(steps)) + each * len(wanted))
    seen = Seen(experiment, most, list(seeds), steps)
    for one in asked:
        seen.ends += yield from count.of(making(plain, [one.with_(num_steps=most)]), most)
        ladder = making(plain, [one.with_(num_steps=k) for k in steps])
        seen.ladders.append((yield from count.of(ladder, sum(steps))))
    for speedup in wanted:
        try:
            changed = speedup.function(model)
            seen.pairs[speedup] = yield from count.of(_in_turn(changed, plain, asked), each)
        except Exception as error:  # a package's or a driver's own: the others are measured still
            logger.info("%s is left out", speedup.name, exc_info=True)
            seen.left_out[speedup] = _reason(error)
            count.skip(each)
    return Priced.of(seen)


def _reason(error: Exception) -> str:
    """Return why a speed-up could not be measured; what nobody foresaw with its kind."""
    words = brief(" ".join(str(error).split()))
    foreseen = isinstance(error, (ValueError, SdlabError))
    return words if foreseen else f"It failed: {type(error).__name__}: {words}"


def _in_turn(
    changed: Changed, plain: Changed, asked: list[Experiment]
) -> Work[list[tuple[Made, Made]]]:
    """Return (plain picture, sped-up picture) of each experiment, made in turn.

    First comes a picture of few steps that nobody measures: what is slow once is slow then.
    """
    n = asked[0].num_steps
    count = Count(FEWEST + 2 * n * len(asked))
    yield from count.of(making(changed, [asked[0].with_(num_steps=FEWEST)]), FEWEST)
    pairs: list[tuple[Made, Made]] = []
    for group in [asked] if changed.together else [[one] for one in asked]:
        before = yield from count.of(making(plain, group), n * len(group))
        after = yield from count.of(making(changed, group), n * len(group))
        pairs += zip(before, after, strict=True)
    return pairs


def _check(model: Model, experiment: Experiment, asked: list[Experiment]) -> None:
    if not 2 <= len(asked) <= MOST_SEEDS or len({x.seed for x in asked}) < len(asked):
        raise ValueError(
            f"seeds must be 2 to {MOST_SEEDS}, each once, got {[x.seed for x in asked]}."
        )
    if experiment.num_steps < LEAST_STEPS:
        raise ValueError(
            f"num_steps must be at least {LEAST_STEPS}, so that there are fewer to compare with,"
            f" got {experiment.num_steps}."
        )
    if fixed_steps(experiment.curve, dict(experiment.curve_options)) is not None:
        raise ValueError(
            f"curve {experiment.curve!r} has a fixed number of steps, and a price is told in"
            " others; take a curve of any number, such as karras."
        )
    options, eta = experiment.solver_options, experiment.eta
    entrant = Entrant(experiment.solver, solver_options=options, eta=eta)
    if draws_noise(entrant, model.path or "vp"):
        raise ValueError(
            f"{experiment.solver} draws noise on the way, so its pictures with more steps are other"
            " pictures; take one that does not, such as dpmpp_2m or ddim."
        )
