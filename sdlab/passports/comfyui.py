"""ComfyUI's schedules: the nine of its KSampler, and those of the nodes beside it.

Read in ``comfy/samplers.py`` and ``comfy/model_sampling.py`` at 311c0140 (2026). Below a denoise
of 1 it lays out int(steps / denoise) steps and runs the last of them, as many as were asked for.
"""

from collections.abc import Callable, Sequence

import numpy as np

from sdlab.errors import unknown
from sdlab.noise.curves.builtin.exponential import exponential
from sdlab.noise.curves.builtin.karras import karras
from sdlab.noise.curves.builtin.kl_optimal import kl_optimal
from sdlab.noise.curves.builtin.linear_quadratic import linear_quadratic
from sdlab.noise.schedule import Array
from sdlab.passports import formulas, levels
from sdlab.passports.asked import Asked, Engine, Laid, found
from sdlab.passports.presets import TOKENS, Preset
from sdlab.passports.samplers import COSTS, DISCARDING, evaluations

SOURCE = "ComfyUI comfy/samplers.py at 311c0140"
AYS_NODE, TURBO_NODE = "AlignYourStepsScheduler", "SDTurboScheduler"
_NODES = {
    "align_your_steps": AYS_NODE,
    "alignyoursteps": AYS_NODE,
    "sd_turbo": TURBO_NODE,
    "turbo": TURBO_NODE,
}
# Of the node, whose digits are those of the model's own timesteps.
_AYS = {
    "sd15": (14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092,
             0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582),
    "sdxl": (14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141,
             0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582),
}  # fmt: skip

_BY_LEVELS: dict[str, Callable[[int, levels.Levels], Array]] = {
    "simple": formulas.simple,
    "sgm_uniform": lambda n, table: formulas.even_timesteps(n, table, sgm=True),
    "karras": lambda n, table: karras(n, table.sigma_min, table.sigma_max),
    "exponential": lambda n, table: exponential(n, table.sigma_min, table.sigma_max),
    "ddim_uniform": formulas.ddim_uniform,
    "beta": formulas.beta_timesteps,
    "normal": formulas.even_timesteps,
    "linear_quadratic": lambda n, table: linear_quadratic(n, table.sigma_max),
    "kl_optimal": lambda n, table: _kl_optimal(n, table),
}
NAMES = tuple(_BY_LEVELS)
"""KSampler's schedulers, in its order."""


def model_levels(asked: Asked) -> tuple[levels.Levels, float]:
    """Return the noise levels that ComfyUI tabulates for a model, and the shift in force.

    A picture's ``width`` and ``height`` count for Flux alone, as by the node ModelSamplingFlux;
    without it the shift is the same for every size.

    Raises:
        ValueError: If the model has no shift, or its shift does not go by the size.
    """
    preset, options = asked.preset, asked.options
    sized = "width" in options or "height" in options
    if preset.kind in ("discrete", "edm") and (sized or "shift" in options):
        raise ValueError(f"{preset.title} has no shift: leave shift, width and height out.")
    if preset.kind == "discrete":
        return levels.discrete(levels.betas(preset), nearest=True), 1.0
    if preset.kind == "edm":
        config = preset.config
        return levels.edm(config.get("sigma_min", 0.002), config.get("sigma_max", 80.0)), 1.0
    if preset.kind == "flow":
        if sized:
            raise ValueError(f"ComfyUI shifts {preset.title} by the same at every size.")
        shift = float(options.get("shift", preset.shift))
        return levels.flow(shift, 1000, preset.multiplier), shift
    mu = float(options.get("shift", preset.shift))
    if sized:
        mu = _mu_of_size(options.get("width", preset.size), options.get("height", preset.size))
    return levels.flow(float(np.exp(mu)), 10_000, 1.0), mu


def start_noise(asked: Asked, sigma: float, highest: float) -> float:
    """Return how much noise ComfyUI's start has.

    From the highest sigma on, sqrt(1 + sigma^2), the spread of noise and signal together; else,
    and with flow matching, sigma.

    Reference: ComfyUI ``EPS.noise_scaling`` and ``Sampler.max_denoise``.
    """
    whole = sigma > highest or np.isclose(sigma, highest, rtol=1e-5, atol=0.0)
    return float(np.hypot(1.0, sigma)) if whole and asked.preset.path == "sigma" else sigma


def _lay(asked: Asked) -> Laid:
    scheduler = found(asked.scheduler or "simple", (*NAMES, AYS_NODE, TURBO_NODE), _NODES)
    sampler = asked.options.get("sampler", "euler")
    if sampler not in COSTS:
        raise ValueError(unknown("sampler", sampler, COSTS))
    table, shift = model_levels(asked)
    discards = bool(asked.options.get("discard_penultimate", sampler in DISCARDING))
    if scheduler in (AYS_NODE, TURBO_NODE):
        sigmas = _of_node(asked, scheduler, table)
    else:
        sigmas = _of_ksampler(asked, scheduler, table, discards)
    timesteps = table.timestep_of(sigmas[:-1])
    return Laid(
        scheduler,
        sigmas.tolist(),
        timesteps.tolist(),
        evaluations(sampler, sigmas.tolist()),
        start_noise(asked, float(sigmas[0]), table.sigma_max),
        SOURCE,
        _notes(asked, sigmas, table, shift, discards and scheduler in NAMES),
    )


def _of_ksampler(asked: Asked, name: str, table: levels.Levels, discards: bool) -> Array:
    steps = asked.num_steps
    total = steps if asked.denoise > 0.9999 else int(steps / asked.denoise)
    sigmas = _BY_LEVELS[name](total + discards, table)
    if discards:
        sigmas = np.append(sigmas[:-2], sigmas[-1])
    return sigmas if asked.denoise > 0.9999 else sigmas[-(steps + 1) :]


def _of_node(asked: Asked, name: str, table: levels.Levels) -> Array:
    """Return what a node beside the KSampler makes; its steps are counted before the denoise."""
    steps, preset = asked.num_steps, asked.preset
    if preset.kind != "discrete":
        raise ValueError(f"{name} is made for Stable Diffusion 1.x and XL, not {preset.title}.")
    if name == TURBO_NODE:
        start = 10 - int(10 * asked.denoise)
        told = np.arange(999, 0, -100)[start : start + steps]
        return formulas.closed(table.sigma_of(told.astype(float)))
    sigmas = formulas.log_interpolated(_AYS[preset.table], steps + 1)
    kept = steps if not asked.partial else round(steps * asked.denoise)
    sigmas = sigmas[-(kept + 1) :]
    sigmas[-1] = 0.0
    return sigmas


def _kl_optimal(num_steps: int, table: levels.Levels) -> Array:
    if num_steps == 1:
        raise ValueError(
            "ComfyUI's kl_optimal divides by steps - 1: its only sigma in 1 step is no number."
        )
    return kl_optimal(num_steps, table.sigma_min, table.sigma_max)


def _mu_of_size(width: float, height: float) -> float:
    """Return mu of a size, by the node ModelSamplingFlux with its usual 0.5 and 1.15."""
    return float(0.5 + (1.15 - 0.5) * (width * height / 256 - 256) / (TOKENS - 256))


def _notes(
    asked: Asked, sigmas: Array, table: levels.Levels, shift: float, discards: bool
) -> list[str]:
    notes, run = [], len(sigmas) - 1
    if asked.partial:
        total = int(asked.num_steps / asked.denoise)
        notes.append(
            f"A denoise of {asked.denoise:g} does not shorten the run: {total} steps are laid out,"
            f" and the last {run} of them run."
        )
    elif run != asked.num_steps:
        notes.append(f"{asked.num_steps} steps were asked for, and {run} run.")
    if discards:
        notes.append("A step more is laid out, and the last sigma above 0 is left out.")
    if not asked.partial and not np.isclose(sigmas[0], table.sigma_max, rtol=1e-5):
        notes.append(f"It starts at {sigmas[0]:.4g}, below the highest, {table.sigma_max:.4g}.")
    if asked.preset.kind == "flow" and shift != 1:
        notes.append(f"The shift is {shift:g}, whatever the size of the picture.")
    if asked.preset.kind == "flux":
        notes.append(f"The shift is exp({shift:.4g}) = {np.exp(shift):.4g}.")
    return notes


def _schedulers(preset: Preset) -> Sequence[str]:
    return (*NAMES, AYS_NODE, TURBO_NODE) if preset.kind == "discrete" else NAMES


ENGINE = Engine(
    "ComfyUI",
    "It lays out steps / denoise steps and runs the last of them, as many as were asked for.",
    _schedulers,
    {
        "sampler": "euler",
        "shift": 0.0,
        "width": 0,
        "height": 0,
        "discard_penultimate": False,
    },
    _lay,
)
