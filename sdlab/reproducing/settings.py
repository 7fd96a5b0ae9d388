"""What a result depends on beside its experiment, and how two such sets of facts differ."""

from collections.abc import Mapping
from typing import Any, NamedTuple

CALLED = {
    "model.name": "name of the model",
    "model.hash": "weights",
    "model.device": "device",
    "model.dtype": "number format",
    "model.computed_in": "number format of the U-Net",
    "model.revision": "revision of the model",
    "model.variant": "variant of the weight files",
    "model.config": "folder of the model's configs",
    "model.offload": "offloading",
    "model.tiled": "decoding in tiles",
    "machine.system": "system",
    "machine.processor": "processor",
    "machine.instructions": "instructions of the processor",
    "machine.threads": "threads",
    "machine.gpu": "GPU",
    "machine.cuda": "CUDA",
    "shared_calls": "evaluations in calls shared with other runs",
}
"""What entries of a manifest are called; versions go by their package."""


class Difference(NamedTuple):
    """A fact that was another then.

    Attributes:
        name: What it is: "torch", "threads", "weights".
        then: Its value then; None if it was not noted.
        now: Its value now.
    """

    name: str
    then: Any
    now: Any

    def __str__(self) -> str:
        then, now = ("not noted" if value is None else value for value in self[1:])
        return f"{self.name}: {then} then, {now} now"


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return the facts in which two manifests differ, of those that a result depends on.

    Args:
        then: The manifest of a run, or of golden runs.
        now: The manifest now.
    """
    old, new = _facts(then), _facts(now)
    names = dict.fromkeys((*old, *new))
    return [
        Difference(_called(name), old.get(name), new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    found = {"shared_calls": manifest["shared_calls"]} if manifest.get("shared_calls") else {}
    for part in ("model", "versions", "machine"):
        found |= {f"{part}.{name}": value for name, value in manifest.get(part, {}).items()}
    return found


def _called(name: str) -> str:
    return CALLED.get(name, name.removeprefix("versions."))
