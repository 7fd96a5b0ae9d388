"""sdlab's own runs, and diffusers' pipelines, whose noise and prompts they have.

Start and later noise come from one ``torch.Generator`` of the seed on the CPU, one for each
picture, as ``StableDiffusionPipeline`` draws it with ``generator=torch.manual_seed(seed)``.
"""

from collections.abc import Mapping
from typing import Any

from sdlab.experiment.experiment import Experiment

WEIGHTS = "none: brackets and digits are read as words"
_LORA_PARTS = ("cross_attention_kwargs", "joint_attention_kwargs")


def sdlab_facts(x: Experiment, manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the facts of an experiment, and of its run's manifest if there is one."""
    options = dict(x.pipeline_options)
    about = (manifest or {}).get("model", {})
    facts: dict[str, Any] = {
        "noise": "CPU",
        "batch_size": 1,
        "noise_place": 0,
        "step_noise": "the start's generator, CPU",
        "weights": WEIGHTS,
        "clip_skip": options.get("clip_skip") or 0,
        "churn": float(dict(x.solver_options).get("s_churn", 0.0)),
        "vae": "the model's own",
        "loras": ", ".join(str(options[name]) for name in _LORA_PARTS if options.get(name)),
        "variation": "none",
        "patches": "",
        "schedule": x.curve or "the model's own",
        "model": x.model,
    }
    if x.image is None or x.strength is not None:  # else the pipeline's own, by its class
        facts["denoise"] = 1.0 if x.image is None else x.strength
    size = {side: (manifest or {}).get(side) or getattr(x, side) for side in ("width", "height")}
    facts |= {side: value for side, value in size.items() if value}
    named = {"model_hash": "hash", "dtype": "computed_in", "device": "device"}
    facts |= {name: about[key] for name, key in named.items() if about.get(key)}
    version = (manifest or {}).get("versions", {}).get("sdlab")
    return facts | ({"version": version} if version else {})
