"""Rules about options: those without effect, those that harm, those that no class knows."""

import difflib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from sdlab.errors import SchedulerError
from sdlab.linting.inspected_course import InspectedCourse, parameters
from sdlab.linting.registry import Finding, rule
from sdlab.noise.curves import SPACINGS
from sdlab.solvers import from_diffusers as adapter


@rule(
    "spacing-ignored",
    "warning",
    explanation="A timestep spacing is set, but the scheduler does not follow it.",
    details=(
        "LCM and TCD take timestep_spacing and never read it; DPMSolverSinglestep has no such "
        "parameter and keeps its own linspace. The config then says something else than what is "
        "run."
    ),
    fix="Choose a scheduler that follows the spacing, or do not set it.",
    source="diffusers LCMScheduler.set_timesteps; found by setting each spacing",
    path="vp",
)
def spacing_ignored(subject: InspectedCourse) -> Iterator[Finding]:
    """Ask whether the class follows any spacing."""
    asked = subject.request.options.get("timestep_spacing")
    asked = asked or subject.request.config.get("timestep_spacing")
    if subject.scheduler is None or asked not in SPACINGS:
        return
    cls = type(subject.scheduler)
    if asked in adapter.scheduler_curves(cls):  # found by setting each and comparing
        return
    known = "timestep_spacing" in parameters(cls)
    how = "gives the same timesteps with every spacing" if known else "has no such parameter"
    yield Finding(f"timestep_spacing is {asked!r}, but {subject.course.name} {how}.")


@rule(
    "option-without-effect",
    "warning",
    explanation="An option is set to something else than its default and changes nothing.",
    details=(
        "The option is left out, and the course and a whole run on a Gaussian come out the same, "
        "bit for bit. Many options act only together with another one, or below some number of "
        "steps."
    ),
    fix="Leave it out, or set what it needs beside it.",
    source="Found by running with and without it",
)
def option_without_effect(subject: InspectedCourse) -> Iterator[Finding]:
    """Run with and without each option."""
    passive = {"timestep_spacing", "lower_order_final", "noise_sampler_seed"}
    for name, value in subject.request.options.items():
        if subject.scheduler is None or name in passive or _is_default(subject, name, value):
            continue
        if subject.rehearsal.error or subject.rehearsal.broken_at is not None:
            return
        if _same_without(subject, name):
            yield Finding(f"{name}={value!r} gives the same result as leaving it out.")


def _is_default(subject: InspectedCourse, name: str, value: object) -> bool:
    default = parameters(type(subject.scheduler)).get(name)
    return bool(value == subject.request.config.get(name, default))


def _same_without(subject: InspectedCourse, name: str) -> bool:
    try:
        other = subject.without(name)
    except ValueError:  # what is refused without it says that it acts
        return False
    return other.course.sigmas == subject.course.sigmas and subject.ends_as(other) is True


@rule(
    "clip-sample",
    "error",
    explanation="The predicted picture is clipped to the range of pixels; latents have another.",
    details=(
        "clip_sample is right for pixels, which end at -1 and 1. Latents of Stable Diffusion reach "
        "about 4 in size; clipping washes out contrast and colour in every step. It is the "
        "default of DDIM, DDPM and others if the config does not say otherwise."
    ),
    fix="Set clip_sample=False.",
    source="diffusers DDIMScheduler clip_sample; Stable Diffusion 1.5 scheduler_config.json",
    path="vp",
)
def clip_sample(subject: InspectedCourse) -> Iterator[Finding]:
    """Look whether a step holds a picture of +-30 within the range."""
    if subject.config.get("clip_sample") is True and _acts(subject, "clip_sample"):
        reach = subject.config.get("clip_sample_range", 1.0)
        yield Finding(f"x0_pred is clipped to -{reach:g} ... {reach:g} in every step.")


@rule(
    "thresholding",
    "error",
    explanation="Dynamic thresholding is on, which is wrong for latents.",
    details=(
        "Dynamic thresholding scales the predicted picture so that its largest values reach 1. It "
        "was made for pixels; on latents, which have no such range, it takes contrast out of "
        "every picture."
    ),
    fix="Set thresholding=False.",
    source="Saharia et al. 2022 (arXiv 2205.11487), section 2.3; diffusers thresholding",
)
def thresholding(subject: InspectedCourse) -> Iterator[Finding]:
    """Look whether a step scales a picture of +-30."""
    if subject.config.get("thresholding") is True and _acts(subject, "thresholding"):
        ratio = subject.config.get("dynamic_thresholding_ratio", 0.995)
        yield Finding(f"x0_pred is scaled down by its {ratio:.1%} quantile in every step.")


def _acts(subject: InspectedCourse, flag: str) -> bool:
    """Return whether a flag changes what the steps do to a picture of +-30."""
    if subject.scheduler is None:
        return False
    try:
        plain = subject.variant(options={flag: False}).rehearsal
    except SchedulerError:
        return True
    if len(plain.ends) != len(subject.rehearsal.ends):
        return True
    return not np.allclose(plain.ends, subject.rehearsal.ends, rtol=1e-3, atol=1e-9)


@rule(
    "unknown-entry",
    "warning",
    explanation="The config has an entry that no scheduler of diffusers knows.",
    details=(
        "diffusers warns and goes on, so that a mistyped name leaves the default in force without "
        "anybody noticing."
    ),
    fix="Correct the name, or remove the entry.",
    source="diffusers ConfigMixin.from_config",
)
def unknown_entry(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for each entry among the parameters of all classes."""
    known = _known_entries()
    for name in _entries(subject):
        if name not in known:
            close = difflib.get_close_matches(name, known, 1, cutoff=0.7)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            yield Finding(f"{name!r} is a parameter of no scheduler{hint}")


@rule(
    "ignored-entry",
    "note",
    explanation="The model's config has entries that this scheduler does not take.",
    details=(
        "Schedulers are made from the config of the model's own one. What the class does not "
        "know is kept aside: skip_prk_steps belongs to PNDM, steps_offset to those with a spacing."
    ),
    fix="Nothing, unless you count on the entry.",
    source="diffusers ConfigMixin.from_config",
)
def ignored_entry(subject: InspectedCourse) -> Iterator[Finding]:
    """Name the entries that other classes know, where they say something else than a default."""
    if subject.scheduler is None:
        return
    own, known = {*parameters(type(subject.scheduler))}, _known_entries()
    if subject.path == "flow" and "flow_shift" in own:
        own.add("shift")  # the same by another name, which it is given
    ignored = [
        name
        for name in _entries(subject)
        if name in known and name not in own and subject.request.config[name] not in known[name]
    ]
    if ignored:
        yield Finding(f"{subject.course.name} does not take {', '.join(ignored)}.")


def _entries(subject: InspectedCourse) -> list[str]:
    return sorted(name for name in subject.request.config if not name.startswith("_"))


@lru_cache(maxsize=1)
def _known_entries() -> dict[str, list[object]]:
    """Return every parameter of every class with the defaults that it has."""
    known: dict[str, list[object]] = {}
    for cls in adapter.scheduler_classes().values():
        for name, default in parameters(cls).items():
            known.setdefault(name, []).append(default)
    return known


@rule(
    "prediction-type-refused",
    "error",
    explanation="The scheduler cannot use what the model predicts.",
    details=(
        "Some classes know only epsilon and v-prediction, and say so in the first step, after the "
        "model was loaded."
    ),
    fix="Use another scheduler; DDIM, DPM++ and UniPC take all three.",
    source="Found by running a step",
    path="vp",
)
def prediction_type_refused(subject: InspectedCourse) -> Iterator[Finding]:
    """Run a step; if it fails, run it again with epsilon."""
    kind = subject.prediction_type
    if subject.rehearsal.error and kind != "epsilon" and not _fails_with_epsilon(subject):
        yield Finding(f"prediction_type {kind!r}: {subject.rehearsal.error}", 0)


@rule(
    "scheduler-refuses",
    "error",
    explanation="The scheduler refuses what it is asked before it makes a step.",
    details=(
        "Some options exclude each other, or go only with some number of steps. The class of "
        "diffusers says so when it is made or its timesteps are set; nothing else can be judged "
        "then, so this is the only finding."
    ),
    fix="See the message; leave the options that it names at their defaults.",
    source="Found by making the scheduler",
)
def scheduler_refuses(subject: InspectedCourse) -> Iterator[Finding]:
    """Find nothing: ``lint`` reports it where there is no course to look at."""
    yield from ()


@rule(
    "step-fails",
    "error",
    explanation="A step raises an error.",
    details="The steps are really made, on a small picture; this one does not go through.",
    fix="See the message; for a solver of your own, run it under sdlab.course on a small tensor.",
    source="Found by running every step",
)
def step_fails(subject: InspectedCourse) -> Iterator[Finding]:
    """Run every step."""
    done = subject.rehearsal
    if done.failed_at is None:
        if subject.failure:  # what depends on the steps before, such as an order
            yield Finding(subject.failure)
        return
    plain = subject.path == "flow" or subject.prediction_type == "epsilon"
    if plain or _fails_with_epsilon(subject):
        yield Finding(
            f"At {subject.sigma_from(done.failed_at)}: {done.error}",
            int(subject.course.steps[done.failed_at]),
        )


def _fails_with_epsilon(subject: InspectedCourse) -> bool:
    try:
        plain = subject.variant(config={"prediction_type": "epsilon"})
    except SchedulerError:
        return True
    return bool(plain.rehearsal.error)


@rule(
    "eta-ignored",
    "warning",
    explanation="An eta is given, but this sampler takes none.",
    details=(
        "diffusers' pipelines hand eta only to schedulers whose step() takes it (DDIM, TCD) and "
        "drop it silently for all others. Ancestral samplers have their noise built in."
    ),
    fix="Leave eta out, or use ddim, euler_ancestral or DDIMScheduler.",
    source="diffusers StableDiffusionPipeline.prepare_extra_step_kwargs",
)
def eta_ignored(subject: InspectedCourse) -> Iterator[Finding]:
    """Look for a parameter eta."""
    if subject.request.eta is not None and not subject.request.takes_eta:
        yield Finding(f"eta={subject.request.eta:g} has no effect on {subject.course.name}.")


@rule(
    "not-as-trained",
    "error",
    explanation="The schedule in force is not the one that the model was trained with.",
    details=(
        "Betas and prediction type belong to the model. Other betas give the network timesteps "
        "that stand for other noise levels; another prediction type reads noise as picture."
    ),
    fix="Leave betas, num_train_timesteps and prediction_type as the model's config has them.",
    source="Ho et al. 2020 (arXiv 2006.11239); Salimans and Ho 2022 (arXiv 2202.00512)",
)
def not_as_trained(subject: InspectedCourse) -> Iterator[Finding]:
    """Compare the schedule in force with the model's."""
    ours, theirs = subject.schedule, subject.trained
    count = ours.num_timesteps
    if subject.path == "flow":
        count = subject.config.get("num_train_timesteps") or count
    if count != theirs.num_timesteps:
        yield Finding(f"{count} training timesteps, the model has {theirs.num_timesteps}.")
    elif subject.path == "vp" and not np.allclose(
        ours.alpha_bar, theirs.alpha_bar, rtol=1e-3, atol=1e-7
    ):
        yield Finding(
            f"The largest sigma is {ours.sigma_max:.4g}, the model's is {theirs.sigma_max:.4g}."
        )
    if subject.prediction_type != subject.of_model:
        yield Finding(
            f"prediction_type is {subject.prediction_type!r}, the model's is {subject.of_model!r}."
        )
