"""A passport's sigmas as another program takes them: ComfyUI's text, k-diffusion's list, diffusers.

AUTOMATIC1111, Forge and InvokeAI take no sigmas from outside.
"""

from collections.abc import Callable, Mapping
from pprint import pformat

from sdlab.passports.passport import Passport

_OFF = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")


def comfyui_text(given: Passport) -> str:
    """Return the sigmas as ComfyUI's node ManualSigmas takes them, in one line."""
    return ", ".join(_digits(sigma) for sigma in given.sigmas)


def k_diffusion_list(given: Passport) -> str:
    """Return Python that makes k-diffusion's ``sigmas`` and the start, for its ``sample_*``."""
    return (
        "import torch\n\n"
        f"sigmas = torch.tensor([{_wrapped(given)}])\n"
        f"# the start: x = torch.randn(shape) * {_digits(given.noise_scale)}\n"
    )


def diffusers_snippet(given: Passport) -> str:
    """Return Python that lays the sigmas out in a scheduler of diffusers.

    Raises:
        ValueError: If diffusers takes no sigmas for such a model, as for EDM's.
    """
    if given.preset.kind == "edm":
        raise ValueError(
            "diffusers' EDM schedulers take no sigmas from outside: they lay out Karras' or an"
            " exponential curve of their own."
        )
    flow = given.path == "flow"
    if flow and given.sigmas[-1] > 0:
        raise ValueError(
            f"FlowMatchEulerDiscreteScheduler always ends at 0, this ends at {given.sigmas[-1]:.4g}"
        )
    name = "FlowMatchEulerDiscreteScheduler" if flow else "EulerDiscreteScheduler"
    listed = _wrapped(given, -1 if flow else None)
    end = "" if flow else "  # the last one is where it ends"
    return (
        f"from diffusers import {name}\n\n"
        f"sigmas = [{listed}]{end}\n"
        f"config = {_config(given, flow)}\n"
        f"scheduler = {name}.from_config(config)\n"
        "scheduler.set_timesteps(sigmas=sigmas)\n"
        "# in a pipeline: pipe.scheduler = scheduler; pipe(prompt, sigmas=sigmas)\n"
    )


FORMATS: Mapping[str, Callable[[Passport], str]] = {
    "comfyui": comfyui_text,
    "diffusers": diffusers_snippet,
    "k-diffusion": k_diffusion_list,
}
"""The ways out by the name of the program."""


def _config(given: Passport, flow: bool) -> str:
    kept = {
        key: value
        for key, value in given.preset.config.items()
        if not key.startswith("_") and not isinstance(value, (list, tuple))
    }
    if flow:
        shift = {"shift": 1.0, "use_dynamic_shifting": False, "shift_terminal": None}
        kept = {"num_train_timesteps": kept.get("num_train_timesteps") or 1000, **shift}
    else:
        kept |= {key: False for key in _OFF if kept.get(key)}
    return pformat(kept, width=90, sort_dicts=False)


def _wrapped(given: Passport, end: int | None = None, width: int = 6) -> str:
    texts = [_digits(sigma) for sigma in given.sigmas[:end]]
    rows = [", ".join(texts[at : at + width]) for at in range(0, len(texts), width)]
    return "\n" + "".join(f"    {row},\n" for row in rows)


def _digits(sigma: float) -> str:
    """Return a level in nine digits, as many as a float32 can need."""
    return f"{sigma:.9g}" if sigma else "0.0"
