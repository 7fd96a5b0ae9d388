"""Several calls of a network as one: arguments joined along the batch, outputs parted again.

Nothing is known of the network but its arguments. Its first one says how many pictures a call is
for: a tensor's first side, or the length of a list with one entry a picture. A tensor with that
first side is joined; one without, such as the places of a picture's patches, must be the same in
all calls, and so must every plain value, or the calls do not share.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sdlab.sampling.pipeline_process import Call

UNBATCHED = ("img_ids", "txt_ids", "image_rotary_emb", "ids_restore")
"""Arguments that never have a batch side where they have two, whatever their first one measures."""


class Apart(Exception):
    """The calls cannot share one: says which argument keeps them apart."""


def rows(call: Call) -> int:
    """Return how many rows of the batch a call is for."""
    first = next(iter(call.arguments.values()))
    return len(first)


def join(calls: Sequence[Call]) -> dict[str, Any]:
    """Return the arguments of one call that stands for all.

    Args:
        calls: Of one network, in the order in which ``part`` gives their outputs back.

    Raises:
        Apart: If an argument differs where it has no batch side.
    """
    first, sizes = calls[0], [rows(call) for call in calls]
    names = list(first.arguments)
    for call in calls:
        if call.network != first.network or list(call.arguments) != names:
            raise Apart("the networks or the names of their arguments")
    return {name: _joined(name, [call.arguments[name] for call in calls], sizes) for name in names}


def part(output: Any, sizes: Sequence[int]) -> list[Any]:
    """Return each call's share of what the network returned, of the same kind.

    Args:
        output: A tensor, tuple, list with one entry a row, or diffusers output.
        sizes: The rows of each call.
    """
    if isinstance(output, Tensor):
        return list(output.split(list(sizes)))
    if isinstance(output, dict):  # diffusers' outputs are ordered dicts
        parts = {name: part(value, sizes) for name, value in output.items()}
        return [type(output)(**{k: v[i] for k, v in parts.items()}) for i in range(len(sizes))]
    if isinstance(output, list) and len(output) == sum(sizes):
        bounds = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        return [output[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    if isinstance(output, (tuple, list)):
        columns = [part(value, sizes) for value in output]
        return [type(output)(column[i] for column in columns) for i in range(len(sizes))]
    return [output] * len(sizes)


def _joined(name: str, values: list[Any], sizes: list[int]) -> Any:
    first = values[0]
    if any(type(value) is not type(first) for value in values):
        raise Apart(name)
    if isinstance(first, Tensor):
        return _joined_tensors(name, values, sizes)
    if isinstance(first, dict):
        if any(value.keys() != first.keys() for value in values):
            raise Apart(name)
        return {key: _joined(key, [value[key] for value in values], sizes) for key in first}
    if isinstance(first, list) and all(
        len(value) == size and not _holds_batches(value, size)
        for value, size in zip(values, sizes, strict=True)
    ):
        return [entry for value in values for entry in value]  # one entry a picture
    if isinstance(first, (list, tuple)):
        if any(len(value) != len(first) for value in values):
            raise Apart(name)
        return type(first)(_joined(name, list(entry), sizes) for entry in zip(*values, strict=True))
    if any(value != first for value in values):
        raise Apart(name)
    return first


def _holds_batches(value: list[Any], size: int) -> bool:
    """Return whether a list's tensors have a batch side each, as a ControlNet's residuals do."""
    return all(isinstance(v, Tensor) and v.ndim == 4 and len(v) == size for v in value)


def _joined_tensors(name: str, values: list[Tensor], sizes: list[int]) -> Tensor:
    first = values[0]
    if any(v.ndim != first.ndim or v.dtype != first.dtype for v in values):
        raise Apart(name)
    if first.ndim == 0:  # a timestep for all pictures of a call
        return torch.cat([v.expand(size) for v, size in zip(values, sizes, strict=True)])
    batched = all(len(v) == size for v, size in zip(values, sizes, strict=True))
    if batched and not (name in UNBATCHED and first.ndim == 2):
        if any(v.shape[1:] != first.shape[1:] for v in values):
            raise Apart(name)
        return torch.cat(values)
    if first.ndim == 1 and all(len(v) == 1 for v in values):
        return torch.cat([v.expand(size) for v, size in zip(values, sizes, strict=True)])
    if any(not torch.equal(v, first) for v in values):
        raise Apart(name)
    return first
