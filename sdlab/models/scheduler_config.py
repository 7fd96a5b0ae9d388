"""A model's scheduler config as its pipeline runs it, the same for every scheduler class.

``StableDiffusionPipeline`` completes an old config when it is built: ``steps_offset`` becomes 1 and
``clip_sample`` False. diffusers goes on listing both in ``_use_default_values``, the entries that
``from_config`` drops again, so a class made of the completed config would run without them.
"""

import inspect
from collections.abc import Mapping
from typing import Any

COMPLETED: Mapping[str, Any] = {"steps_offset": 1, "clip_sample": False}
"""What the pipeline enters if a config does not say so (``StableDiffusionPipeline.__init__``)."""
_DEFAULTED = "_use_default_values"


def config_in_force(scheduler: Any) -> dict[str, Any]:
    """Return a scheduler's config, where only entries that still are defaults count as such.

    Args:
        scheduler: A diffusers scheduler, as its pipeline holds it.
    """
    config = dict(scheduler.config)
    defaults = parameters(type(scheduler))
    kept = [key for key in config.get(_DEFAULTED, ()) if config.get(key) == defaults.get(key)]
    return {**config, _DEFAULTED: kept} if _DEFAULTED in config else config


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with the entries that a pipeline would add; entries it has stay.

    Args:
        config: ``scheduler.config``, or the contents of scheduler_config.json.
    """
    added = {key: config.get(key, value) for key, value in COMPLETED.items()}
    settled = [key for key, value in COMPLETED.items() if added[key] == value]
    out = {**config, **added}
    if _DEFAULTED in out:
        out[_DEFAULTED] = [key for key in out[_DEFAULTED] if key not in settled]
    return out


def parameters(cls: type) -> dict[str, Any]:
    """Return the named parameters of a class with their defaults."""
    found = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    skipped = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name: p.default for p in found if p.kind not in skipped}
