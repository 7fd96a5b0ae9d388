"""Weights that wait elsewhere than they compute: which, and where they lie.

Hooks of accelerate and of diffusers' group offload bring a part, or a layer, to its device when it
is called. Under accelerate's sequential offload the modules themselves hold empty tensors, and the
weights lie in the hooks.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sdlab.models.pipelines import parts

if TYPE_CHECKING:
    from torch import Tensor, nn


def is_offloaded(part: "nn.Module") -> bool:
    """Return whether a part's weights may wait elsewhere than they compute."""
    return any(
        hasattr(module, "_hf_hook") or _is_group_offloaded(module) for module in part.modules()
    )


def offload_of(pipeline: Any) -> str | None:
    """Return how a pipeline is offloaded: "model", "sequential", "group" or None."""
    found = None
    for part in parts(pipeline).values():
        if any(_is_group_offloaded(module) for module in part.modules()):
            return "group"
        if any(_weights_of(module) is not None for module in part.modules()):
            return "sequential"
        found = "model" if hasattr(part, "_hf_hook") else found
    return found


def weights(part: "nn.Module") -> "Iterator[tuple[str, Tensor]]":
    """Yield (name, tensor) of a part's state, wherever its weights wait."""
    for name, tensor in part.state_dict().items():
        place, _, leaf = name.rpartition(".")
        waiting = _weights_of(part.get_submodule(place)) if tensor.is_meta else None
        yield name, tensor if waiting is None else waiting[leaf]


def _weights_of(module: "nn.Module") -> Any:
    hook = getattr(module, "_hf_hook", None)
    for one in (hook, *getattr(hook, "hooks", ())):
        if getattr(one, "weights_map", None) is not None:
            return one.weights_map
    return None


def _is_group_offloaded(module: Any) -> bool:
    hooks = getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
    return "group_offloading" in hooks
