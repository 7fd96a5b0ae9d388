"""Which outputs of a network are the two halves of guidance, told by what the scheduler is given.

Between two of its scheduler's steps a pipeline calls its network once for both halves, once for
each, or once without guidance, and combines them as it likes. Nothing is taken for granted: outputs
count as halves only if guidance by them gives what the scheduler is given, up to rounding. The
ways known are those of diffusers' pipelines:

- guided = uncond + s (cond - uncond), for whatever s;
- the same with the opposite sign, where the scheduler wants what the network has negated;
- guided by a scale that the call names, times a factor for each picture, such as one to the spread
  of cond (Lin et al. 2023, arXiv 2305.08891, section 3.4), or for each row along the last side, as
  Qwen-Image scales to the norm of cond;
- the first with p (cond - perturbed) added, for whatever p: perturbed attention guidance
  (Ahn et al. 2024, arXiv 2403.17377), whose three rows a picture are uncond, cond, perturbed.

Which is which follows from s, above 1/2 as any guidance is: cond has the greater weight. Only
where the call itself guides by a negative prompt is the other one taken for its half: a perturbed
output is steered away from by the same formula.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

ROUNDINGS = 4
"""Relative roundings of the number type, of the terms of each number, that it may be off."""
SHORTEST = 8
"""Numbers along the last side below which a factor for each row of them would prove nothing."""


class Halves(NamedTuple):
    """Outputs of a network as its scheduler takes them, each shaped as what that is given.

    Attributes:
        cond: Given the prompt; None if it cannot be told.
        uncond: Given the negative prompt; None without guidance, or if it cannot be told.
        swapped: Whether the conditional half came before the other.
    """

    cond: "Tensor | None"
    uncond: "Tensor | None"
    swapped: bool = False


class Asked(NamedTuple):
    """What a call says of its guidance.

    Attributes:
        scales: Guidance scales that it may mean, the likeliest first.
        guides: Whether it may guide by a negative prompt.
        perturbed: Whether it guides by perturbed attention.
    """

    scales: tuple[float, ...] = ()
    guides: bool = True
    perturbed: bool = False


UNKNOWN = Halves(None, None)


class HalvesFinder:
    """Finds the halves of one evaluation after another; what fitted last is tried first."""

    def __init__(self) -> None:
        self._ways: list[Callable[..., Halves | None]] = [
            _plain,
            _opposite,
            _times_a_factor,
            _times_factors,
            _perturbed,
        ]

    def find(self, outputs: "Sequence[Tensor]", given: "Tensor", asked: Asked) -> Halves:
        """Return the halves, or ``UNKNOWN``.

        Args:
            outputs: What the network returned for each of its calls since the last step, [rows,
                ...].
            given: What the scheduler is given, [pictures, ...].
            asked: What the call says of its guidance.
        """
        for count in dict.fromkeys((len(outputs), 2, 1)):  # others may be for another use
            for behind in (False, True):
                parts = arranged(outputs[-count:], given, behind)
                for way in self._ways if parts else ():
                    found = way(parts, given, asked)
                    if found is not None:
                        self._ways.remove(way)
                        self._ways.insert(0, way)
                        return found if asked.guides else found._replace(uncond=None)
        return UNKNOWN


def tensor_of(output: Any) -> "Tensor | None":
    """Return the tensor that a network's output holds, [rows, ...]."""
    import torch

    while not isinstance(output, torch.Tensor):
        if hasattr(output, "to_tuple"):
            output = output.to_tuple()
        if not isinstance(output, (tuple, list)) or not output:
            return None
        alike = isinstance(output, list) and all(isinstance(x, torch.Tensor) for x in output)
        if alike:
            same = len({x.shape for x in output}) == 1
            return torch.stack(output).detach() if same else None
        output = output[0]
    return output.detach()


def arranged(
    outputs: "Sequence[Tensor]", given: "Tensor", behind: bool = False
) -> "tuple[Tensor, ...]":
    """Return up to three tensors shaped as ``given``: all outputs, in order; () if they do not fit.

    More channels (a learned variance) or places (of a picture to be edited) than those given are
    cut off, and sides of 1 go.

    Args:
        outputs: Of the network, [rows, ...].
        given: [pictures, ...].
        behind: Whether what is wanted stands last, not first; () where there is nothing to cut off.
    """
    fitting = [_fitted(output, given, behind) for output in outputs]
    pairs = zip(fitting, outputs, strict=True)
    if behind and all(one is None or one.shape == output.shape for one, output in pairs):
        return ()
    parts = [part for one in fitting if one is not None for part in one.split(len(given))]
    whole = all(one is not None for one in fitting) and all(p.shape == given.shape for p in parts)
    return tuple(parts) if whole and 1 <= len(parts) <= 3 else ()


def _fitted(output: "Tensor", given: "Tensor", behind: bool) -> "Tensor | None":
    """Return an output with the sides of ``given`` behind the first, or None."""
    if output.ndim != given.ndim:
        sides = [side for side in output.shape[1:] if side != 1]
        if sides != [side for side in given.shape[1:] if side != 1]:
            return None
        return output.reshape(len(output), *given.shape[1:])
    for dim in range(1, given.ndim):
        more = output.shape[dim] - given.shape[dim]
        if more < 0:
            return None
        output = output.narrow(dim, more if behind else 0, given.shape[dim])
    return output


def _plain(
    parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked, sign: float = 1.0
) -> Halves | None:
    import torch

    if len(parts) > 2:
        return None
    target, first, *rest = _wide(given, *parts)
    eps = _eps(given, *parts)
    if len(parts) == 1:
        near = _near(target, sign * first, eps * first.abs())
        return Halves(_signed(parts[0], sign), None) if bool(near) else None
    second = rest[0]
    difference = second - first
    scale = ((sign * target - first) * difference).sum() / difference.square().sum()
    scale = scale.nan_to_num(1.0)  # of two equal halves
    bound = eps * ((1.0 - scale).abs() * first.abs() + scale.abs() * second.abs())
    near = _near(sign * target, first + scale * difference, bound)
    alike = (difference == 0.0).all()
    s, near, alike = torch.stack([scale, near.to(scale), alike.to(scale)]).tolist()
    if not near:
        return None
    if alike:
        return _ordered(parts, False, sign)
    if min(abs(s), abs(s - 1.0)) < 0.01:  # one of them is not used
        return Halves(_signed(parts[0 if s < 0.5 else 1], sign), None, s < 0.5)
    return None if 0.0 < s < 1.0 else _ordered(parts, s < 0.5, sign)  # a mean is no guidance


def _opposite(parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    return _plain(parts, given, asked, sign=-1.0)


def _times_a_factor(parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    return _scaled(parts, given, asked, tuple(range(1, given.ndim)))


def _times_factors(parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    return _scaled(parts, given, asked, (-1,)) if given.shape[-1] >= SHORTEST else None


def _scaled(
    parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked, along: tuple[int, ...]
) -> Halves | None:
    """Return the halves if guidance by a scale of the call's, times factors, gives ``given``.

    Args:
        parts: The outputs.
        given: What the scheduler is given.
        asked: What the call says.
        along: The sides that share a factor.
    """
    import torch

    if len(parts) != 2:
        return None
    target, *pair = _wide(given, *parts)
    for swapped in (False, True):
        uncond, cond = reversed(pair) if swapped else pair
        for scale in asked.scales:
            guided = uncond + scale * (cond - uncond)
            factor = (target * guided).sum(along, True) / guided.square().sum(along, True)
            factor = factor.nan_to_num(1.0)
            terms = abs(1.0 - scale) * uncond.abs() + abs(scale) * cond.abs()
            near = _near(target, factor * guided, _eps(given, *parts) * factor.abs() * terms)
            low, high = factor.min(), factor.max()
            near, low, high = torch.stack([near.to(low), low, high]).tolist()
            if near and low * high > 0.0:
                return _ordered(parts, swapped, 1.0 if low > 0.0 else -1.0)
    return None


def _perturbed(parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    if len(parts) != 3 or not asked.perturbed:
        return None
    target, uncond, cond, perturbed = _wide(given, *parts)
    away = cond - perturbed
    for scale in asked.scales:
        guided = uncond + scale * (cond - uncond)
        weight = (((target - guided) * away).sum() / away.square().sum()).nan_to_num(0.0)
        terms = abs(1.0 - scale) * uncond.abs() + abs(scale) * cond.abs()
        terms = terms + weight.abs() * (cond.abs() + perturbed.abs())
        if bool(_near(target, guided + weight * away, _eps(given, *parts) * terms)):
            return Halves(parts[1], parts[0])
    return None


def _near(target: "Tensor", own: "Tensor", rounding: "Tensor") -> "Tensor":
    """Return whether two are equal up to some roundings of each number."""
    return ((target - own).abs() <= ROUNDINGS * rounding).all()


def _ordered(parts: "tuple[Tensor, ...]", swapped: bool, sign: float) -> Halves:
    uncond, cond = parts[::-1] if swapped else parts
    return Halves(_signed(cond, sign), _signed(uncond, sign), swapped)


def _signed(x: "Tensor", sign: float) -> "Tensor":
    return x if sign > 0 else -x


def _eps(*tensors: "Tensor") -> float:
    """Return the relative rounding of the coarsest of their number types."""
    import torch

    return max(torch.finfo(x.dtype).eps for x in tensors)


def _wide(*tensors: "Tensor") -> "list[Tensor]":
    """Return them in the widest number type that their device has."""
    import torch

    wide = torch.float32 if tensors[0].device.type == "mps" else torch.float64
    return [x.to(wide) for x in tensors]
