"""Which outputs of a network are the two halves of guidance, told by what the scheduler is given.

Between two of its scheduler's steps a pipeline calls its network once for both halves, once for
each, or once without guidance, and combines them as it likes. Nothing is taken for granted: outputs
count as halves only if guidance by them gives what the scheduler is given, up to rounding. The
ways known are those of diffusers' pipelines:

- guided = uncond + s (cond - uncond), for whatever s;
- the same with the opposite sign, where the scheduler wants what the network has negated;
- the same rescaled to the spread of cond (Lin et al. 2023, arXiv 2305.08891, section 3.4);
- the same scaled to the norm of cond along the last side, as Qwen-Image does;
- the first with p (cond - perturbed) added, for whatever p: perturbed attention guidance
  (Ahn et al. 2024, arXiv 2403.17377), whose three rows a picture are uncond, cond, perturbed.

Which is which follows from s, above 1/2 as any guidance is: cond has the greater weight. Only
where the call itself guides by a negative prompt is the other one taken for its half: a perturbed
output is steered away from by the same formula.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDINGS = 8
"""Relative roundings of the number type that what is given may be off, of the largest terms."""
SCALED_ROUNDINGS = 32
"""The same where a standard deviation or norm, itself rounded, is divided by another."""


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
        rescale: Guidance rescale, 0 ... 1.
        guides: Whether it may guide by a negative prompt.
        perturbed: Whether it guides by perturbed attention.
    """

    scales: tuple[float, ...] = ()
    rescale: float = 0.0
    guides: bool = True
    perturbed: bool = False


UNKNOWN = Halves(None, None)


class HalvesFinder:
    """Finds the halves of one evaluation after another; what fitted last is tried first."""

    def __init__(self) -> None:
        self._ways: list[Callable[..., Halves | None]] = [
            _plain,
            _opposite,
            _rescaled,
            _of_cond_norm,
            _of_cond_norm_opposite,
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
            parts = arranged(outputs[-count:], given)
            for way in self._ways if parts else ():
                found = way(parts, given, asked)
                if found is not None:
                    self._ways.remove(way)
                    self._ways.insert(0, way)
                    return found if asked.guides else found._replace(uncond=None)
        return UNKNOWN


def arranged(outputs: "Sequence[Tensor]", given: "Tensor") -> "tuple[Tensor, ...]":
    """Return up to three tensors shaped as ``given``: all outputs, in order; () if they do not fit.

    More channels (a learned variance) or places (of a picture to be edited) than those given are
    cut off behind, and sides of 1 go.
    """
    fitting = [_fitted(output, given) for output in outputs]
    parts = [part for one in fitting if one is not None for part in one.split(len(given))]
    whole = all(one is not None for one in fitting) and all(p.shape == given.shape for p in parts)
    return tuple(parts) if whole and 1 <= len(parts) <= 3 else ()


def _fitted(output: "Tensor", given: "Tensor") -> "Tensor | None":
    """Return an output with the sides of ``given`` behind the first, or None."""
    if output.ndim != given.ndim:
        sides = [side for side in output.shape[1:] if side != 1]
        if sides != [side for side in given.shape[1:] if side != 1]:
            return None
        return output.reshape(len(output), *given.shape[1:])
    for dim in range(1, given.ndim):
        if output.shape[dim] < given.shape[dim]:
            return None
        output = output.narrow(dim, 0, given.shape[dim])
    return output


def _plain(
    pair: "tuple[Tensor, ...]", given: "Tensor", asked: Asked, sign: float = 1.0
) -> Halves | None:
    import torch

    if len(pair) > 2:
        return None
    first, target = (x.to(_wide(x)) for x in (pair[0], given))
    first, eps = sign * first, max(_eps(x) for x in (given, *pair))
    if len(pair) == 1:
        return Halves(_signed(pair[0], sign), None) if _near(target, first, eps, first) else None
    difference = sign * pair[1].to(first.dtype) - first
    scale = ((target - first) * difference).sum() / difference.square().sum()
    scale = scale.nan_to_num(1.0)  # of two equal halves
    length = difference.abs().max()
    off = (target - first - scale * difference).abs().max()
    size = first.abs().max() + scale.abs() * length
    s, off, size, length = torch.stack([scale, off, size, length]).tolist()
    if not off <= ROUNDINGS * eps * size:
        return None
    if abs(s * (s - 1.0)) * length <= ROUNDINGS * eps * size and length > 0:  # one half is not used
        return Halves(_signed(pair[0 if s < 0.5 else 1], sign), None, s < 0.5)
    if 0.0 < s < 1.0:  # a mean of two is no guidance
        return None
    return _ordered(pair, s < 0.5, sign)


def _opposite(pair: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    return _plain(pair, given, asked, sign=-1.0)


def _rescaled(pair: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    if not asked.rescale:
        return None
    return _scaled(pair, given, asked, lambda g, cond: rescale_noise_cfg(g, cond, asked.rescale))


def _of_cond_norm(
    pair: "tuple[Tensor, ...]", given: "Tensor", asked: Asked, sign: float = 1.0
) -> Halves | None:
    def scaled(guided: "Tensor", cond: "Tensor") -> "Tensor":
        length, wanted = (x.square().sum(-1, keepdim=True).sqrt() for x in (guided, cond))
        return sign * guided * (wanted / length)

    return _scaled(pair, given, asked, scaled, sign)


def _of_cond_norm_opposite(
    pair: "tuple[Tensor, ...]", given: "Tensor", asked: Asked
) -> Halves | None:
    return _of_cond_norm(pair, given, asked, sign=-1.0)


def _perturbed(parts: "tuple[Tensor, ...]", given: "Tensor", asked: Asked) -> Halves | None:
    if len(parts) != 3 or not asked.perturbed:
        return None
    uncond, cond, perturbed = (x.to(_wide(given)) for x in parts)
    eps = max(_eps(x) for x in (given, *parts))
    away, target = cond - perturbed, given.to(uncond.dtype)
    for scale in asked.scales:
        guided = uncond + scale * (cond - uncond)
        weight = ((target - guided) * away).sum() / away.square().sum()
        rest = weight.nan_to_num(0.0) * away
        if _near(target, guided + rest, eps, uncond, scale * (cond - uncond), rest):
            return Halves(parts[1], parts[0])
    return None


def _scaled(
    pair: "tuple[Tensor, ...]",
    given: "Tensor",
    asked: Asked,
    scaled: "Callable[[Tensor, Tensor], Tensor]",
    sign: float = 1.0,
) -> Halves | None:
    """Return the halves if guidance by a scale that the call names, scaled, is ``given``."""
    if len(pair) != 2:
        return None
    eps = SCALED_ROUNDINGS / ROUNDINGS * max(_eps(x) for x in (given, *pair))
    target = given.to(_wide(given))
    for swapped in (False, True):
        uncond, cond = (x.to(target.dtype) for x in (pair[::-1] if swapped else pair))
        for scale in asked.scales:
            own = scaled(uncond + scale * (cond - uncond), cond)
            if _near(target, own, eps, uncond, scale * (cond - uncond)):
                return _ordered(pair, swapped, sign)
    return None


def _near(target: "Tensor", own: "Tensor", eps: float, *terms: "Tensor") -> bool:
    size = sum(term.abs().max() for term in terms)
    return bool((target - own).abs().max() <= ROUNDINGS * eps * size)


def _ordered(pair: "tuple[Tensor, ...]", swapped: bool, sign: float) -> Halves:
    uncond, cond = pair[::-1] if swapped else pair
    return Halves(_signed(cond, sign), _signed(uncond, sign), swapped)


def _signed(x: "Tensor", sign: float) -> "Tensor":
    return x if sign > 0 else -x


def _eps(x: "Tensor") -> float:
    import torch

    return torch.finfo(x.dtype).eps


def _wide(x: "Tensor") -> "torch.dtype":
    import torch

    return torch.float32 if x.device.type == "mps" else torch.float64
