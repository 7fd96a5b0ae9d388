"""The process of one run: a generator that asks the engine for network evaluations.

sdlab's solvers work on x0_pred in VE coordinates, diffusers' schedulers on the network's raw output
in coordinates of their own. Both become the same here: a generator that yields a ``Query``,
receives an ``Answer``, and returns the final latents.
"""

import math
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.denoisers.network import at_least_float32
from sdlab.noise.schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import Solver


class Query(NamedTuple):
    """A point at which a process needs a prediction.

    Attributes:
        x_t: The network's input, [1, C, h, w], VP coordinates.
        timestep: The network's timestep, 0 ... T - 1, may be fractional.
        sigma: The noise level of ``x_t``.
        step: The solver step that needs it, from 0.
    """

    x_t: "Tensor"
    timestep: float
    sigma: float
    step: int


class Answer(NamedTuple):
    """The network's prediction, after guidance.

    Attributes:
        output: The network's (guided) raw output, [1, C, h, w].
        x0_pred: The clean latents that follow from it, [1, C, h, w].
    """

    output: "Tensor"
    x0_pred: "Tensor"


Process = Generator[Query, Answer, "Tensor"]


def solver_process(
    solver: "Solver",
    options: Mapping[str, Any],
    start: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    schedule: NoiseSchedule,
) -> Process:
    """Run one of sdlab's solvers: VE coordinates inside, VP coordinates for the network.

    Args:
        solver: The registered solver.
        options: Its keyword arguments.
        start: Standard normal start noise, [1, C, h, w].
        sigmas: The curve, descending.
        noise: What a stochastic solver draws from.
        schedule: Maps sigma to the network's timestep.

    Returns:
        (As the generator's value) the final latents, [1, C, h, w].

    The start is scaled by sqrt(1 + sigma_max^2), so that the network is first given exactly
    ``start``: the start of DDIM, and of Euler with leading spacing.
    """
    x = at_least_float32(start) * math.sqrt(1.0 + sigmas[0] ** 2)
    generator = solver.function(x, sigmas, noise, **options)
    # Not by ``sdlab.work.drive``: whoever runs this process answers, between two steps.
    evaluation, num_steps = 0, len(sigmas) - 1
    try:
        x, sigma = next(generator)
        while True:
            scale = math.sqrt(1.0 + sigma**2)
            timestep = float(schedule.sigma_to_timestep(sigma))
            step = solver.step_of(evaluation, num_steps)
            answer = yield Query(x / scale, timestep, sigma, step)
            evaluation += 1
            x, sigma = generator.send(answer.x0_pred)
    except StopIteration as stop:
        latents: Tensor = stop.value / math.sqrt(1.0 + sigmas[-1] ** 2)
        return latents
    finally:
        generator.close()
