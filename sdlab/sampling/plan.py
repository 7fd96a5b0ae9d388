"""The plan: an experiment checked against a model before anything runs.

What can only be checked with the model is checked here: the solver and its options, the steps
against the schedule, the size against the VAE, the memory against the machine.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sdlab.attention.planning import AttentionPlan, plan_attention
from sdlab.denoisers.network import check_fast, uses_guidance
from sdlab.errors import MemoryLimitError, ModelError, check_types
from sdlab.experiment.experiment import Experiment, check_size
from sdlab.models import memory
from sdlab.models.activations import latent_tokens
from sdlab.models.model import Model
from sdlab.noise.schedule import NoiseSchedule
from sdlab.sampling.evaluations import evaluations_made
from sdlab.sampling.experiment_course import experiment_course
from sdlab.sampling.pipeline_call import (
    NUMBERS,
    TEXTS,
    PipelineCall,
    is_guided,
    pipeline_call,
    plan_course,
    times_known,
)
from sdlab.solvers.course import Course, try_out

_TRIED: "WeakKeyDictionary[Model, set[tuple[object, ...]]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Plan:
    """What an experiment will do.

    Attributes:
        course: The noise levels it visits, and the process that visits them; of them ``nfe`` from
            ``first`` on. None where the scheduler's noise levels are not known.
        shape: (C, h, w) of the latents.
        guided: Whether each evaluation is a CFG pair.
        record_bytes: Bytes of the tensors to keep.
        activation_bytes: Bytes that computing takes at its peak, estimated.
        attention: What is kept of the attention, counted in ``record_bytes``; None for nothing.
        call: How its pipeline is called; None for plain Stable Diffusion, which sdlab runs itself.
        nfe: Network evaluations expected; a CFG pair counts as one.
        first: The course's evaluation that it begins with; after a picture, not the first.
    """

    course: Course | None
    shape: tuple[int, int, int]
    guided: bool
    record_bytes: int
    activation_bytes: int
    nfe: int
    attention: AttentionPlan | None = None
    call: PipelineCall | None = None
    first: int = 0

    @property
    def scheduler(self) -> Any:
        """The diffusers scheduler that makes the steps; None for sdlab's own loop and solvers."""
        if self.call is not None:
            return self.call.scheduler
        return None if self.course is None else self.course.scheduler

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise schedule in force (a scheduler's options may change the model's)."""
        return self._known.schedule

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Noise level of every evaluation."""
        return self._known.sigmas[self._made]

    @property
    def timesteps(self) -> tuple[float, ...]:
        """Training timestep of every evaluation."""
        return self._known.timesteps[self._made]

    @property
    def steps(self) -> tuple[int, ...]:
        """Solver step of every evaluation."""
        return _steps(self._known, self._made)

    @property
    def _made(self) -> slice:
        return slice(self.first, self.first + self.nfe)

    @property
    def _known(self) -> Course:
        if self.course is None:
            raise ModelError("The noise levels of this model's scheduler are not known.")
        return self.course


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
        TypeError: If an argument is of another type, as when two are swapped.
    """
    check_types(plan, model=(model, Model), experiment=(experiment, Experiment))
    check_size(experiment)
    if experiment.fast:
        check_fast(model)
    further = [getattr(experiment, name) for name in (*TEXTS, *NUMBERS)]
    wanted = experiment.pictures or any(value is not None for value in further)  # 0 is a wish too
    if not model.plain or wanted or experiment.pipeline_options:
        return _plan_pipeline(model, experiment)
    shape = _shape(model, experiment)
    found = experiment_course(
        experiment, model.scheduler_config, schedule=model.schedule, device=model.device
    )
    _check_steps(model, experiment, found)
    guided = uses_guidance(model, experiment.guidance_scale)
    attention = plan_attention(model, experiment, shape, found.steps, guided)
    record, activation = _bytes(model, experiment, found.nfe, shape, guided, attention)
    _check_memory(model, experiment, record, activation)
    return Plan(found, shape, guided, record, activation, found.nfe, attention)


def _plan_pipeline(model: Model, experiment: Experiment) -> Plan:
    """Return the plan of an experiment that the model's own pipeline runs."""
    shape = _pipeline_shape(model, experiment)
    found = plan_course(model, experiment, latent_tokens(model.network, shape))
    if found is not None:
        _check_steps(model, experiment, found)
    call = pipeline_call(model, experiment, found)
    made = evaluations_made(call.cls, experiment, found, getattr(call.scheduler, "order", 1))
    nfe = len(made)
    steps = range(nfe) if found is None else _steps(found, slice(made.start, made.stop))
    guided = is_guided(model, experiment)
    attention = plan_attention(model, experiment, shape, steps, guided)
    record, activation = _bytes(model, experiment, nfe, shape, guided, attention)
    _check_memory(model, experiment, record, activation)
    told = found if times_known(model, experiment) else None
    return Plan(told, shape, guided, record, activation, nfe, attention, call, made.start)


def _steps(found: Course, made: slice) -> tuple[int, ...]:
    """Return the solver steps of some of a course's evaluations, counted from their first."""
    steps = found.steps[made]
    return tuple(step - steps[0] for step in steps)


def _bytes(
    model: Model,
    experiment: Experiment,
    nfe: int,
    shape: tuple[int, int, int],
    guided: bool,
    attention: AttentionPlan | None,
) -> tuple[int, int]:
    """Return the bytes of the record, and those of computing at its peak."""
    record = memory.record_bytes(experiment.record, nfe, shape, guided)
    record += attention.bytes if attention else 0
    network = (2 if guided else 1) * memory.sample_bytes(model, shape)
    network += attention.working_bytes if attention else 0
    return record, memory.BASE_BYTES + max(network, memory.decode_bytes(model, shape))


def _pipeline_shape(model: Model, experiment: Experiment) -> tuple[int, int, int]:
    """Return about what latents a pipeline makes: of the size asked for, or its picture's."""
    x, factor, multiple = experiment, model.vae_factor, model.size_multiple
    source = x.image or x.control_image
    width, height = (source.width, source.height) if source else model.default_size
    for name, side in (("width", x.width), ("height", x.height)):
        if side is not None and side % multiple:
            near = max(multiple, round(side / multiple) * multiple)
            raise ValueError(
                f"{name} must be a multiple of {multiple} for this model, got {side}; try {near}."
            )
    sides = ((x.height or height), (x.width or width))
    return model.latent_channels, sides[0] // factor, sides[1] // factor


def _check_steps(model: Model, experiment: Experiment, found: Course) -> None:
    """Raise before the first step what a scheduler would raise in a later one; tried once each."""
    if found.scheduler is None:
        return
    learned = str(found.scheduler.config.get("variance_type")).startswith("learned")
    if learned and not model.plain:
        return  # it asks the network for more than noise; the pipeline knows how to hand it on
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
