"""The fields of a spec as lines of Python, for who wants to make it again in a notebook."""

from collections.abc import Mapping
from typing import Any

from sdlab.experiment.pipeline_fields import PICTURES
from sdlab.runs.pictures import file_name


def as_keywords(values: Mapping[str, Any]) -> str:
    """Return fields as keyword arguments, one a line; a picture by the file that holds it."""
    lines = []
    for name, value in values.items():
        if name in PICTURES:
            lines.append(f"    {name}={file_name(value['hash'])!r},  # of the zip\n")
        else:
            lines.append(f"    {name}={value!r},\n")
    return "".join(lines)
