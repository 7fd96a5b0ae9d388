"""Reads a user's scheduler_config.json as the config from which a course is made.

The entries about noise are checked by ``sdlab.noise.diffusers_config``. The rest goes to a class of
diffusers, which trusts it, so ``sdlab.bounds`` checks every entry.
"""

import json
import math
from typing import Any

from sdlab.noise.diffusers_config import EDM_CLASSES, FLOW_CLASSES, read_scheduler_config

LARGEST_FILE = 1_000_000
# Families whose sigmas do not mean what Stable Diffusion's mean.
FOREIGN = {
    **dict.fromkeys(EDM_CLASSES, "an EDM model"),
    **dict.fromkeys(FLOW_CLASSES, "a flow-matching model"),
}


def read_config(data: bytes) -> dict[str, Any]:
    """Return the entries of a scheduler_config.json; null ones and diffusers' -Infinity left out.

    Args:
        data: The file's contents.

    Raises:
        ValueError: If it is no such file, it is of another family of models, or an entry has no
            valid value; names the entry, the value and what is allowed.
    """
    from sdlab.bounds import check_config
    from sdlab.noise.exchange import read_object

    text = _without_infinity(data)
    name = read_scheduler_config(text).name
    if name in FOREIGN:
        raise ValueError(
            f"this is the scheduler of {FOREIGN[name]} ({name}); this laboratory samples Stable"
            " Diffusion 1.x and 2.x, take the scheduler_config.json of such a model."
        )
    values = read_object(text, "scheduler config")
    check_config(values)
    return {key: value for key, value in values.items() if value is not None}


def _without_infinity(data: bytes) -> bytes:
    """Return the JSON with the -Infinity that diffusers writes for "no limit" as null."""
    if b"-Infinity" not in data or len(data) > LARGEST_FILE:
        return data
    try:
        values = json.loads(data, parse_constant=lambda word: None if word[0] == "-" else math.nan)
        return json.dumps(values, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return data  # the reader says what is wrong with it
