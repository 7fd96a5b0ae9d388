"""The course of a solver or scheduler: which noise levels it visits, before anything runs.

sdlab's solvers follow a sigma curve; diffusers' schedulers have timesteps, and some have sigmas, of
their own. Both become one table here: every evaluation with its timestep, sigma, log SNR and
alpha_bar, and the noise level at which the course ends. It needs a scheduler config, not a model.
"""

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.bounds import check_steps
from sdlab.errors import check_types
from sdlab.models.scheduler_config import completed
from sdlab.noise import curves
from sdlab.noise.flow import is_flow, sigma_to_time
from sdlab.noise.schedule import NoiseSchedule
from sdlab.plain import plain
from sdlab.sampler_names import unknown_solver
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers import plugins
from sdlab.solvers.catalogue import valid_names
from sdlab.solvers.protocol import Process, solver_process
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import solvers
from sdlab.work import drive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    MakeProcess = Callable[[Tensor, torch.Generator], Process]


@dataclass(frozen=True)
class Course:
    """The noise levels that a solver or scheduler visits.

    Attributes:
        name: The solver's short name or the scheduler's class.
        num_steps: Solver steps asked for.
        schedule: The noise schedule in force (a scheduler's options may change the model's).
        sigmas: Noise level of every evaluation.
        timesteps: Training timestep of every evaluation.
        steps: Solver step of every evaluation.
        end: Noise level at which the last step ends.
        scheduler: The diffusers scheduler with its timesteps set, or None for own solvers.
        make_process: (start noise, generator) -> a new process.
    """

    name: str
    num_steps: int
    schedule: NoiseSchedule
    sigmas: tuple[float, ...]
    timesteps: tuple[float, ...]
    steps: tuple[int, ...]
    end: float
    scheduler: Any = field(repr=False)
    make_process: "MakeProcess" = field(repr=False)

    @property
    def nfe(self) -> int:
        """Network evaluations; a CFG pair counts as one."""
        return len(self.sigmas)

    def table(self) -> pd.DataFrame:
        """Return one row an evaluation, and a last row, without an evaluation, for the end.

        Returns:
            Columns ``step``, ``evaluation``, ``timestep`` (of the end: NaN), ``sigma``,
            ``log_snr`` (of sigma 0: inf) and ``alpha_bar``; of flow matching also ``flow_time``.
            There sigma is infinite at the start, where x_t is noise alone.
        """
        sigma = np.array([*self.sigmas, self.end])
        with np.errstate(divide="ignore"):
            log_snr = -2.0 * np.log(sigma)
        table = pd.DataFrame(
            {
                "step": [*self.steps, self.num_steps],
                "evaluation": pd.array([*range(self.nfe), None], dtype="Int64"),
                "timestep": [*self.timesteps, np.nan],
                "sigma": sigma,
                "log_snr": log_snr,
                "alpha_bar": 1.0 / (1.0 + sigma**2),
            }
        )
        flow = self.schedule.path == "flow"
        return table.assign(flow_time=sigma_to_time(sigma)) if flow else table


def course(
    solver: str,
    num_steps: int,
    *,
    config: Mapping[str, Any] = adapter.SD_CONFIG,
    schedule: NoiseSchedule | None = None,
    options: Mapping[str, Any] | None = None,
    curve: str | None = None,
    curve_options: Mapping[str, Any] | None = None,
    eta: float | None = None,
    seed: int = 0,
    tokens: int | None = None,
    handed: Mapping[str, Any] | None = None,
    device: "torch.device | str" = "cpu",
) -> Course:
    """Return the course of one of sdlab's solvers or of a diffusers scheduler.

    Args:
        solver: A solver's short name or a diffusers class.
        num_steps: Solver steps, at least 1.
        config: The model's scheduler config; by default that of Stable Diffusion 1.x.
        schedule: Its noise schedule; made from ``config`` if not given.
        options: Arguments of the solver, or of the scheduler's class.
        curve: How sigma falls; None for what the config says.
        curve_options: Arguments of the curve; for own solvers, and classes that take sigmas.
        eta: Share of injected noise, for those that take it.
        seed: For schedulers that draw noise from a seed of their own.
        tokens: Latent tokens of the picture, for flow-matching models whose shift goes by them;
            None for those of 1024 x 1024 pixels.
        handed: What a flow-matching pipeline hands to ``set_timesteps``: ``sigmas``, the times
            before the shift; ``timesteps``, what the network is told instead; ``mu``.
        device: The device of a scheduler's tables.

    Raises:
        ValueError: If a name, an option, the curve or the number of steps is not valid.
        TypeError: If ``solver`` is no name.
    """
    check_types(course, solver=(solver, str))
    num_steps, eta, seed = plain(num_steps), plain(eta), plain(seed)
    options = {key: plain(value) for key, value in (options or {}).items()}
    curve_options = dict(curve_options or {})
    check_steps(num_steps)
    if is_flow(config):
        from sdlab.solvers.flow_course import flow_course

        return flow_course(
            solver,
            num_steps,
            config=config,
            options=options,
            curve=curve,
            curve_options=curve_options,
            eta=eta,
            tokens=tokens,
            handed=handed or {},
            device=device,
        )
    config = completed(config)
    if solver in solvers():
        return _of_solver(
            solver,
            num_steps,
            schedule or NoiseSchedule.from_config(config),
            options,
            (curve, curve_options),
            eta,
        )
    if solver not in adapter.scheduler_classes():
        for refusal in plugins.refusals():
            if refusal.name == solver:
                raise ValueError(f"the plug-in {solver!r} was refused: {refusal.reason}")
        raise ValueError(unknown_solver(solver, valid_names()))
    scheduler = adapter.make_scheduler(
        solver,
        config,
        options=options,
        curve=curve,
        num_steps=num_steps,
        seed=seed,
        device=device,
        curve_options=curve_options,
    )
    return _of_scheduler(scheduler, num_steps, eta)


def try_out(course: Course) -> "Tensor":
    """Return a sample of N(0.5, 0.5^2), float32 [1, 4, 8, 8], by running every step of a course.

    Args:
        course: Of a solver or a scheduler.

    Raises:
        SchedulerError: If the scheduler cannot make a step; says which, and what it says.
    """
    import torch

    scheduler = course.scheduler
    kind = scheduler.config.get("prediction_type", "epsilon") if scheduler else "epsilon"
    kind = "flow" if course.schedule.path == "flow" else kind
    device = "cpu" if scheduler is None else scheduler.timesteps.device
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7)).to(device)
    process = course.make_process(start, torch.Generator().manual_seed(0))
    with torch.no_grad():
        return drive(process, lambda query: adapter.gaussian_answer(query, kind))


def _of_solver(
    name: str,
    num_steps: int,
    schedule: NoiseSchedule,
    options: dict[str, Any],
    curve: tuple[str | None, dict[str, Any]],
    eta: float | None,
) -> Course:
    solver = solvers()[name]
    if eta is not None:
        if "eta" not in solver.options:
            raise ValueError(f"solver {name!r} takes no eta, got {eta}; leave eta at None.")
        options = {**options, "eta": eta}
    solver.check_options(options)
    sigmas = tuple(curves.make(curve[0], schedule, num_steps, curve[1]).tolist())
    asked = tuple(solver.asked_sigmas(sigmas, options))
    timesteps = tuple(schedule.sigma_to_timestep(asked).tolist())
    steps = tuple(solver.step_of(e, num_steps) for e in range(len(asked)))

    def make_process(start: "Tensor", generator: "torch.Generator") -> Process:
        return solver_process(solver, options, start, sigmas, Noise(generator), schedule)

    end = sigmas[-1]
    return Course(name, num_steps, schedule, asked, timesteps, steps, end, None, make_process)


def _of_scheduler(scheduler: Any, num_steps: int, eta: float | None) -> Course:
    name = type(scheduler).__name__
    if eta is not None and not adapter.takes_eta(type(scheduler)):
        raise ValueError(f"{name} takes no eta, got {eta}; leave eta at None.")
    # diffusers keeps entries that a class does not take, such as PNDM's rescale_betas_zero_snr.
    taken = inspect.signature(type(scheduler)).parameters
    config = {key: value for key, value in scheduler.config.items() if key in taken}
    schedule = NoiseSchedule.from_config(config)
    sigmas = tuple(adapter.evaluation_sigmas(scheduler, schedule))
    steps = tuple(adapter.evaluation_steps(scheduler, num_steps))
    timesteps = tuple(float(t) for t in scheduler.timesteps.tolist())

    def make_process(start: "Tensor", generator: "torch.Generator") -> Process:
        return adapter.scheduler_process(
            copy.deepcopy(scheduler),
            start,
            steps=steps,
            sigmas=sigmas,
            eta=eta,
            generator=generator,
        )

    end = adapter.end_sigma(scheduler)
    return Course(name, num_steps, schedule, sigmas, timesteps, steps, end, scheduler, make_process)
