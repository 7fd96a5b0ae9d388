"""The schedules of AUTOMATIC1111's web UI 1.10, which are k-diffusion's and ten more.

Read in ``modules/sd_schedulers.py`` at 02b0092d, ``sd_samplers_kdiffusion.py`` and
``sd_samplers_common.py``. Below a denoise of 1 it lays all steps out and runs the last
int(denoise x steps) + 1 of them. Forge, made from it, shares its formulas (``forge``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sdlab.errors import unknown
from sdlab.noise.curves.builtin.exponential import exponential
from sdlab.noise.curves.builtin.karras import karras
from sdlab.noise.curves.builtin.kl_optimal import kl_optimal
from sdlab.noise.curves.builtin.polyexponential import polyexponential
from sdlab.noise.schedule import Array
from sdlab.passports import formulas, levels
from sdlab.passports.a1111_timesteps import lay, own_sampler
from sdlab.passports.asked import Asked, Engine, Laid, found
from sdlab.passports.presets import Preset
from sdlab.passports.samplers import evaluations

SOURCE = "AUTOMATIC1111 web UI 1.10, modules/sd_schedulers.py at 02b0092d"


class Range(NamedTuple):
    """What a formula of the web UI is given.

    Attributes:
        levels: The model's.
        low: The lowest sigma: the model's, or a setting.
        high: The highest.
        rho: Of the curves that have one; 0 for theirs.
        table: Which table of Align Your Steps is the model's.
    """

    levels: levels.Levels
    low: float
    high: float
    rho: float
    table: str


def _uniform(n: int, given: Range) -> Array:
    return formulas.even_timesteps(n, given.levels)


def _between(given: Range) -> levels.Levels:
    """Return levels whose ends are the settings', where a formula goes by timesteps."""
    ends = np.array([given.low, given.high])
    return given.levels._replace(sigmas=ends)


def _align_your_steps(n: int, given: Range) -> Array:
    return formulas.closed(formulas.log_interpolated(formulas.AYS[given.table], n))


FORMULAS: Mapping[str, Callable[[int, Range], Array]] = {
    "uniform": _uniform,
    "karras": lambda n, given: karras(n, given.low, given.high, given.rho or 7.0),
    "exponential": lambda n, given: exponential(n, given.low, given.high),
    "polyexponential": lambda n, given: polyexponential(n, given.low, given.high, given.rho or 1.0),
    "sgm_uniform": lambda n, given: formulas.even_timesteps(n, _between(given), sgm=True),
    "kl_optimal": lambda n, given: kl_optimal(n + 1, given.low, given.high)[:-1],
    "align_your_steps": _align_your_steps,
    "simple": lambda n, given: formulas.simple(n, given.levels),
    "normal": lambda n, given: formulas.even_timesteps(n, _between(given)),
    "ddim": lambda n, given: formulas.ddim_uniform(n, given.levels),
    "beta": lambda n, given: formulas.beta_sigmas(n, given.low, given.high, 0.6, 0.6),
}
NAMES = ("automatic", *FORMULAS)
LABELS = {name.replace("_", " "): name for name in NAMES} | {"sgmuniform": "sgm_uniform"}


class Sampler(NamedTuple):
    """A sampler of the web UI's menu.

    Attributes:
        loop: k-diffusion's name of it.
        scheduler: What it takes with "Automatic".
        discards: Whether a step more is laid out and the last sigma above 0 left out.
    """

    loop: str
    scheduler: str = "uniform"
    discards: bool = False


SAMPLERS = {
    "DPM++ 2M": Sampler("dpmpp_2m", "karras"),
    "DPM++ SDE": Sampler("dpmpp_sde", "karras"),
    "DPM++ 2M SDE": Sampler("dpmpp_2m_sde", "exponential"),
    "DPM++ 2M SDE Heun": Sampler("dpmpp_2m_sde_heun", "exponential"),
    "DPM++ 2S a": Sampler("dpmpp_2s_ancestral", "karras"),
    "DPM++ 3M SDE": Sampler("dpmpp_3m_sde", "exponential", True),
    "Euler a": Sampler("euler_ancestral"),
    "Euler": Sampler("euler"),
    "LMS": Sampler("lms"),
    "Heun": Sampler("heun"),
    "DPM2": Sampler("dpm_2", "karras", True),
    "DPM2 a": Sampler("dpm_2_ancestral", "karras", True),
    "LCM": Sampler("lcm"),
}
"""The samplers of its menu that follow a schedule type."""


def laid_out(asked: Asked, table: levels.Levels, formulas_of: Mapping[str, Callable[..., Array]],
             source: str) -> Laid:  # fmt: skip
    """Return what the web UI's loop makes of a formula, a sampler and a denoise.

    Args:
        asked: What is asked for.
        table: The model's noise levels there.
        formulas_of: The formulas by name.
        source: Whose they are.

    Raises:
        ValueError: If the scheduler or the sampler is not known.
    """
    options = asked.options
    sampler = _sampler(str(options.get("sampler", "Euler")))
    labels = LABELS | {name.replace("_", " "): name for name in formulas_of}
    name = found(asked.scheduler or "automatic", ("automatic", *formulas_of), labels)
    name = sampler.scheduler if name == "automatic" else name
    discards = bool(options.get("discard_penultimate", sampler.discards))
    given = Range(
        table,
        float(options.get("sigma_min", table.sigma_min)),
        float(options.get("sigma_max", table.sigma_max)),
        float(options.get("rho", 0.0)),
        asked.preset.table,
    )
    steps, start = _cut(asked)
    whole = formulas_of[name](steps + discards, given)
    whole = np.append(whole[:-2], whole[-1]) if discards else whole
    sigmas = whole[start:]
    return Laid(
        name,
        sigmas.tolist(),
        table.timestep_of(sigmas[:-1]).tolist(),
        evaluations(sampler.loop, sigmas.tolist()),
        float(sigmas[0]),
        source,
        _notes(asked, name, sigmas, given, discards),
    )


def _cut(asked: Asked) -> tuple[int, int]:
    """Return how many steps are laid out, and at which of them a picture's change begins.

    Reference: AUTOMATIC1111 ``setup_img2img_steps``; the setting ``img2img_fix_steps`` is "do
    exactly the amount of steps the slider specifies".
    """
    if not asked.partial:
        return asked.num_steps, 0
    part = min(asked.denoise, 0.999)
    if asked.options.get("img2img_fix_steps"):
        steps = int(asked.num_steps / part)
        return steps, steps - asked.num_steps
    return asked.num_steps, asked.num_steps - int(part * asked.num_steps) - 1


def _sampler(name: str) -> Sampler:
    """Return a sampler by the web UI's label, in any case, or by k-diffusion's name."""
    known = {label.lower(): found for label, found in SAMPLERS.items()}
    known |= {found.loop: found for found in SAMPLERS.values()}
    if name.lower() not in known:
        raise ValueError(unknown("sampler", name, SAMPLERS))
    return known[name.lower()]


def _notes(asked: Asked, name: str, sigmas: Array, given: Range, discards: bool) -> list[str]:
    notes, run = [], len(sigmas) - 1
    if (asked.scheduler or "automatic").lower() == "automatic":
        notes.append(f"Automatic is {name} with this sampler.")
    if asked.partial:
        notes.append(f"Of {asked.num_steps} steps {run} run, one more than steps x denoise.")
    elif run != asked.num_steps:
        notes.append(f"{asked.num_steps} steps were asked for, and {run} run.")
    if discards:
        notes.append("A step more is laid out, and the last sigma but one is left out.")
    if sigmas[-1] > 0:
        notes.append(f"It does not end at 0 but at {sigmas[-1]:.4g}: that noise stays.")
    if not asked.partial and not np.isclose(sigmas[0], given.high, rtol=1e-4):
        notes.append(f"It starts at {sigmas[0]:.4g}, below the highest, {given.high:.4g}.")
    return notes


def _lay(asked: Asked) -> Laid:
    table = model_levels(asked.preset)
    own = own_sampler(str(asked.options.get("sampler", "")))
    if own and asked.preset.kind == "discrete":
        steps, start = _cut(asked)
        whole = steps + bool(asked.options.get("discard_penultimate"))
        return lay(asked, table.sigmas, own, whole, steps - 1 - start)
    return laid_out(asked, table, FORMULAS, SOURCE)


def model_levels(preset: Preset) -> levels.Levels:
    """Return the noise levels of the web UI's wrapper: of SD3, its thousand shifted times.

    Between two times of SD3 ln t is taken as linear, as between sigmas of Stable Diffusion 1.x.
    """
    sigmas = levels.flow(3.0).sigmas if preset.kind == "flow" else levels.betas(preset, single=True)
    return levels.discrete(sigmas, nearest=False)


def _schedulers(preset: Preset) -> Sequence[str]:
    return NAMES if preset.kind == "discrete" or preset.name == "sd3" else ()


OPTIONS = {
    "sampler": "Euler",
    "discard_penultimate": False,
    "img2img_fix_steps": False,
    "sigma_min": 0.0,
    "sigma_max": 0.0,
    "rho": 0.0,
}
ENGINE = Engine(
    "AUTOMATIC1111",
    "It lays all steps out and runs the last int(denoise x steps) + 1 of them.",
    _schedulers,
    OPTIONS,
    _lay,
)
