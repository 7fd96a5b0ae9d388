"""Puts switches into a network for some of its calls and takes every trace of them out again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sdlab.causes.switch import Place, Switch
from sdlab.errors import ModelError, check_types
from sdlab.models.model import Model

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def switched(
    model: Model,
    switches: Sequence[Switch],
    *,
    begin: int = 0,
    guided: bool = True,
    call: dict[str, Any] | None = None,
) -> Iterator[None]:
    """Switch parts of a model's denoising network within the block; then restore it.

    The calls of the network within the block are counted as evaluations, from ``begin`` on; a
    switch acts in those of its range. Whatever happens within the block, the hooks are gone after
    it; without switches there are none.

        with switched(model, [SkipScaled("up_blocks.1", first=5)]):
            picture = model.pipeline("a parrot").images[0]

    Args:
        model: The loaded model, of any family whose network the switches fit.
        switches: What to switch; of several on one place the first acts first.
        begin: The number of the first evaluation made within the block.
        guided: Whether a batch of an even number of rows is [uncond, cond], as diffusers' pipelines
            lay it out with guidance. What is said of the prompt's text is done to its second half,
            or without guidance to all rows.
        call: Arguments by name of the one call of the network made within the block, if it is made
            by its ``forward``, which calls no hooks of the network's own. A switch of the network's
            arguments changes them here.

    Raises:
        ValueError: If a block, a channel or a position is not there; lists those that are.
        ModelError: If the network is compiled, or of a kind that cannot be switched so.
        TypeError: If ``model`` is no ``Model``.
    """
    check_types(switched, model=(model, Model))
    for switch in switches:
        switch.check(model)
    if not switches:
        yield
        return
    _check_hooks(model.network)
    number = begin if call is not None else begin - 1

    def count(_: Any, __: Any) -> None:
        nonlocal number
        number += 1

    handles: list[Any] = []
    try:
        if call is None:
            handles.append(model.network.register_forward_pre_hook(count))
        place = Place(model, lambda switch: switch.acts(number), guided, call)
        for switch in switches:
            handles.extend(switch.attach(place))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check_hooks(network: "nn.Module") -> None:
    compiled = getattr(network, "_compiled_call_impl", None) is not None
    if compiled or hasattr(network, "_orig_mod"):
        raise ModelError(
            "The network is compiled, and compiled code calls no hooks: load the model without"
            " compiling it to switch its parts."
        )
