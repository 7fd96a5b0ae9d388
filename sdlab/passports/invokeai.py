"""InvokeAI's schedules: diffusers' classes for Stable Diffusion, loops of its own for the rest.

Read in ``invokeai/backend/stable_diffusion/schedulers/schedulers.py``, ``backend/flux`` and
``app/invocations`` (*_denoise.py) of invoke-ai/InvokeAI, versions 5 and 6. Its interface has a
denoising strength; the nodes have ``denoising_start`` = 1 - strength.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sdlab.noise.flow import dynamic_mu, shifted
from sdlab.noise.schedule import Array
from sdlab.passports import diffusers_engine
from sdlab.passports.asked import Asked, Engine, Laid, found
from sdlab.passports.presets import PRESETS, Preset
from sdlab.solvers import from_diffusers as adapter

SOURCE = "InvokeAI invokeai/backend/stable_diffusion/schedulers and"
_NO, _YES = {"use_karras_sigmas": False}, {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
CLASSES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "deis_k": ("DEISMultistepScheduler", _YES),
    "lms": ("LMSDiscreteScheduler", _NO),
    "lms_k": ("LMSDiscreteScheduler", _YES),
    "pndm": ("PNDMScheduler", {}),
    "heun": ("HeunDiscreteScheduler", _NO),
    "heun_k": ("HeunDiscreteScheduler", _YES),
    "euler": ("EulerDiscreteScheduler", _NO),
    "euler_k": ("EulerDiscreteScheduler", _YES),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "kdpm_2": ("KDPM2DiscreteScheduler", _NO),
    "kdpm_2_k": ("KDPM2DiscreteScheduler", _YES),
    "kdpm_2_a": ("KDPM2AncestralDiscreteScheduler", _NO),
    "kdpm_2_a_k": ("KDPM2AncestralDiscreteScheduler", _YES),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", _NO),
    "dpmpp_2s_k": ("DPMSolverSinglestepScheduler", _YES),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", _NO),
    "dpmpp_2m_k": ("DPMSolverMultistepScheduler", _YES),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {**_NO, **_SDE}),
    "dpmpp_2m_sde_k": ("DPMSolverMultistepScheduler", {**_YES, **_SDE}),
    "dpmpp_3m": ("DPMSolverMultistepScheduler", {**_NO, "solver_order": 3}),
    "dpmpp_3m_k": ("DPMSolverMultistepScheduler", {**_YES, "solver_order": 3}),
    "dpmpp_sde": ("DPMSolverSDEScheduler", _NO),
    "dpmpp_sde_k": ("DPMSolverSDEScheduler", _YES),
    "unipc": ("UniPCMultistepScheduler", _NO),
    "unipc_k": ("UniPCMultistepScheduler", _YES),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
"""Its schedulers of Stable Diffusion: diffusers' class and what is set on top of the config."""


def _lay(asked: Asked) -> Laid:
    if asked.preset.path == "sigma":
        return _of_class(asked)
    return _of_times(asked)


def _of_class(asked: Asked) -> Laid:
    """Return what a class of diffusers runs of the timesteps below denoise x 1000.

    Reference: InvokeAI ``DenoiseLatentsInvocation.init_scheduler``.
    """
    name = found(asked.scheduler or "euler", tuple(CLASSES))
    cls_name, extra = CLASSES[name]
    cls = adapter.scheduler_classes()[cls_name]
    scheduler = diffusers_engine.lay_class(cls, asked, extra)
    highest = round(scheduler.config.num_train_timesteps * asked.denoise)
    told = scheduler.timesteps[:: scheduler.order].tolist()
    first = sum(step >= highest for step in told) * scheduler.order
    source = f"{SOURCE} app/invocations/denoise_latents.py, over diffusers' {cls_name}"
    laid = diffusers_engine.laid_from(scheduler, asked, name, first, source, [])
    # its start is add_noise of nothing, also where it draws from noise alone
    return replace(laid, noise_scale=laid.sigmas[0])


def _of_times(asked: Asked) -> Laid:
    """Return what its own loops over flow matching's times run."""
    found(asked.scheduler or "euler", _schedulers(asked.preset))
    family = _family(asked.preset)
    times, note = _TIMES[family](asked)
    sigmas = _cut(asked, times, family)
    notes = [note] if note else []
    if asked.partial:
        notes.append(f"Of {asked.num_steps} steps {len(sigmas) - 1} run.")
    told = sigmas[:-1] * (1000.0 if family in ("sd3", "qwen-image") else 1.0)
    invocation = family.replace("-", "_")
    return Laid(
        "euler",
        sigmas.tolist(),
        told.tolist(),
        len(sigmas) - 1,
        float(sigmas[0]),
        f"InvokeAI app/invocations/{invocation}_denoise.py",
        notes,
    )


def _even(asked: Asked) -> tuple[Array, str]:
    """Return even times without any shift, as ``SD3DenoiseInvocation`` has them."""
    times = np.linspace(1.0, 0.0, asked.num_steps + 1)
    return times, "Its loop does not shift the times; SD3's own scheduler shifts them by 3."


def _sized(asked: Asked) -> tuple[Array, str]:
    """Return even times shifted by exp(mu), mu by the picture's size from 0.5 to 1.15.

    Reference: InvokeAI ``flux/sampling_utils.get_schedule`` (no shift for schnell) and
    ``ZImageDenoiseInvocation._get_sigmas``.
    """
    times = np.linspace(1.0, 0.0, asked.num_steps + 1)
    if asked.preset.name == "flux-schnell":
        return times, ""
    config = {"base_shift": 0.5, "max_shift": 1.15, "max_image_seq_len": 4096}
    shift = float(np.exp(dynamic_mu(_tokens(asked), config)))
    own = "" if asked.preset.kind == "flux" else " The model's own scheduler shifts by 3."
    return shifted(times, shift), f"The shift goes by the picture's size: {shift:.4g} here.{own}"


def _qwen(asked: Asked) -> tuple[Array, str]:
    """Return what diffusers' FlowMatchEulerDiscreteScheduler makes of the model's config."""
    cls = adapter.scheduler_classes()["FlowMatchEulerDiscreteScheduler"]
    scheduler = diffusers_engine.lay_class(cls, replace(asked, denoise=1.0), {})
    return np.array(scheduler.sigmas.tolist()), ""


_TIMES: Mapping[str, Callable[[Asked], tuple[Array, str]]] = {
    "sd3": _even,
    "flux": _sized,
    "z-image": _sized,
    "qwen-image": _qwen,
}
"""The loops by whose models they run: times, and a sentence on them."""


def _cut(asked: Asked, times: Array, family: str) -> Array:
    """Return the times from where a picture's change begins.

    Reference: InvokeAI ``clip_timestep_schedule_fractional`` (SD3, Flux): it begins at the strength
    itself, in the place of the last time above it. Z-Image and Qwen-Image count steps.
    """
    if not asked.partial:
        return times
    start = 1.0 - asked.denoise
    if family in ("sd3", "flux"):
        first = int((times >= asked.denoise - 1e-6).sum()) - 1
        return np.append(asked.denoise, times[first + 1 :])
    count = start * (len(times) - 1)
    return times[int(count) if family == "z-image" else round(count) :]


def _tokens(asked: Asked) -> int:
    width, height = (asked.options.get(side) or asked.preset.size for side in ("width", "height"))
    return int(width * height) // 256


def _family(preset: Preset) -> str:
    """Return whose loop runs a model of flow matching, "" if none."""
    known = {"sd3": "sd3", "sd3.5": "sd3", "z-image": "z-image", "qwen-image": "qwen-image"}
    known |= {"flux-dev": "flux", "flux-schnell": "flux"}
    return known.get(preset.name, "")


def _schedulers(preset: Preset) -> Sequence[str]:
    if preset.path == "sigma":
        return tuple(CLASSES) if preset.kind == "discrete" else ()
    return ("euler",) if _family(preset) and PRESETS.get(preset.name) == preset else ()


ENGINE = Engine(
    "InvokeAI",
    "Stable Diffusion runs the timesteps below 1000 x strength; SD3 and Flux start at it.",
    _schedulers,
    {"width": 0, "height": 0},
    _lay,
)
