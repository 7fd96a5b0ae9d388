"""Reads the noise schedule and curve from a diffusers scheduler_config.json.

Only what concerns the noise is used: the schedule, the spacing or curve, and what the network
predicts. The rest belongs to the scheduler's class. The file is not trusted: every entry that is
used is checked first, and every entry that is not used is listed with the reason. If the file
describes noise that this module does not understand (an unknown class, an option that shifts the
noise), it is refused with that name rather than read wrongly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdlab.bounds import MAX_TIMESTEPS
from sdlab.errors import shown, unknown
from sdlab.noise.exchange import FLAGS, finite, read_object
from sdlab.noise.schedule import (
    BETA_SCHEDULES,
    PREDICTION_TYPES,
    NoiseSchedule,
    unknown_prediction,
)
from sdlab.noise.spacings import SPACINGS

LU = "use_lu_lambdas"  # even in lambda = -ln sigma: the exponential curve by another name
CURVE_OF_FLAG = {
    **dict(zip(FLAGS, ("karras", "exponential", "beta"), strict=True)),
    LU: "exponential",
}
CHOICES = {
    "beta_schedule": BETA_SCHEDULES,
    "timestep_spacing": SPACINGS,
    "sigma_schedule": ("karras", "exponential"),
}
NUMBERS = {
    "beta_start": (0.0, 1.0),
    "beta_end": (0.0, 1.0),
    "shift": (0.0, 1000.0),
    "sigma_min": (0.0, 1e6),
    "sigma_max": (0.0, 1e6),
    "rho": (0.0, 1000.0),
}
WHOLE = {
    "num_train_timesteps": (2, MAX_TIMESTEPS),
    "steps_offset": (0, MAX_TIMESTEPS),
    "original_inference_steps": (1, MAX_TIMESTEPS),
}
BOOLEANS = ("rescale_betas_zero_snr", *CURVE_OF_FLAG)
OF_SD = ("beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
         "rescale_betas_zero_snr", "num_train_timesteps", "steps_offset", "timestep_spacing",
         *CURVE_OF_FLAG)  # fmt: skip
OF_EDM = ("num_train_timesteps", "sigma_min", "sigma_max", "sigma_schedule", "rho",
          "prediction_type")  # fmt: skip
OF_FLOW = ("num_train_timesteps", "shift")
# Classes whose noise is given by betas, by EDM's range of sigma, or by flow matching's shift.
SD_CLASSES = tuple(
    f"{name}Scheduler"
    for name in (
        "DDIM", "DDIMParallel", "DDPM", "DDPMParallel", "DEISMultistep", "DPMSolverMultistep",
        "DPMSolverSDE", "DPMSolverSinglestep", "EulerAncestralDiscrete", "EulerDiscrete",
        "HeunDiscrete", "KDPM2AncestralDiscrete", "KDPM2Discrete", "LCM", "LMSDiscrete", "PNDM",
        "SASolver", "TCD", "UniPCMultistep",
    )
)  # fmt: skip
EDM_CLASSES = (
    "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"
)  # fmt: skip
# Curves of a class that keep the range of the betas, as LU does, whatever the config says.
ENDLESS = (
    ("DPMSolverSDEScheduler", "use_karras_sigmas"),
    ("LMSDiscreteScheduler", "use_karras_sigmas"),
)
FLOW_CLASSES = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
READ = {
    **dict.fromkeys(SD_CLASSES, OF_SD),
    **dict.fromkeys(EDM_CLASSES, OF_EDM),
    **dict.fromkeys(FLOW_CLASSES, OF_FLOW),
    "LCMScheduler": (*OF_SD, "original_inference_steps"),
}
# Entries that change the noise to something not read here unless they have these values.
CHANGING: dict[str, tuple[tuple[Any, ...], str]] = {
    "use_flow_sigmas": ((None, False), "flow matching's times in place of the betas"),
    "use_dynamic_shifting": ((None, False), "a shift that depends on the picture's size"),
    "shift_terminal": ((None,), "flow matching's last time moved"),
    "invert_sigmas": ((None, False), "flow matching's times turned round"),
    "interpolation_type": ((None, "linear"), "sigmas between the training ones by another rule"),
    "timestep_type": (
        (None, "discrete"), "ln(sigma) / 4 for the timestep, as Stable Video Diffusion takes it"
    ),
    "lambda_min_clipped": ((None, float("-inf")), "a start below the largest sigma"),
}  # fmt: skip
REASONS = {
    "clip_sample": "the laboratory's own solvers never clip x0_pred",
    "clip_sample_range": "the laboratory's own solvers never clip x0_pred",
    "thresholding": "the laboratory's own solvers never clip x0_pred",
    "set_alpha_to_one": "own solvers always end at sigma 0",
    "final_sigmas_type": "own solvers always end at sigma 0",
    "solver_order": "an option of the scheduler's class",
    "algorithm_type": "an option of the scheduler's class",
    "solver_type": "an option of the scheduler's class",
    "skip_prk_steps": "an option of PNDMScheduler",
}


@dataclass(frozen=True)
class SchedulerConfig:
    """What was read from a scheduler's config.

    Attributes:
        name: The scheduler's class, or "" if the file names none.
        schedule: The noise schedule.
        curve: The curve's name, None for the schedule's own spacing.
        curve_options: Its options.
        understood: The entries that were used.
        ignored: The entries that were not, each with the reason.
    """

    name: str
    schedule: NoiseSchedule
    curve: str | None
    curve_options: dict[str, Any]
    understood: dict[str, Any]
    ignored: dict[str, str]


def read_scheduler_config(text: str | bytes) -> SchedulerConfig:
    """Return the schedule and curve that a scheduler_config.json describes.

    Args:
        text: The file's contents.

    Raises:
        ValueError: If it is no such file, or an entry that is used has no valid value; names the
            entry, the value and what is allowed.
    """
    values = read_object(text, "scheduler config")
    name = values.get("_class_name") or ""
    if not isinstance(name, str) or (name and not name.isidentifier()):
        raise ValueError(f"_class_name must be a scheduler's class, got {name!r:.60}.")
    if not name and not any(key in values for key in OF_SD):
        raise ValueError(
            "this JSON is no scheduler config: it has neither _class_name nor beta_schedule; take"
            " scheduler/scheduler_config.json of a model."
        )
    taken = _defaults(name)
    wanted = [key for key in READ.get(name, OF_SD) if key in taken or not name]
    flags = [flag for flag in CURVE_OF_FLAG if values.get(flag)]
    if any(flag != LU and (name, flag) not in ENDLESS for flag in flags):
        wanted += ["sigma_min", "sigma_max"]  # diffusers' curves look for them in any config
    _refuse_other_noise(name, values, taken)
    used = {key: values[key] for key in wanted if values.get(key) is not None}
    for key, value in used.items():
        _judge(key, value)
    unused = [key for key in values if key not in used and key != "_class_name"]
    ignored = {key: _reason(key, values[key], name) for key in unused}
    schedule, curve, options = _noise(name, used, taken)
    return SchedulerConfig(name, schedule, curve, options, used, ignored)


def _refuse_other_noise(name: str, values: Mapping[str, Any], taken: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an entry changes the noise to something that is not read here."""
    for key, (plain, meaning) in CHANGING.items():
        value = values.get(key)
        if value not in plain and (key in taken or not name):
            raise ValueError(
                f"{key} is {shown(value)}, which means {meaning}; such noise is not read here. Take"
                " the scheduler_config.json of a Stable Diffusion 1.x or 2.x model, or leave"
                f" {key} at {plain[-1]!r}."
            )
    flow = name in FLOW_CLASSES and [flag for flag in FLAGS if values.get(flag)]
    if flow:
        raise ValueError(f"{flow[0]} of {name} is a curve in flow matching's times, not read here.")


def _defaults(name: str) -> dict[str, Any]:
    """Return the parameters of a scheduler's class with their defaults; none for no class.

    Raises:
        ValueError: If the noise of such a class is not read here.
    """
    import inspect

    import diffusers

    if not name:
        return {}
    if name not in READ:
        raise ValueError(
            f"_class_name is {name!r:.80}, whose noise this laboratory does not read. Read are:"
            f" {', '.join(sorted(READ))}."
        )
    found = inspect.signature(getattr(diffusers, name)).parameters.values()
    return {parameter.name: parameter.default for parameter in found}


def _noise(
    name: str, used: Mapping[str, Any], taken: Mapping[str, Any]
) -> tuple[NoiseSchedule, str | None, dict[str, Any]]:
    """Return the schedule, the curve's name and its options."""
    flags = [flag for flag in CURVE_OF_FLAG if used.get(flag)]
    if len(flags) > 1:
        raise ValueError(f"only one of {', '.join(flags)} can be true.")
    defaults = {key: taken[key] for key in READ.get(name, ()) if taken.get(key) is not None}
    given = {**defaults, **used}
    if name in EDM_CLASSES:
        return _edm(given)
    if name in FLOW_CLASSES:
        return NoiseSchedule.flow_matching(given["num_train_timesteps"], given["shift"]), None, {}
    schedule = NoiseSchedule.from_config({"timestep_spacing": "leading", **given})
    if name == "LCMScheduler":
        return schedule, "lcm", {k: v for k, v in used.items() if k == "original_inference_steps"}
    if not flags:
        return schedule, None, {}
    curve = CURVE_OF_FLAG[flags[0]]
    ends = {key: used[key] for key in ("sigma_min", "sigma_max") if key in used}
    if curve == "beta" and ends:
        raise ValueError(
            f"use_beta_sigmas with {', '.join(ends)} is a curve that is not read here."
        )
    return schedule, curve, {"over": "sigmas"} if curve == "beta" else ends


def _edm(given: Mapping[str, Any]) -> tuple[NoiseSchedule, str | None, dict[str, Any]]:
    kind, rho = given["sigma_schedule"], given["rho"]
    schedule = NoiseSchedule.edm(
        given["num_train_timesteps"], given["sigma_min"], given["sigma_max"], rho
    )
    return schedule, kind, {"rho": rho} if kind == "karras" and rho != 7 else {}


def _judge(key: str, value: Any) -> None:
    if key == "prediction_type" and value not in PREDICTION_TYPES:
        raise ValueError(unknown_prediction(value))
    if key in CHOICES and value not in CHOICES[key]:
        raise ValueError(unknown(key, f"{value!s:.60}", CHOICES[key]))
    if key in NUMBERS:
        low, high = NUMBERS[key]
        if not finite(value) or not low < value < high:
            raise ValueError(
                f"{key} must be a number between {low:g} and {high:g}, got {value!r:.60}."
            )
    if key in WHOLE:
        least, most = WHOLE[key]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(
                f"{key} must be a whole number from {least} to {most}, got {value!r:.60}."
            )
    if key in BOOLEANS and not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, got {value!r:.60}.")
    if key == "trained_betas":
        sound = isinstance(value, list) and 2 <= len(value) <= MAX_TIMESTEPS
        if not sound or not all(finite(item) and 0 < item < 1 for item in value):
            raise ValueError(
                f"trained_betas must be 2 to {MAX_TIMESTEPS} numbers between 0 and 1, got"
                f" {value!r:.60}."
            )


def _reason(key: str, value: Any, name: str) -> str:
    if key.startswith("_"):
        return "diffusers' own bookkeeping"
    if value is None:
        return "it is null: the default holds"
    if key in REASONS:
        return REASONS[key]
    if key in OF_SD:
        return f"{name} does not take it"
    return f"it belongs to {name or 'the scheduler'}, not to the noise"
