"""Which block of a U-Net gets what an earlier block has made, found by looking.

On the way up a ResBlock is given the channels that come from below and, behind them, those of an
earlier block of the same resolution. Nothing in the network's names says which, so during one call
the last channels of what a block is given are compared with what earlier blocks have put out: the
latest that is equal, number for number, is where the skip comes from.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sdlab.anatomy.watching import hooked

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def finding_skips(blocks: "Mapping[str, nn.Module]") -> Iterator[dict[str, str]]:
    """Give, for the one call inside the ``with``, which block gets the output of which other.

    Args:
        blocks: By name, whose outputs [B, C, h, w] are kept until the call's end.
    """
    outputs: dict[str, Tensor] = {}
    skips: dict[str, str] = {}

    def before(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any) -> None:
            source = _source(args[0] if args else None, outputs)
            if source is not None:
                skips[name] = source

        return hook

    def after(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, output: Any) -> None:
            x = output[0] if isinstance(output, tuple) else output
            if hasattr(x, "ndim") and x.ndim == 4:
                outputs[name] = x

        return hook

    with hooked(blocks, before, after):
        yield skips
    outputs.clear()


def _source(x: Any, outputs: "dict[str, Tensor]") -> str | None:
    """Return the latest block whose output makes up the last, but not all, channels of ``x``."""
    import torch

    if not isinstance(x, torch.Tensor) or x.ndim != 4:
        return None
    for name, made in reversed(outputs.items()):
        channels = made.shape[1]
        fits = channels < x.shape[1] and made.shape[2:] == x.shape[2:] and len(made) == len(x)
        if fits and torch.equal(x[:, -channels:], made):
            return name
    return None
