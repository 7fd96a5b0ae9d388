"""A scheduler_config.json from outside, as the config that a course is made of.

What counts for the noise is judged by ``sdlab.noise.diffusers_config``. The rest goes to a class of
diffusers, which trusts it: a solver_order of 10^9 would fill the memory. So every number is bounded
here, and nothing but plain values passes.
"""

import json
import math
from typing import Any

LARGEST = 10_000
# Families whose sigmas mean something else than Stable Diffusion's.
FOREIGN = {
    "EDMEulerScheduler": "an EDM model",
    "EDMDPMSolverMultistepScheduler": "an EDM model",
    "FlowMatchEulerDiscreteScheduler": "a flow-matching model",
    "FlowMatchHeunDiscreteScheduler": "a flow-matching model",
}


def read_config(data: bytes) -> dict[str, Any]:
    """Return the entries of a scheduler_config.json; null ones and diffusers' -Infinity left out.

    Args:
        data: The file's contents.

    Raises:
        ValueError: If it is no such file, it is of another family of models, or an entry has no
            valid value; names the entry, the value and what is allowed.
    """
    from sdlab.noise.diffusers_config import read_scheduler_config
    from sdlab.noise.exchange import read_object

    text = _without_infinity(data)
    name = read_scheduler_config(text).name
    if name in FOREIGN:
        raise ValueError(
            f"this is the scheduler of {FOREIGN[name]} ({name}); this laboratory samples Stable"
            " Diffusion 1.x and 2.x, take the scheduler_config.json of such a model."
        )
    values = read_object(text, "scheduler config")
    for key, value in values.items():
        _judge(key, value)
    return {key: value for key, value in values.items() if value is not None}


def _without_infinity(data: bytes) -> bytes:
    """Return the JSON with the -Infinity that diffusers writes for "no limit" as null."""
    if b"-Infinity" not in data or len(data) > 100 * LARGEST:
        return data
    try:
        values = json.loads(data, parse_constant=lambda word: None if word[0] == "-" else math.nan)
        return json.dumps(values, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return data  # what is wrong with it is told by the reader


def _judge(key: str, value: Any) -> None:
    if isinstance(value, list):
        if key != "trained_betas" and len(value) > 1000:
            raise ValueError(f"{key} has {len(value):,} entries; at most 1,000 are read.")
        for item in value:
            _judge(key, item)
    elif isinstance(value, (int, float)) and not abs(value) <= LARGEST:
        raise ValueError(f"{key} must be from -{LARGEST} to {LARGEST}, got {value!r:.60}.")
    elif isinstance(value, dict):
        raise ValueError(f"{key} must be a number, a text, true or false, got {value!r:.60}.")
