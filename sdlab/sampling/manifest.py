"""The manifest: what it takes to run an experiment again, and to trust that it is the same."""

import platform
from datetime import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.sampling.experiment import Experiment

FORMAT = 1
PACKAGES = ("sdlab", "torch", "diffusers", "transformers", "numpy")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def manifest(
    model: "Model", experiment: "Experiment", *, created: datetime, **facts: Any
) -> dict[str, Any]:
    """Return the manifest as plain JSON values.

    Args:
        model: What ran it.
        experiment: What was run.
        created: When, with time zone.
        facts: Further entries: ``nfe``, ``largest_call``, ``total_ms``, ``kept``, ``warnings``.
    """
    width, height = model.default_size
    dtype = str(model.dtype).removeprefix("torch.")
    return {
        "format": FORMAT,
        "id": experiment.id,
        "experiment": experiment.to_dict(),
        "width": experiment.width or width,
        "height": experiment.height or height,
        "model": {
            "name": model.name,
            "hash": model.hash,
            "device": str(model.device),
            "dtype": dtype,
            "computed_in": "bfloat16" if experiment.fast else dtype,
        },
        "seeds": {"start_noise": experiment.seed},
        "versions": versions(),
        "created": created.isoformat(timespec="seconds"),
        **facts,
    }
