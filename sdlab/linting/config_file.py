"""Reads a user's scheduler_config.json as the config from which a course is made.

The entries about noise are checked by ``sdlab.noise.diffusers_config``. The rest goes to a class of
diffusers, which trusts it, so ``sdlab.bounds`` checks every entry.
"""

import json
import math
from pathlib import Path
from typing import Any

from sdlab.errors import unknown
from sdlab.noise.diffusers_config import EDM_CLASSES, read_scheduler_config
from sdlab.noise.flow import check_flow_config, is_flow

LARGEST_FILE = 1_000_000
# Families whose sigmas do not mean what Stable Diffusion's mean.
FOREIGN = dict.fromkeys(EDM_CLASSES, "an EDM model")


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
    values = read_object(text, "scheduler config")
    if is_flow(values):
        check_config(values)
        _check_flow(values)
    elif (name := read_scheduler_config(text).name) in FOREIGN:
        raise ValueError(
            f"this is the scheduler of {FOREIGN[name]} ({name}); this laboratory has no sampler for"
            " such a model, take the scheduler_config.json of a diffusion or flow-matching model."
        )
    check_config(values)
    return {key: value for key, value in values.items() if value is not None}


def pipeline_around(path: Path, config: dict[str, Any], num_steps: int) -> tuple[type | None, str]:
    """Return the class of the pipeline around a config, and what is to be said of its times.

    A config names no pipeline; the model_index.json beside its folder does.

    Args:
        path: The scheduler_config.json.
        config: What it holds.
        num_steps: Solver steps.
    """
    if not is_flow(config):
        return None, ""
    from sdlab.errors import ModelError
    from sdlab.models.components import INDEX, pipeline_class
    from sdlab.models.folder import read_json
    from sdlab.solvers.pipeline_times import are_known, handed_times

    index = path.absolute().parent.parent / INDEX
    if not index.is_file():
        return None, (
            f"{path} is not in a pipeline's folder (with {INDEX}), so it is judged as if no times"
            " were handed over. Some pipelines, such as Flux's, hand times of their own."
        )
    try:
        cls = pipeline_class(read_json(index), str(index.parent))
    except ModelError as error:
        return None, f"judged as if no times were handed over, as its pipeline is unknown: {error}"
    times = handed_times(cls, num_steps, config)
    if not are_known(cls, num_steps, config):
        return None, (
            f"judged as if no times were handed over; {cls.__name__} hands times of its own, which"
            " its source does not tell."
        )
    told = "with the times that it hands over" if times else "it hands over no times of its own"
    return cls, f"judged as of {cls.__name__}, {told}."


def _check_flow(values: dict[str, Any]) -> None:
    """Raise ``ValueError`` if a flow-matching config names no class, or its times are not valid."""
    from sdlab.solvers.flow_course import flow_classes

    name = values.get("_class_name")
    if name is not None and name not in flow_classes():
        raise ValueError(unknown("flow-matching scheduler", name, flow_classes()))
    check_flow_config(values)


def _without_infinity(data: bytes) -> bytes:
    """Return the JSON with the -Infinity that diffusers writes for "no limit" as null."""
    if b"-Infinity" not in data or len(data) > LARGEST_FILE:
        return data
    try:
        values = json.loads(data, parse_constant=lambda word: None if word[0] == "-" else math.nan)
        return json.dumps(values, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return data  # the reader says what is wrong with it
