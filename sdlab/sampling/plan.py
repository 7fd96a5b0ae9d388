"""The plan: an experiment held against a model, before anything runs.

What needs the model is judged here: the solver and its options, the steps against the schedule,
the size against the VAE, the memory against the machine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlab.denoisers.network import uses_guidance
from sdlab.errors import MemoryLimitError, unknown
from sdlab.models.model import Model
from sdlab.noise import curves
from sdlab.noise.schedule import NoiseSchedule
from sdlab.sampling import memory
from sdlab.sampling.experiment import Experiment
from sdlab.sampling.process import Process, solver_process
from sdlab.solvers import diffusers_adapter as adapter
from sdlab.solvers.catalogue import valid_names
from sdlab.solvers.registry import Solver, solvers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    MakeProcess = Callable[[Tensor, torch.Generator], Process]


@dataclass(frozen=True)
class Plan:
    """What an experiment will do.

    Attributes:
        schedule: The noise schedule in force (a scheduler's options may change the model's).
        sigmas: Noise level of every evaluation.
        timesteps: Training timestep of every evaluation.
        steps: Solver step of every evaluation.
        shape: (C, h, w) of the latents.
        guided: Whether each evaluation is a CFG pair.
        record_bytes: Bytes of the tensors to keep.
        activation_bytes: Bytes that computing takes at its peak, estimated.
        make_process: (start noise, generator) -> the process; to be used once.
    """

    schedule: NoiseSchedule
    sigmas: tuple[float, ...]
    timesteps: tuple[float, ...]
    steps: tuple[int, ...]
    shape: tuple[int, int, int]
    guided: bool
    record_bytes: int
    activation_bytes: int
    make_process: "MakeProcess" = field(repr=False)

    @property
    def nfe(self) -> int:
        """Network evaluations; a CFG pair counts as one."""
        return len(self.sigmas)


def plan(model: Model, experiment: Experiment) -> Plan:
    """Return what an experiment will do on a model.

    Raises:
        ValueError: If the solver, an option, the curve, the number of steps or the size is not
            valid for this model.
        MemoryLimitError: If it cannot fit into memory; with the figures.
    """
    shape = _shape(model, experiment)
    name = experiment.solver
    if name in solvers():
        course = _solver_course(model, experiment, solvers()[name])
    elif name in adapter.scheduler_classes():
        course = _scheduler_course(model, experiment)
    else:
        raise ValueError(unknown("solver", name, valid_names()))
    schedule, sigmas, timesteps, steps, make_process = course
    guided = uses_guidance(model, experiment.guidance_scale)
    record = memory.record_bytes(experiment.record, len(sigmas), shape, guided)
    rows = 2 if guided else 1
    network = rows * memory.sample_bytes(model, shape)
    activation = memory.BASE_BYTES + max(network, memory.decode_bytes(model, shape))
    _check_memory(model, experiment, record, activation)
    return Plan(schedule, sigmas, timesteps, steps, shape, guided, record, activation, make_process)


Course = tuple[NoiseSchedule, tuple[float, ...], tuple[float, ...], tuple[int, ...], "MakeProcess"]


def _solver_course(model: Model, experiment: Experiment, solver: Solver) -> Course:
    options = dict(experiment.solver_options)
    if experiment.eta is not None:
        if "eta" not in solver.options:
            raise ValueError(
                f"solver {solver.name!r} takes no eta, got {experiment.eta}; leave eta at None."
            )
        options["eta"] = experiment.eta
    solver.check_options(options)
    schedule = model.schedule
    curve_options = dict(experiment.curve_options)
    curve = curves.make(experiment.curve, schedule, experiment.num_steps, curve_options)
    sigmas = tuple(curve.tolist())
    asked = tuple(solver.asked_sigmas(sigmas, options))
    timesteps = tuple(schedule.sigma_to_timestep(asked).tolist())
    steps = tuple(solver.step_of(e, experiment.num_steps) for e in range(len(asked)))

    def make_process(start: "Tensor", generator: "torch.Generator") -> Process:
        from diffusers.utils.torch_utils import randn_tensor

        def noise(x: "Tensor") -> "Tensor":
            return randn_tensor(x.shape, generator=generator, device=x.device, dtype=x.dtype)

        return solver_process(solver, options, start, sigmas, noise, schedule)

    return schedule, asked, timesteps, steps, make_process


def _scheduler_course(model: Model, experiment: Experiment) -> Course:
    if experiment.curve_options:
        raise ValueError(
            f"{experiment.solver} takes its curve's options as its own parameters, got"
            f" curve_options {dict(experiment.curve_options)}; use solver_options."
        )
    scheduler = adapter.make_scheduler(
        experiment.solver,
        model.scheduler_config,
        options=dict(experiment.solver_options),
        curve=experiment.curve,
        num_steps=experiment.num_steps,
        seed=experiment.seed,
        device=model.device,
    )
    if experiment.eta is not None and not adapter.takes_eta(type(scheduler)):
        raise ValueError(
            f"{experiment.solver} takes no eta, got {experiment.eta}; leave eta at None."
        )
    schedule = NoiseSchedule.from_config(scheduler.config)
    sigmas = adapter.evaluation_sigmas(scheduler, schedule)
    steps = adapter.evaluation_steps(scheduler, experiment.num_steps)

    def make_process(start: "Tensor", generator: "torch.Generator") -> Process:
        return adapter.scheduler_process(
            scheduler,
            start,
            steps=steps,
            sigmas=sigmas,
            eta=experiment.eta,
            generator=generator,
        )

    timesteps = tuple(float(t) for t in scheduler.timesteps.tolist())
    return schedule, tuple(sigmas), timesteps, tuple(steps), make_process


def _shape(model: Model, experiment: Experiment) -> tuple[int, int, int]:
    width, height = model.default_size
    sides = {"width": experiment.width or width, "height": experiment.height or height}
    factor = model.vae_factor
    for name, side in sides.items():
        if side % factor:
            raise ValueError(f"{name} must be a multiple of {factor} for this model, got {side}.")
    return model.latent_channels, sides["height"] // factor, sides["width"] // factor


def _check_memory(model: Model, experiment: Experiment, record: int, activation: int) -> None:
    available = memory.available_bytes(model.device)
    if record + activation > available * memory.USABLE:
        raise MemoryLimitError(
            f"This run needs about {memory.readable(record + activation)} on {model.device}"
            f" (recorded tensors {memory.readable(record)}, computing"
            f" {memory.readable(activation)}); {memory.readable(available)} are free and"
            f" {memory.USABLE:.0%} of that may be used. Lower width or height, record fewer"
            f" tensors or a larger 'every' (now {experiment.record.every}), or fewer steps."
        )
