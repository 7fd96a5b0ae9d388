"""Forge's schedules: the web UI's formulas over ComfyUI's kind of noise levels, and "turbo".

Read in ``modules/sd_schedulers.py`` and ``backend/modules/k_prediction.py`` of
lllyasviel/stable-diffusion-webui-forge at 08637651. Two things differ from AUTOMATIC1111 where the
names are the same: a sigma's timestep is the nearest whole one, and the start's noise from the
highest sigma is scaled by sqrt(1 + sigma^2).
"""

from collections.abc import Sequence
from dataclasses import replace

from sdlab.passports import a1111, comfyui, formulas
from sdlab.passports.asked import Asked, Engine, Laid
from sdlab.passports.presets import Preset

SOURCE = "Forge modules/sd_schedulers.py and backend/modules/k_prediction.py at 08637651"
FORMULAS = {
    **a1111.FORMULAS,
    "turbo": lambda n, given: formulas.closed(
        given.levels.sigma_of(formulas.turbo_timesteps(n).astype(float))
    ),
}


def _lay(asked: Asked) -> Laid:
    table, _ = comfyui.model_levels(asked)
    laid = a1111.laid_out(asked, table, FORMULAS, SOURCE)
    scale = comfyui.start_noise(asked, laid.sigmas[0], table.sigma_max)
    return replace(laid, noise_scale=scale)


def _schedulers(preset: Preset) -> Sequence[str]:
    return ("automatic", *FORMULAS) if preset.kind == "discrete" else ()


ENGINE = Engine("Forge", a1111.ENGINE.denoise, _schedulers, a1111.OPTIONS, _lay)
