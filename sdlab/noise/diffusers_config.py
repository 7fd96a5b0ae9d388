"""What the laboratory understands of somebody's scheduler_config.json.

Of such a file the noise counts: the schedule, the spacing or curve, what the network predicts. The
rest belongs to the scheduler's class. Nothing of the file is trusted: every entry that is used is
judged first, and every entry that is not used is listed with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdlab.errors import unknown
from sdlab.noise.exchange import FLAGS, finite, read_object
from sdlab.noise.schedule import BETA_SCHEDULES, PREDICTION_TYPES, NoiseSchedule
from sdlab.noise.spacings import SPACINGS

MAX_TIMESTEPS = 10_000
CURVE_OF_FLAG = dict(zip(FLAGS, ("karras", "exponential", "beta"), strict=True))
CHOICES = {
    "beta_schedule": BETA_SCHEDULES,
    "prediction_type": PREDICTION_TYPES,
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
BOOLEANS = ("rescale_betas_zero_snr", *FLAGS)
OF_SD = ("beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
         "rescale_betas_zero_snr", "num_train_timesteps", "steps_offset", "timestep_spacing",
         *FLAGS)  # fmt: skip
USED = {
    "FlowMatchEulerDiscreteScheduler": ("num_train_timesteps", "shift", *FLAGS),
    "EDMEulerScheduler": (
        "num_train_timesteps", "sigma_min", "sigma_max", "sigma_schedule", "rho", "prediction_type",
    ),
    "LCMScheduler": (*OF_SD, "original_inference_steps"),
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
    "use_dynamic_shifting": "the shift would depend on the picture's size",
}


@dataclass(frozen=True)
class SchedulerConfig:
    """What was understood of a scheduler's config.

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
    """Return what the laboratory understands of a scheduler_config.json.

    Args:
        text: The file's contents.

    Raises:
        ValueError: If it is no such file, or an entry that counts has no valid value; names the
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
    wanted = USED.get(name, OF_SD)
    if name == "EulerDiscreteScheduler" or values.get("use_karras_sigmas"):
        wanted = (*wanted, "sigma_min", "sigma_max")
    used = {key: values[key] for key in wanted if values.get(key) is not None}
    for key, value in used.items():
        _judge(key, value)
    unused = [key for key in values if key not in used and key != "_class_name"]
    ignored = {key: _reason(key, values[key], name) for key in unused}
    schedule, curve, options = _noise(name, used)
    return SchedulerConfig(name, schedule, curve, options, used, ignored)


def _noise(name: str, used: Mapping[str, Any]) -> tuple[NoiseSchedule, str | None, dict[str, Any]]:
    """Return the schedule, the curve's name and its options."""
    flags = [flag for flag in FLAGS if used.get(flag)]
    if len(flags) > 1:
        raise ValueError(f"only one of {', '.join(flags)} can be true.")
    total = used.get("num_train_timesteps", 1000)
    if name == "EDMEulerScheduler":
        ends = {key: used[key] for key in ("sigma_min", "sigma_max") if key in used}
        schedule = NoiseSchedule.edm(total, **ends, rho=used.get("rho", 7.0))
        kind = used.get("sigma_schedule", "karras")
        return schedule, kind, {"rho": used["rho"]} if "rho" in used and kind == "karras" else {}
    if name == "FlowMatchEulerDiscreteScheduler":
        schedule = NoiseSchedule.flow_matching(total, used.get("shift", 1.0))
    else:
        config = {"timestep_spacing": _own_spacing(name), **used}
        schedule = NoiseSchedule.from_config(config)
    if name == "LCMScheduler":
        return schedule, "lcm", {k: v for k, v in used.items() if k == "original_inference_steps"}
    if not flags:
        return schedule, None, {}
    curve = CURVE_OF_FLAG[flags[0]]
    if curve == "beta":
        return schedule, curve, {"over": "sigmas"}
    ends = {key: used[key] for key in ("sigma_min", "sigma_max") if key in used}
    return schedule, curve, ends


def _own_spacing(name: str) -> str:
    """Return the spacing that diffusers' class has when its config names none."""
    import inspect

    import diffusers

    cls = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    parameter = inspect.signature(cls).parameters.get("timestep_spacing") if cls else None
    default = parameter.default if parameter else None
    return default if default in SPACINGS else "leading"


def _judge(key: str, value: Any) -> None:
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
    return f"it belongs to {name or 'the scheduler'}, not to the noise"
