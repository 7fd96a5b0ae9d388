"""The models that a passport can be made for: what diffusers' config says, and what ComfyUI sets.

A program that is not diffusers does not read scheduler_config.json: it knows a model by its weights
and has settings of its own for it, above all the shift of flow matching.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from sdlab.bounds import check_config
from sdlab.errors import unknown
from sdlab.noise.exchange import read_object
from sdlab.noise.flow import check_flow_config, dynamic_mu, flow_shift, is_flow

TOKENS = 4096
"""Latent tokens of 1024 x 1024 pixels, in patches of 16 x 16."""

_SD_BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
_DYNAMIC = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5}


@dataclass(frozen=True)
class Preset:
    """A model as engines see its noise.

    Attributes:
        name: What it is called here.
        title: Its name for readers.
        config: diffusers' scheduler_config.json of it.
        kind: "discrete" (betas), "edm", "flow" or "flux": how ComfyUI lays its noise levels out.
        shift: ComfyUI's own: of "flow" the factor of sigma, of "flux" its logarithm mu.
        multiplier: What ComfyUI tells a network of kind "flow" is that many times t.
        size: Pixels of a side that it was made for.
        hands_times: Whether diffusers' pipeline hands even times from 1 down, and mu, to its
            scheduler: "" never, "always", or "but to flow sigmas", to classes that have none.
        table: Which table of Align Your Steps is its own: "sd15" or "sdxl".
    """

    name: str
    title: str
    config: Mapping[str, Any] = field(repr=False)
    kind: str = "discrete"
    shift: float = 1.0
    multiplier: float = 1000.0
    size: int = 1024
    hands_times: str = ""
    table: str = "sd15"

    @property
    def path(self) -> str:
        """What its sigmas are: "flow" for times t of flow matching, else "sigma"."""
        return "flow" if self.kind in ("flow", "flux") else "sigma"


def _euler_flow(**entries: Any) -> dict[str, Any]:
    return {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        **entries,
    }


PRESETS = {
    made.name: made
    for made in (
        Preset(
            "sd15",
            "Stable Diffusion 1.5",
            {"_class_name": "PNDMScheduler", **_SD_BETAS},
            size=512,
        ),
        Preset(
            "sd21-v",
            "Stable Diffusion 2.1-v",
            {"_class_name": "DDIMScheduler", **_SD_BETAS, "prediction_type": "v_prediction"},
            size=768,
        ),
        Preset(
            "sdxl",
            "Stable Diffusion XL",
            {
                "_class_name": "EulerDiscreteScheduler",
                **_SD_BETAS,
                "interpolation_type": "linear",
            },
            table="sdxl",
        ),
        Preset(
            "zero-snr",
            "SDXL with zero terminal SNR, v-prediction",
            {
                "_class_name": "EulerDiscreteScheduler",
                **_SD_BETAS,
                "prediction_type": "v_prediction",
                "rescale_betas_zero_snr": True,
                "timestep_spacing": "trailing",
            },
            table="sdxl",
        ),
        Preset(
            "playground-v2.5",
            "Playground v2.5 (EDM)",
            {
                "_class_name": "EDMDPMSolverMultistepScheduler",
                "num_train_timesteps": 1000,
                "prediction_type": "epsilon",
                "rho": 7.0,
                "sigma_data": 0.5,
                "sigma_max": 80.0,
                "sigma_min": 0.002,
                "sigma_schedule": "karras",
            },
            kind="edm",
            table="sdxl",
        ),
        Preset("sd3", "Stable Diffusion 3", _euler_flow(shift=3.0), kind="flow", shift=3.0),
        Preset("sd3.5", "Stable Diffusion 3.5", _euler_flow(shift=3.0), kind="flow", shift=3.0),
        Preset(
            "flux-dev",
            "Flux.1 dev",
            _euler_flow(shift=3.0, use_dynamic_shifting=True, max_shift=1.15, **_DYNAMIC),
            kind="flux",
            shift=1.15,
            hands_times="but to flow sigmas",
        ),
        Preset(
            "flux-schnell",
            "Flux.1 schnell",
            _euler_flow(shift=1.0, use_dynamic_shifting=False, max_shift=1.15, **_DYNAMIC),
            kind="flow",
            multiplier=1.0,
            hands_times="but to flow sigmas",
        ),
        Preset(
            "z-image",
            "Z-Image Turbo",
            _euler_flow(shift=3.0, use_dynamic_shifting=False),
            kind="flow",
            shift=3.0,
            multiplier=1.0,
            hands_times="always",
        ),
        Preset(
            "qwen-image",
            "Qwen-Image",
            _euler_flow(
                **{**_DYNAMIC, "max_image_seq_len": 8192},
                max_shift=0.9,
                shift=1.0,
                shift_terminal=0.02,
                time_shift_type="exponential",
                use_dynamic_shifting=True,
            ),
            kind="flux",
            shift=1.15,
            hands_times="always",
        ),
        Preset(
            "wan",
            "Wan 2.1 and 2.2",
            {
                "_class_name": "UniPCMultistepScheduler",
                "num_train_timesteps": 1000,
                "prediction_type": "flow_prediction",
                "use_flow_sigmas": True,
                "flow_shift": 3.0,
            },
            kind="flow",
            shift=8.0,
        ),
    )
}
"""The models by name; the configs are those that their authors published for diffusers, the shifts
those of ComfyUI's ``comfy/supported_models.py``."""

ALIASES = {
    "sd1.5": "sd15",
    "sd1": "sd15",
    "sd21": "sd21-v",
    "sd2.1-v": "sd21-v",
    "zero-terminal-snr": "zero-snr",
    "ztsnr": "zero-snr",
    "zsnr": "zero-snr",
    "playground": "playground-v2.5",
    "edm": "playground-v2.5",
    "sd35": "sd3.5",
    "flux": "flux-dev",
    "schnell": "flux-schnell",
    "z-image-turbo": "z-image",
    "qwen": "qwen-image",
}


def preset_of(model: "Preset | str | PathLike[str] | Mapping[str, Any]") -> Preset:
    """Return a model's preset: by name, or made of a diffusers scheduler config.

    Args:
        model: A name of ``PRESETS``, with or without a remark in brackets behind it; a
            scheduler_config.json as a path or as a dict; or a preset.

    Raises:
        ValueError: If there is no such model, or the config has an entry that is not valid.
        TypeError: If it is none of these.
    """
    if isinstance(model, Preset):
        return model
    if isinstance(model, Mapping):
        return of_config(model)
    if not isinstance(model, (str, PathLike)):
        raise TypeError(
            "model of passport() must be a name, a path or a scheduler config as a dict, got"
            f" {type(model).__name__}."
        )
    name = str(model).lower().partition(" (")[0].replace("_", "-").replace(" ", "-")
    found = PRESETS.get(ALIASES.get(name, name))
    if found is not None:
        return found
    path = Path(model)
    if path.suffix != ".json" and not path.is_dir():
        raise ValueError(
            f"{unknown('model', str(model), PRESETS)} A scheduler_config.json can be given too."
        )
    return of_config(_read_config(path))


def _read_config(path: Path) -> dict[str, Any]:
    """Return the scheduler config of a file, or of a pipeline's folder."""
    places = [path, path / "scheduler_config.json", path / "scheduler" / "scheduler_config.json"]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise ValueError(f"there is no scheduler_config.json at {path}.")
    return read_object(file.read_bytes(), "scheduler config")


def of_config(config: Mapping[str, Any], name: str = "config") -> Preset:
    """Return the preset of any diffusers scheduler config.

    Raises:
        ValueError: If it is none, or an entry is not valid.
    """
    if not {"_class_name", "beta_schedule", "shift", "flow_shift"} & set(config):
        raise ValueError(
            "this is no scheduler config: it has neither _class_name, beta_schedule nor shift; take"
            " scheduler/scheduler_config.json of a model."
        )
    check_config(config)
    title = f"a config of {config.get('_class_name', 'no class')}"
    if is_flow(config):
        check_flow_config(config)
        dynamic = bool(config.get("use_dynamic_shifting"))
        shift = dynamic_mu(TOKENS, config) if dynamic else flow_shift(config)
        kind, hands = ("flux", "always") if dynamic else ("flow", "")
        return Preset(name, title, config, kind, shift, hands_times=hands)
    if str(config.get("_class_name", "")).startswith("EDM"):
        return Preset(name, title, config, "edm")
    return Preset(name, title, config)
