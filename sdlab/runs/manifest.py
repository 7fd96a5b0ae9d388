"""The manifest of a run: all that is needed to run it again and to check that it is the same."""

import platform
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

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


def machine(device: "torch.device") -> dict[str, Any]:
    """Return what of the machine decides the last bits of a result.

    Args:
        device: Where the model computes.
    """
    import torch

    facts: dict[str, Any] = {
        "system": platform.system(),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        facts |= {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    return facts


@lru_cache(maxsize=1)
def processor() -> str:
    """Return the processor's name as the system tells it; on Linux Python itself does not."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def manifest(
    model: "Model", experiment: "Experiment", *, created: datetime, **facts: Any
) -> dict[str, Any]:
    """Return the manifest as plain JSON values.

    Args:
        model: What ran it.
        experiment: What was run.
        created: When, with time zone.
        facts: Further entries: ``nfe``, ``largest_call`` (samples), ``shared_calls`` (evaluations
            made in a call together with other runs: 0 if the run is exact), ``total_ms``, ``kept``,
            ``warnings``.
    """
    width, height = model.default_size
    return {
        "format": FORMAT,
        "id": experiment.id,
        "experiment": experiment.to_dict(),
        "width": experiment.width or width,
        "height": experiment.height or height,
        "seeds": {"start_noise": experiment.seed},
        **facts_of(model, experiment.fast),
        "created": created.isoformat(timespec="seconds"),
        **facts,
    }


def facts_of(model: "Model", fast: bool = False) -> dict[str, Any]:
    """Return what a result depends on beside its experiment: model, versions, machine."""
    dtype = str(model.dtype).removeprefix("torch.")
    return {
        "model": {
            "name": model.name,
            "hash": model.hash,
            "device": str(model.device),
            "dtype": dtype,
            "computed_in": "bfloat16" if fast else dtype,
            **model.loading,
        },
        "versions": versions(),
        "machine": machine(model.device),
    }


def was_shared(facts: Mapping[str, Any]) -> bool:
    """Return whether a run made an evaluation in a network call together with other runs.

    Such a run agrees with the run alone within rounding, which adds up from step to step; alone it
    is bit-identical to the plain diffusers pipeline.

    Args:
        facts: The run's manifest. Older ones, without ``shared_calls``, are judged by the samples
            of the largest call; two unguided runs in one call look there like one guided.
    """
    if "shared_calls" in facts:
        return bool(facts["shared_calls"])
    largest = facts.get("largest_call", 0)
    return isinstance(largest, int) and largest > 2


def is_exact(facts: Mapping[str, Any]) -> bool:
    """Return whether a manifest records that a run has the bits of the run alone.

    Args:
        facts: The run's manifest. Older ones, without ``shared_calls``, record it only if they
            never had more than one sample in a call.
    """
    if "shared_calls" in facts:
        return not was_shared(facts)
    return facts.get("largest_call") == 1


def calls_in_words(facts: Mapping[str, Any]) -> str:
    """Return how a run's network calls were made, as far as its manifest records it."""
    if was_shared(facts):
        return f"made in shared calls of up to {facts.get('largest_call', 'many')} rows"
    if is_exact(facts):
        return "exact, as made alone"
    return "whether it shared calls is not recorded"
