"""Several calls of a network as one: arguments joined along the batch, outputs parted again.

Nothing is known of the network but its arguments. Its first one says how many pictures a call is
for: a tensor's first side, or the length of a list with one entry a picture. A tensor with that
first side is joined; one without, such as the places of a picture's patches, must be the same in
all calls, and so must every plain value, or the calls do not share. The few arguments of which the
sides tell the wrong thing are known by name.

Some pipelines change the network itself for as long as they run, and can only run alone.
"""

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sdlab.sampling.pipeline_process import Call

UNBATCHED = {
    "control_hidden_states_scale": 1,
    "freqs_cis": 2,
    "ids_restore": 2,
    "image_rotary_emb": 2,
    "img_ids": 2,
    "text_rope_pos": 1,
    "txt_ids": 2,
    "visual_rope_pos": 1,
}
"""Arguments without a batch side where they have so many, whatever their first one measures."""
SECOND = ("encoder_hidden_states_llama3",)
"""Arguments whose batch side is the second one; their first counts a text encoder's layers."""
CHANGING = ("attn_proc", "attention_control", "prepare_unet", "enable_fuser")
"""What a pipeline's call says where it puts something of its own into the network's layers."""


class Apart(Exception):
    """The calls cannot share one: says which argument keeps them apart."""


@cache
@cache
def alone_because(pipeline: type) -> str | None:
    """Return why runs of a pipeline's class must not overlap, or None if they may.

    Perturbed attention (PAG), attend-and-excite and the like put processors of their own into the
    network while they run and take them out at the end: another run would be given them too. They
    also split the batch by place, so that calls of theirs cannot be joined.
    """
    source = inspect.getsource(pipeline.__call__)
    if not any(word in source for word in CHANGING):
        return None
    return f"{pipeline.__name__} changes its network's attention while it runs"


def rows(call: Call) -> int:
    """Return how many rows of the batch a call is for."""
    first = next(iter(call.arguments.values()))
    return len(first)


def structure(call: Call) -> tuple[Any, ...]:
    """Return what calls have in common if they can probably be joined; ``join`` knows for sure."""
    size = rows(call)
    return (call.network, *((name, _shape(v, size)) for name, v in call.arguments.items()))


def join(calls: Sequence[Call]) -> dict[str, Any]:
    """Return the arguments of one call that stands for all.

    Args:
        calls: Of one network, in the order in which ``part`` gives their outputs back.

    Raises:
        Apart: If an argument differs where it has no batch side.
    """
    if len(calls) == 1:  # a U-Net takes an adapter's residuals out of the list that it is given
        given = calls[0].arguments.items()
        return {name: list(v) if type(v) is list else v for name, v in given}
    first, sizes = calls[0], [rows(call) for call in calls]
    names = list(first.arguments)
    for call in calls:
        if call.network != first.network or list(call.arguments) != names:
            raise Apart("the networks or the names of their arguments")
    by_picture = isinstance(next(iter(first.arguments.values())), list)
    return {
        name: _joined(name, [call.arguments[name] for call in calls], sizes, by_picture)
        for name in names
    }


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


def _joined(name: str, values: list[Any], sizes: list[int], by_picture: bool) -> Any:
    first = values[0]
    if any(type(value) is not type(first) for value in values):
        raise Apart(name)
    if isinstance(first, Tensor):
        return _joined_tensors(name, values, sizes)
    if isinstance(first, dict):
        if any(value.keys() != first.keys() for value in values):
            raise Apart(name)
        return {
            key: _joined(key, [value[key] for value in values], sizes, by_picture) for key in first
        }
    if isinstance(first, list) and all(
        len(value) == size and (by_picture or not _holds_batches(value, size))
        for value, size in zip(values, sizes, strict=True)
    ):
        return [entry for value in values for entry in value]  # one entry a picture
    if isinstance(first, (list, tuple)):
        if any(len(value) != len(first) for value in values):
            raise Apart(name)
        entries = zip(*values, strict=True)
        return type(first)(_joined(name, list(entry), sizes, by_picture) for entry in entries)
    if any(value != first for value in values):
        raise Apart(name)
    return first


def _shape(value: Any, size: int) -> Any:
    if isinstance(value, Tensor):
        shape = tuple(value.shape)
        return value.dtype, shape[1:] if shape and shape[0] == size else shape
    if isinstance(value, dict):
        return tuple((key, _shape(entry, size)) for key, entry in value.items())
    if isinstance(value, (list, tuple)) and len(value) == size and not _holds_batches(value, size):
        return (type(value), *{_shape(entry, 1) for entry in value})
    if isinstance(value, (list, tuple)):
        return (type(value), *(_shape(entry, size) for entry in value))
    return repr(value)


def _holds_batches(value: Sequence[Any], size: int) -> bool:
    """Return whether a list's tensors have a batch side each, as a ControlNet's residuals do."""
    return all(isinstance(v, Tensor) and v.ndim > 1 and len(v) == size for v in value)


def _joined_tensors(name: str, values: list[Tensor], sizes: list[int]) -> Tensor:
    first = values[0]
    if any(v.ndim != first.ndim or v.dtype != first.dtype for v in values):
        raise Apart(name)
    if first.ndim == 0:  # a timestep for all pictures of a call
        return torch.cat([v.expand(size) for v, size in zip(values, sizes, strict=True)])
    side = 1 if name in SECOND else 0
    batched = all(v.shape[side] == size for v, size in zip(values, sizes, strict=True))
    if batched and UNBATCHED.get(name) != first.ndim:
        others = [v.movedim(side, 0).shape[1:] for v in values]
        if any(shape != others[0] for shape in others):
            raise Apart(name)
        return torch.cat(values, side)
    if name not in UNBATCHED and first.ndim == 1 and all(len(v) == 1 for v in values):
        return torch.cat([v.expand(size) for v, size in zip(values, sizes, strict=True)])
    if any(not torch.equal(v, first) for v in values):
        raise Apart(name)
    return first
