"""The plan: an experiment checked against a model before anything runs.

What can only be checked with the model is checked here: the solver and its options, the steps
against the schedule, the size against the VAE, the memory against the machine.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sdlab.attention.planning import AttentionPlan, plan_attention
from sdlab.denoisers.network import check_fast, uses_guidance
from sdlab.errors import MemoryLimitError
from sdlab.experiment.experiment import Experiment, check_size
from sdlab.models import memory
from sdlab.models.model import Model
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.course import Course, course, try_out

_TRIED: "WeakKeyDictionary[Model, set[tuple[object, ...]]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Plan:
    """What an experiment will do.

    Attributes:
        course: The noise levels it visits, and the process that visits them.
        shape: (C, h, w) of the latents.
        guided: Whether each evaluation is a CFG pair.
        record_bytes: Bytes of the tensors to keep.
        activation_bytes: Bytes that computing takes at its peak, estimated.
        attention: What is kept of the attention, counted in ``record_bytes``; None for nothing.
    """

    course: Course
    shape: tuple[int, int, int]
    guided: bool
    record_bytes: int
    activation_bytes: int
    attention: AttentionPlan | None = None

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise schedule in force (a scheduler's options may change the model's)."""
        return self.course.schedule

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Noise level of every evaluation."""
        return self.course.sigmas

    @property
    def timesteps(self) -> tuple[float, ...]:
        """Training timestep of every evaluation."""
        return self.course.timesteps

    @property
    def steps(self) -> tuple[int, ...]:
        """Solver step of every evaluation."""
        return self.course.steps

    @property
    def nfe(self) -> int:
        """Network evaluations; a CFG pair counts as one."""
        return self.course.nfe


def plan(model: Model, experiment: Experiment) -> Plan:
    """Return what an experiment will do on a model.

    Raises:
        ValueError: If a prompt is too long, or the solver, an option, the curve, the number of
            steps or the size is not valid for this model, the scheduler cannot make every step, an
            attention layer is named that it does not have, or ``fast`` is asked of a model that is
            not in float32.
        ModelError: If its attention cannot be read (an IP-Adapter, a compiled U-Net).
        MemoryLimitError: If it cannot fit into memory, or the attention maps into their cap; with
            the figures.
    """
    check_size(experiment)
    shape = _shape(model, experiment)
    if experiment.fast:
        check_fast(model)
    found = course(
        experiment.solver,
        experiment.num_steps,
        config=model.scheduler_config,
        schedule=model.schedule,
        options=dict(experiment.solver_options),
        curve=experiment.curve,
        curve_options=dict(experiment.curve_options),
        eta=experiment.eta,
        seed=experiment.seed,
        device=model.device,
    )
    _check_steps(model, experiment, found)
    guided = uses_guidance(model, experiment.guidance_scale)
    attention = plan_attention(model, experiment, shape, found.steps, guided)
    record = memory.record_bytes(experiment.record, found.nfe, shape, guided)
    record += attention.bytes if attention else 0
    rows = 2 if guided else 1
    network = rows * memory.sample_bytes(model, shape)
    network += attention.working_bytes if attention else 0
    activation = memory.BASE_BYTES + max(network, memory.decode_bytes(model, shape))
    _check_memory(model, experiment, record, activation)
    return Plan(found, shape, guided, record, activation, attention)


def _check_steps(model: Model, experiment: Experiment, found: Course) -> None:
    """Raise before the first step what a scheduler would raise in a later one; tried once each."""
    if found.scheduler is None:
        return
    x, tried = experiment, _TRIED.setdefault(model, set())
    settings = (x.solver, x.solver_options, x.curve, x.curve_options, x.num_steps, x.eta)
    if settings not in tried:
        try_out(found)
        tried.add(settings)


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
            " tensors or less attention, or a larger 'every' (now"
            f" {experiment.record.every}), or fewer steps."
        )
