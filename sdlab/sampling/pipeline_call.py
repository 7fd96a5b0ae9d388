"""How a pipeline is to be called for an experiment: its class, its arguments, its scheduler.

An argument is passed only where the class's own signature has it, under diffusers' own name. What
an experiment asks for and its pipeline does not take is an error, never silently left out.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from sdlab.denoisers.network import uses_guidance
from sdlab.errors import unknown
from sdlab.experiment.experiment import Experiment
from sdlab.models import inputs, pipelines
from sdlab.models.clip_skip import NAME, check_clip_skip
from sdlab.models.guidance import reads_scale
from sdlab.models.inputs import OURS, control_name
from sdlab.models.model import Model
from sdlab.sampling.experiment_course import experiment_course
from sdlab.shipped import CALLED_WITH
from sdlab.solvers.as_diffusers import as_diffusers_scheduler
from sdlab.solvers.course import Course
from sdlab.solvers.flow_catalogue import handed_by, not_laid_out
from sdlab.solvers.from_diffusers import (
    check_options,
    compatible_classes,
    native_curves,
    refusing,
)
from sdlab.solvers.pipeline_times import are_known
from sdlab.solvers.registry import solvers

if TYPE_CHECKING:
    import torch

TEXTS = ("prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3")
NUMBERS = (
    "strength", "controlnet_conditioning_scale", "true_cfg_scale", "max_sequence_length",
)  # fmt: skip


@dataclass(frozen=True)
class PipelineCall:
    """A call of a pipeline, before it is made.

    Attributes:
        cls: The pipeline's class: the model's own, or that of the same parts for a picture or mask.
        arguments: By name, without pictures and generator.
        scheduler: To be copied for each run.
    """

    cls: type
    arguments: Mapping[str, Any]
    scheduler: Any

    def given(self, experiment: Experiment, generator: "torch.Generator") -> dict[str, Any]:
        """Return all arguments.

        Raises:
            ValueError: If a picture of the experiment is not at hand.
        """
        taken = pipelines.call_parameters(self.cls)
        given = {**self.arguments, **_pictures(self.cls, experiment)}
        return given | ({"generator": generator} if "generator" in taken else {})


def pipeline_call(model: Model, experiment: Experiment, found: Course | None) -> PipelineCall:
    """Return how the model's pipeline is called for an experiment.

    Args:
        model: Its pipeline is not changed.
        experiment: What to draw.
        found: The course of its solver; None where the scheduler's noise levels are not known.

    Raises:
        ValueError: If the experiment has what the pipeline does not take.
    """
    x = experiment
    cls = class_of(model, x)
    taken, given = pipelines.call_parameters(cls), call_arguments(model, x, cls)
    _check_needed(cls, given)
    scheduler = scheduler_of(model, x, found)
    if x.eta is not None and x.solver not in solvers():
        if "eta" not in taken:
            raise ValueError(f"{cls.__name__} passes its scheduler no eta, got {x.eta}.")
        given["eta"] = x.eta
    if found is not None and found.schedule.path == "vp" and follows(type(scheduler), x):
        if "sigmas" not in taken:
            raise ValueError(
                f"{cls.__name__} passes its scheduler no sigmas, so {x.solver} cannot follow the"
                f" curve {x.curve!r}; take a solver of sdlab's, or leave the curve out."
            )
        given["sigmas"] = [float(s) for s in found.sigmas]
    return PipelineCall(cls, given, scheduler)


def call_arguments(model: Model, experiment: Experiment, cls: type) -> dict[str, Any]:
    """Return what a class is called with, without pictures, generator and what its solver needs.

    Raises:
        ValueError: If the experiment has what the class does not take.
    """
    x, taken = experiment, pipelines.call_parameters(cls)
    given: dict[str, Any] = {}
    _texts(given, model, x, taken)
    _numbers(given, model, x, cls)
    given |= _size(model, x, cls)
    given |= _further(x, cls)
    check_clip_skip(model.pipeline, given.get(NAME))
    for name, value in (("output_type", "pil"), ("num_frames", 1), ("return_dict", True)):
        if name in taken:
            given.setdefault(name, value)
    if "num_inference_steps" in taken:
        given["num_inference_steps"] = x.num_steps
    return given


def is_guided(model: Model, experiment: Experiment) -> bool:
    """Return whether a pipeline evaluates an unconditional half too, as far as can be foreseen.

    Where ``true_cfg_scale`` is an argument it decides, together with a negative prompt.
    """
    x, cls = experiment, class_of(model, experiment)
    taken = pipelines.call_parameters(cls)
    if "true_cfg_scale" in taken:
        given = call_arguments(model, x, cls)
        scale = given.get("true_cfg_scale", taken["true_cfg_scale"].default)
        return "negative_prompt" in given and isinstance(scale, (int, float)) and scale > 1
    return "guidance_scale" in taken and uses_guidance(model, x.guidance_scale)


def class_of(model: Model, experiment: Experiment) -> type:
    """Return the pipeline class that draws an experiment.

    Raises:
        ValueError: If it has pictures that none over the model's parts takes, or lacks one.
    """
    own = type(model.pipeline)
    x = experiment
    image, mask = x.image is not None, x.mask_image is not None
    cls = own if _own_only(model) else pipelines.class_for(own, image=image, mask=mask)
    taken = pipelines.call_parameters(cls)
    control = control_name(cls)
    for name, there in (("image", image), ("mask_image", mask)):
        needs = name in taken and taken[name].default in (taken[name].empty, None)
        if there and name not in taken or there and name == control:
            raise ValueError(f"{cls.__name__} takes no {name}; leave it out.")
        if needs and not there and name != control and _must(cls, name):
            raise ValueError(f"{cls.__name__} draws after a picture: give it {name}=...")
    if control and x.control_image is None:
        raise ValueError(f"{cls.__name__} is led by a ControlNet's picture: give control_image=...")
    if x.control_image is not None and not control:
        raise ValueError(
            f"{cls.__name__} has no ControlNet, so it takes no control_image; load a pipeline that"
            " has one."
        )
    return cls


def scheduler_of(model: Model, experiment: Experiment, found: Course | None) -> Any:
    """Return the scheduler that runs an experiment's solver, to be copied for each run.

    Raises:
        ValueError: If the solver is none that can run here, or an option is not valid.
    """
    x = experiment
    if found is not None and x.solver in solvers():
        eta = {} if x.eta is None else {"eta": x.eta}
        return as_diffusers_scheduler(
            x.solver,
            curve=x.curve,
            curve_options=dict(x.curve_options),
            config=model.scheduler_config,
            **dict(x.solver_options),
            **eta,
        )
    if found is None:
        return own_scheduler(model, x)
    if found.schedule.path == "flow":
        cls = class_of(model, x)
        if reason := not_laid_out(found.scheduler, cls, x.num_steps):
            raise ValueError(f"{x.solver} cannot drive {cls.__name__}: {reason}.")
    return found.scheduler


def own_scheduler(model: Model, experiment: Experiment) -> Any:
    """Return a scheduler of the class that a model came with, for one that no solver knows.

    Raises:
        ValueError: If the experiment asks for another one.
    """
    own: Any = type(model.pipeline.scheduler)
    x = experiment
    if x.solver != own.__name__:
        raise ValueError(
            f"{model.name} can only run with its own {own.__name__}, got solver {x.solver!r}: it"
            " adds noise neither as Stable Diffusion nor as flow matching does."
        )
    if x.curve is not None or x.curve_options:
        raise ValueError(f"{own.__name__} follows no curve but its own, got {x.curve!r}.")
    options = dict(x.solver_options)
    check_options(own, options)
    with refusing(own.__name__, x.num_steps, options):
        return own.from_config(dict(model.scheduler_config), **options)


def times_known(model: Model, experiment: Experiment) -> bool:
    """Return whether it is known over which times the pipeline will draw an experiment."""
    x = experiment
    if model.path != "flow":
        return True
    over = x.curve if x.solver in solvers() else None  # a class bends the times that it is handed
    return are_known(class_of(model, x), x.num_steps, model.scheduler_config, over)


def plan_course(model: Model, experiment: Experiment, tokens: int) -> Course | None:
    """Return the course of an experiment's solver; None where noise levels are not known.

    Raises:
        ValueError: If a name, an option, the curve or the number of steps is not valid.
    """
    x = experiment
    if model.path is None or _unheard_of(model, x):
        return None
    return experiment_course(
        x,
        model.scheduler_config,
        schedule=model.schedule,
        tokens=tokens,
        handed=handed_of(model, x, tokens),
    )


def handed_of(model: Model, x: Experiment, tokens: int) -> dict[str, Any]:
    """Return what the pipeline will hand to its scheduler, as far as it is known."""
    if model.path != "flow":
        return {}
    config, cls = model.scheduler_config, class_of(model, x)
    return handed_by(cls, x.solver, x.num_steps, config, x.curve, tokens)


def _unheard_of(model: Model, x: Experiment) -> bool:
    """Return whether it is the model's own scheduler that runs, which samples no other model."""
    own = type(model.pipeline.scheduler)
    theirs = own.__module__.startswith("diffusers.") and x.solver == own.__name__
    return theirs and model.path == "vp" and own.__name__ not in compatible_classes()


def _texts(given: dict[str, Any], model: Model, x: Experiment, taken: Mapping[str, Any]) -> None:
    if "prompt" in taken:
        given["prompt"] = x.prompt
    true_cfg = x.true_cfg_scale is not None and x.true_cfg_scale > 1
    if "negative_prompt" in taken and (x.negative_prompt or true_cfg):
        given["negative_prompt"] = x.negative_prompt
    for name in TEXTS:
        value = getattr(x, name)
        if value is not None:
            _check_taken(name, value, taken)
            if part := inputs.lacked_encoder(model.pipeline, name):
                raise ValueError(
                    f"{model.name} was loaded without {part}, which {name} is for, got {value!r};"
                    f" leave {name} out."
                )
            given[name] = value


def _numbers(given: dict[str, Any], model: Model, x: Experiment, cls: type) -> None:
    taken = pipelines.call_parameters(cls)
    scale = taken.get("guidance_scale")
    if scale is not None and (scale.default is not None or reads_scale(model)):
        given["guidance_scale"] = x.guidance_scale
    if "guidance_rescale" in taken:
        given["guidance_rescale"] = x.guidance_rescale
    elif x.guidance_rescale:
        _check_taken("guidance_rescale", x.guidance_rescale, taken)
    for name in NUMBERS:
        value = getattr(x, name)
        if value is None:
            value = CALLED_WITH.get(model.name, {}).get(name) if name in taken else None
        if value is not None:
            _check_taken(name, value, taken)
            given[name] = value


def _size(model: Model, x: Experiment, cls: type) -> dict[str, int]:
    taken = pipelines.call_parameters(cls)
    asked = {"width": x.width, "height": x.height}
    if "width" not in taken or "height" not in taken:
        for name, value in asked.items():
            if value is not None and name not in taken:
                raise ValueError(
                    f"{cls.__name__} takes the size of its picture, so {name} must be left out,"
                    f" got {value}."
                )
    source = x.image or x.control_image
    if source is not None and ("strength" in taken or x.image is None):
        multiple = model.size_multiple
        own = {"width": source.width, "height": source.height}
        asked = {n: asked[n] or max(multiple, own[n] // multiple * multiple) for n in asked}
    return {name: value for name, value in asked.items() if value is not None and name in taken}


def _further(x: Experiment, cls: type) -> dict[str, Any]:
    taken = pipelines.call_parameters(cls)
    given = {}
    for name, value in dict(x.pipeline_options).items():
        if name in OURS:
            raise ValueError(f"{name} is not for pipeline_options: the engine decides it.")
        if name not in taken:
            listed = [option for option in inputs.options(cls) if option in taken]
            raise ValueError(unknown(f"argument of {cls.__name__}", name, listed))
        given[name] = list(value) if isinstance(value, tuple) else value
    return given


def _pictures(cls: type, x: Experiment) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if x.image is not None:
        given["image"] = x.image.image
    if x.mask_image is not None:
        given["mask_image"] = x.mask_image.image
    if x.control_image is not None:
        given[control_name(cls)] = x.control_image.image
    return given


def _check_needed(cls: type, given: Mapping[str, Any]) -> None:
    """Raise if a class cannot be called without what no experiment holds."""
    pictures = {"image", "mask_image", control_name(cls)}
    any_number = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    needed = [
        name
        for name, parameter in pipelines.call_parameters(cls).items()
        if parameter.default is parameter.empty
        and parameter.kind not in any_number
        and name not in {*given, *pictures, *OURS}
    ]
    if needed:
        raise ValueError(
            f"{cls.__name__} cannot be called without {', '.join(needed)}, which no field of an"
            " experiment is. Give plain values in pipeline_options; for others call the pipeline"
            " yourself inside sdlab.trace."
        )


def _must(cls: type, name: str) -> bool:
    """Return whether a class cannot draw without a picture."""
    taken = pipelines.call_parameters(cls)
    return "strength" in taken or name == "mask_image" or taken[name].default is taken[name].empty


def _own_only(model: Model) -> bool:
    """Return whether the network takes more than latents, so that no sibling class fits it."""
    if "unet" not in model.networks:
        return False
    config = model.pipeline.unet.config
    return int(config.get("in_channels") or 4) != model.latent_channels


def _check_taken(name: str, value: Any, taken: Mapping[str, Any]) -> None:
    if name not in taken:
        raise ValueError(f"this model takes no {name}, got {value!r}; leave it out.")


def follows(cls: type, x: Experiment) -> bool:
    """Return whether a diffusers class is to follow a curve of sdlab's, handed to it as sigmas."""
    if x.solver in solvers() or x.curve is None:
        return False
    return x.curve not in native_curves(cls) or bool(x.curve_options)


def fresh(call: PipelineCall) -> Any:
    """Return a scheduler of its own for one run."""
    return copy.deepcopy(call.scheduler)
