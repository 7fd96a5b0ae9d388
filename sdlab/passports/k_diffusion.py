"""k-diffusion's schedules: ``get_sigmas`` of its model wrapper, and the functions beside it.

Read in ``k_diffusion/sampling.py`` and ``external.py`` of crowsonkb/k-diffusion, 0.1.1. A library:
what begins in the middle, for img2img, is up to the program that calls it.
"""

from collections.abc import Callable, Sequence

from sdlab.noise.curves.builtin.exponential import exponential
from sdlab.noise.curves.builtin.karras import karras
from sdlab.noise.curves.builtin.polyexponential import polyexponential
from sdlab.noise.curves.builtin.vp import vp
from sdlab.noise.schedule import Array
from sdlab.passports import formulas, levels
from sdlab.passports.asked import Asked, Engine, Laid, found
from sdlab.passports.presets import Preset
from sdlab.passports.samplers import evaluations

SOURCE = "k-diffusion 0.1.1, k_diffusion/sampling.py and external.py"

_BY_LEVELS: dict[str, Callable[[int, levels.Levels], Array]] = {
    "get_sigmas": formulas.even_timesteps,
    "get_sigmas_karras": lambda n, table: karras(n, table.sigma_min, table.sigma_max),
    "get_sigmas_exponential": lambda n, table: exponential(n, table.sigma_min, table.sigma_max),
    "get_sigmas_polyexponential": lambda n, table: polyexponential(
        n, table.sigma_min, table.sigma_max
    ),
    "get_sigmas_vp": lambda n, table: vp(n, table.sigma_min, table.sigma_max, 19.9, 0.1),
}
NAMES = tuple(_BY_LEVELS)
_SHORT = {name.removeprefix("get_sigmas_"): name for name in NAMES[1:]} | {
    "discrete": "get_sigmas",
    "uniform": "get_sigmas",
}


def model_levels(preset: Preset) -> levels.Levels:
    """Return the levels of k-diffusion's wrapper for a model with betas, or of EDM's range."""
    if preset.kind == "edm":
        return levels.edm(preset.config.get("sigma_min", 0.002), preset.config.get("sigma_max", 80))
    return levels.discrete(levels.betas(preset, single=True), nearest=False)


def _lay(asked: Asked) -> Laid:
    if asked.partial:
        raise ValueError(
            "k-diffusion has no denoise: a program that changes a picture cuts the sigmas itself."
            " Take a1111, comfyui, invokeai or diffusers, or a denoise of 1."
        )
    names = _schedulers(asked.preset)
    scheduler = found(asked.scheduler or names[0], names, _SHORT)
    table = model_levels(asked.preset)
    sigmas = _BY_LEVELS[scheduler](asked.num_steps, table)
    notes = ["Its users scale the start by the first sigma: x = torch.randn(...) * sigmas[0]."]
    if scheduler == "get_sigmas_vp":
        notes.append("It knows nothing of the model: beta_d 19.9 and beta_min 0.1 are its own.")
    sampler = str(asked.options.get("sampler", "euler"))
    return Laid(
        scheduler,
        sigmas.tolist(),
        table.timestep_of(sigmas[:-1]).tolist(),
        evaluations(sampler, sigmas.tolist()),
        float(sigmas[0]),
        SOURCE,
        notes,
    )


def _schedulers(preset: Preset) -> Sequence[str]:
    if preset.kind == "edm":
        return NAMES[1:]
    # of an alpha_bar of 0 its first sigma is infinite, and every schedule with it
    ends = preset.kind == "discrete" and not preset.config.get("rescale_betas_zero_snr")
    return NAMES if ends else ()


ENGINE = Engine(
    "k-diffusion",
    "It has none: the program that calls it cuts the sigmas.",
    _schedulers,
    {"sampler": "euler"},
    _lay,
)
