"""diffusers' schedules, by running the installed classes themselves: nothing is written down twice.

A class is made ``from_config`` of the model's config with the options on top, as diffusers' users
do, and its ``set_timesteps`` is given what the model's pipeline gives it. Below a denoise of 1,
which diffusers calls ``strength``, its img2img pipelines run the last int(N x strength) steps; of
flow matching N - int(N - N x strength), which is one more where N x strength is no whole number.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sdlab.errors import unknown
from sdlab.models.scheduler_config import completed, parameters
from sdlab.noise.flow import dynamic_mu
from sdlab.passports.asked import Asked, Engine, Laid
from sdlab.passports.presets import Preset
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.driving import end_sigma, evaluation_steps
from sdlab.solvers.flow_course import times_of

_SIZES = ("width", "height", "shift")
_CURVES = {
    "karras": "use_karras_sigmas",
    "exponential": "use_exponential_sigmas",
    "beta": "use_beta_sigmas",
    "lu_lambdas": "use_lu_lambdas",
}


def lay_class(cls: Any, asked: Asked, options: Mapping[str, Any]) -> Any:
    """Return a scheduler of a class for a model, its timesteps set as the model's pipeline does.

    Args:
        cls: A scheduler class.
        asked: The model, the number of steps and the picture's size.
        options: Parameters of the class over the config's.

    Raises:
        SchedulerError: If the class refuses; says what it was given.
    """
    preset = asked.preset
    config = dict(preset.config)
    if preset.kind == "discrete":
        config = completed(config)
    if preset.path == "flow":
        options = {**_flow(cls, preset, asked.options), **options}
    if "noise_sampler_seed" in parameters(cls):
        options = {"noise_sampler_seed": 0, **options}
    given: dict[str, Any] = {"num_inference_steps": asked.num_steps}
    with adapter.refusing(cls.__name__, asked.num_steps, options):
        scheduler = cls.from_config(config, **options)
        scheduler.set_timesteps(**given | _handed(scheduler, asked))
    return scheduler


def step_levels(scheduler: Any, preset: Preset, num_steps: int) -> tuple[list[float], list[int]]:
    """Return the noise level of every evaluation and the step it belongs to.

    Args:
        scheduler: Its timesteps set.
        preset: The model.
        num_steps: Steps that were asked for.
    """
    steps = evaluation_steps(scheduler, num_steps)
    if preset.path == "flow":
        return times_of(scheduler), steps
    table = getattr(scheduler, "sigmas", None)
    if table is not None:  # its first evaluation of a step is an entry of it
        return [float(sigma) for sigma in table.tolist()[: len(steps)]], steps
    bar = scheduler.alphas_cumprod[scheduler.timesteps.long().cpu()].double().numpy()
    with np.errstate(divide="ignore"):
        return np.sqrt((1.0 - bar) / bar).tolist(), steps


def laid_from(
    scheduler: Any, asked: Asked, name: str, first: int, source: str, notes: list[str]
) -> Laid:
    """Return what runs of a scheduler from one of its evaluations on.

    Args:
        scheduler: Its timesteps set.
        asked: What was asked for.
        name: Of the scheduler, as the engine calls it.
        first: The evaluation that begins.
        source: Whose code it is.
        notes: Sentences to begin with.

    Raises:
        ValueError: If nothing is left to run.
    """
    levels, steps = step_levels(scheduler, asked.preset, asked.num_steps)
    told = [float(t) for t in scheduler.timesteps.tolist()]
    run = range(first, len(told))
    if not run:
        raise ValueError(
            f"{name} has no step to run: {asked.num_steps} steps x denoise {asked.denoise:g} is"
            " less than one."
        )
    begins = [i for i in run if i == first or steps[i] != steps[i - 1]]
    sigmas = [*(levels[i] for i in begins), end_sigma(scheduler)]
    return Laid(
        name,
        sigmas,
        [told[i] for i in begins],
        len(run),
        _start(scheduler, asked, sigmas[0]),
        source,
        notes + _notes(scheduler, asked, sigmas),
    )


def _lay(asked: Asked) -> Laid:
    name, options = _split(asked)
    cls = _class(name, asked.preset)
    adapter.check_options(cls, options)
    scheduler = lay_class(cls, asked, options)
    first = _first(asked) * scheduler.order
    import diffusers

    source = f"diffusers {diffusers.__version__}, {name}.set_timesteps"
    return laid_from(scheduler, asked, name, first, source, [])


def _split(asked: Asked) -> tuple[str, dict[str, Any]]:
    """Return the class and its options; "EulerDiscreteScheduler karras" names a curve of it."""
    own = str(asked.preset.config.get("_class_name") or "EulerDiscreteScheduler")
    name, _, curve = (asked.scheduler or own).partition(" ")
    options = {key: value for key, value in asked.options.items() if key not in _SIZES}
    if curve:
        if curve not in _CURVES:
            raise ValueError(unknown(f"curve of {name}", curve, _CURVES))
        options = {**options, _CURVES[curve]: True}
    known = {one.lower(): one for one in adapter.scheduler_classes()}
    short = name.lower().removesuffix("scheduler")
    for found in (name.lower(), f"{short}scheduler", f"{short}discretescheduler"):
        if found in known:
            return known[found], options
    raise ValueError(unknown("scheduler", name, _schedulers(asked.preset)))


def _class(name: str, preset: Preset) -> Any:
    """Return a class, if it can sample such a model."""
    if name not in _schedulers(preset):
        raise ValueError(
            f"{name} does not sample {preset.title}. Of diffusers do:"
            f" {', '.join(_schedulers(preset))}."
        )
    return adapter.scheduler_classes()[name]


def _first(asked: Asked) -> int:
    """Return the step with which an img2img pipeline begins.

    Reference: ``get_timesteps`` of StableDiffusionImg2ImgPipeline and of FluxImg2ImgPipeline.
    """
    count = asked.num_steps
    if asked.preset.path == "flow":
        return int(max(count - min(count * asked.denoise, count), 0))
    return max(count - min(int(count * asked.denoise), count), 0)


def _flow(cls: type, preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class is told so that it samples flow matching with a model's shift."""
    taken, shift = parameters(cls), given.get("shift")
    out: dict[str, Any] = {}
    if "use_flow_sigmas" in taken:
        own = preset.config.get("shift") or preset.config.get("flow_shift") or 1.0
        out |= {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": own}
        if shift is not None:
            out["flow_shift"] = shift
    elif shift is not None:
        out["shift"] = shift
    if shift is not None and "use_dynamic_shifting" in taken:
        out["use_dynamic_shifting"] = False
    return {key: value for key, value in out.items() if key in taken}


def _handed(scheduler: Any, asked: Asked) -> dict[str, Any]:
    """Return what the model's pipeline hands to ``set_timesteps`` beside the steps."""
    preset, options = asked.preset, asked.options
    handed: dict[str, Any] = {}
    if preset.path == "flow" and scheduler.config.get("use_dynamic_shifting"):
        width, height = (options.get(side) or preset.size for side in ("width", "height"))
        handed["mu"] = dynamic_mu(int(width * height) // 256, preset.config)
    own = preset.hands_times == "but to flow sigmas" and scheduler.config.get("use_flow_sigmas")
    if preset.hands_times and not own:
        handed["sigmas"] = np.linspace(1.0, 1.0 / asked.num_steps, asked.num_steps)
    return handed


def _start(scheduler: Any, asked: Asked, sigma: float) -> float:
    """Return how much noise the start has, in the units of the first sigma.

    ``init_noise_sigma`` times standard noise is the start. Classes that leave it at 1 hold
    variance-preserving latents, whose noise over the first signal is sqrt(1 + sigma^2). Where a
    picture is changed, ``add_noise`` adds the first sigma's.
    """
    if asked.partial:
        return sigma
    scale = float(getattr(scheduler, "init_noise_sigma", 1.0))
    return float(np.hypot(1.0, sigma)) if asked.preset.path == "sigma" and scale == 1 else scale


def _notes(scheduler: Any, asked: Asked, sigmas: Sequence[float]) -> list[str]:
    notes, name = [], type(scheduler).__name__
    highest = float(scheduler.config.get("sigma_max") or 0.0)
    if asked.preset.kind == "discrete":
        bar = scheduler.alphas_cumprod[-1].double().item()
        highest = float(np.sqrt((1.0 - bar) / bar)) if bar else np.inf
    if asked.preset.path == "flow":
        highest = 1.0
    if not asked.partial and sigmas[0] < highest * (1 - 1e-3):
        spacing = scheduler.config.get("timestep_spacing")
        why = f", as {spacing!r} timestep_spacing does" if spacing else ""
        notes.append(f"It starts at {sigmas[0]:.4g}, below the highest, {highest:.4g}{why}.")
    if sigmas[-1] > 0:
        notes.append(f"Its last step ends at {sigmas[-1]:.4g}, not at 0.")
    if asked.partial:
        run = len(sigmas) - 1
        notes.append(f"Of {asked.num_steps} steps the last {run} run (strength).")
    if name.startswith("DDIM") and scheduler.config.get("timestep_spacing") != "leading":
        notes.append(
            "DDIM's step goes back by T // N timesteps, not to the next one of its list: with this"
            " spacing the two are not the same."
        )
    return notes


@lru_cache(maxsize=32)
def _compatible(kind: str, hands_times: str, dynamic: bool) -> tuple[str, ...]:
    """Return the classes of the installed diffusers that sample a kind of model.

    Args:
        kind: As a preset's; "flow" for both kinds of flow matching.
        hands_times: As a preset's.
        dynamic: Whether the shift goes by the picture's size.
    """
    found = []
    for name, cls in sorted(adapter.scheduler_classes().items()):
        if "Inverse" in name or name in _OTHERS or not hasattr(cls, "set_timesteps"):
            continue
        taken = parameters(cls)
        takes = inspect.signature(cls.set_timesteps).parameters
        own = "use_flow_sigmas" in taken and hands_times == "but to flow sigmas"
        of_kind = {
            "discrete": "beta_schedule" in taken,
            "edm": name in ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"),
            "flow": (name.startswith("FlowMatch") or "use_flow_sigmas" in taken)
            and (not (dynamic or hands_times) or "mu" in takes)
            and (not hands_times or own or "sigmas" in takes),
        }
        if of_kind[kind]:
            found.append(name)
    return tuple(found)


_OTHERS = (
    "AmusedScheduler",
    "CogVideoXDDIMScheduler",  # it shifts the betas' noise by a factor of its own
    "CogVideoXDPMScheduler",
    "DDPMWuerstchenScheduler",
    "FlowMatchLCMScheduler",
    "HeliosDMDScheduler",
    "HeliosScheduler",
    "IPNDMScheduler",
    "RePaintScheduler",
    "ScoreSdeVeScheduler",
    "UnCLIPScheduler",
)


def _schedulers(preset: Preset) -> Sequence[str]:
    if preset.path == "sigma":
        return _compatible(preset.kind, "", False)
    return _compatible("flow", preset.hands_times, preset.kind == "flux")


ENGINE = Engine(
    "diffusers",
    "It calls it strength: the last int(steps x strength) steps run.",
    _schedulers,
    {"width": 0, "height": 0, "shift": 0.0},
    _lay,
)
