"""A model with copies of some of its parts, to be changed while others use the model itself.

The copies share their weights with the model's own modules, so they take next to no memory; in
another precision they have weights of their own. A module whose ``forward`` was replaced (offload,
caches, layerwise casting) still calls the module that it was copied from, so such a part is
refused. Only the network's own ``forward`` may be: the engine replaces it while a pipeline runs.
"""

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sdlab.errors import ModelError
from sdlab.models import pipelines
from sdlab.models.model import Model

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def with_networks(model: Model) -> Model:
    """Return the model with copies of its denoising networks."""
    return _with(model, model.networks)


def with_vae(model: Model) -> Model:
    """Return the model with a copy of its VAE.

    Raises:
        ModelError: If it has none.
    """
    own = pipelines.autoencoder(model.pipeline)
    if own is None:
        raise ModelError("The model draws pixels: it has no VAE.")
    return _with(model, [name for name, part in model.parts.items() if part is own])


def with_dtype(model: Model, dtype: "torch.dtype") -> Model:
    """Return the model with a copy of every part in another precision.

    Args:
        model: The loaded model.
        dtype: Of all weights that are no whole numbers.

    Raises:
        ModelError: If it computes in that precision already.
    """
    if model.dtype == dtype:
        raise ModelError(f"The model was loaded in {str(dtype).removeprefix('torch.')} already.")
    return _with(model, model.parts, dtype)


def _with(model: Model, names: Iterable[str], dtype: "torch.dtype | None" = None) -> Model:
    parts = model.parts
    pipeline = copy.copy(model.pipeline)
    pipeline.register_modules(**{name: _copied(parts[name], name, dtype) for name in names})
    made = Model(pipeline, model.name)
    made.loading = model.loading
    made.hash = model.hash  # of the weights that were loaded; quantised ones cannot be read
    return made


def _copied(module: "nn.Module", name: str, dtype: "torch.dtype | None") -> "nn.Module":
    for place, part in module.named_modules():
        if hasattr(part, "_hf_hook") or (place and "forward" in vars(part)):
            raise ModelError(
                f"{name} cannot be copied: hooks replaced the forward of"
                f" {f'its {place}' if place else 'the whole part'}. Load the model without offload"
                " and caches of its own."
            )
    tensors = (*module.parameters(), *module.buffers())
    made: nn.Module = copy.deepcopy(module, {id(t): _converted(t, dtype) for t in tensors})
    vars(made).pop("forward", None)
    return made


def _converted(tensor: "Tensor", dtype: "torch.dtype | None") -> "Tensor":
    """Return a tensor itself, or a copy of it in another precision."""
    from torch import nn

    if dtype is None or not tensor.is_floating_point():
        return tensor
    made = tensor.detach().to(dtype)
    return nn.Parameter(made, requires_grad=False) if isinstance(tensor, nn.Parameter) else made
