"""How a model was loaded, as manifests of runs note it: arguments of ``load`` beside the source.

Device and number format are facts of the model itself; an access token is noted nowhere.
"""

from collections.abc import Mapping
from typing import Any

LOADED_BY = ("revision", "variant", "config", "offload", "tiled")


def noted(**given: Any) -> dict[str, Any]:
    """Return the arguments that were given, as plain values."""
    return {
        name: value if isinstance(value, bool) else str(value)
        for name in LOADED_BY
        if (value := given.get(name))
    }


def loading_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model is loaded by again, beside its name, device and number format.

    Args:
        facts: Entry ``model`` of a manifest; older ones note nothing of it.
    """
    text = {name: facts[name] for name in LOADED_BY if isinstance(facts.get(name), str)}
    tiled = {"tiled": True} if facts.get("tiled") is True else {}
    return {name: value for name, value in text.items() if name != "tiled"} | tiled
