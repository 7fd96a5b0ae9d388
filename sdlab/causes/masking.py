"""Hides tokens from each other inside a transformer's attention, without touching its modules.

The attention module calls torch's ``scaled_dot_product_attention``; while it computes, a torch
function mode gives that call a mask more. The weights of what is still seen sum to 1 again
(attention knockout: Geva et al. 2023, arXiv 2304.14767, section 4).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from sdlab.attention.interception import ARGUMENTS
from sdlab.attention.layers import Layer, check_readable, find_layers
from sdlab.attention.layouts import layout_of, places
from sdlab.attention.network_text import Text, latents_size, text_of
from sdlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.layouts import Places
    from sdlab.causes.switch import Place, Switch

ANY_SIZE = (64, 64)  # the layers' names do not depend on it
Hide = Callable[["Tensor", "Places"], None]
"""Sets to False what is not to be seen in [B, 1, Q, K], given where picture and words are."""


def layers_with_text(network: Any) -> list[Layer]:
    """Return the layers of a transformer by which the picture looks at the text.

    Raises:
        ModelError: If its class is not known.
    """
    return [layer for layer in find_layers(network, ANY_SIZE) if layer.cross]


def hiding(place: "Place", switch: "Switch", names: Sequence[str], hide: Hide) -> Iterator[Any]:
    """Hide tokens in the attention modules of some layers; yields the handles that undo it.

    Args:
        place: Where the switch is put in.
        switch: Says in which evaluations it acts.
        names: Of the layers, among ``layers_with_text``.
        hide: Says what is hidden.

    Raises:
        ModelError: If a module does not compute by torch's own attention function.
    """
    network: Any = place.network
    check_readable(network, [one for one in layers_with_text(network) if one.name in names])
    masking = _Masking(network, hide)
    yield from place.before_network(masking.read)
    for name in names:
        module = network.get_submodule(name)

        def enter(_: Any, __: Any, name: str = name) -> None:
            if place.on(switch):
                masking.begin(name)

        def leave(_: Any, __: Any, ___: Any) -> None:
            masking.end()

        yield module.register_forward_pre_hook(enter)
        yield module.register_forward_hook(leave, always_call=True)


class _Masking(TorchFunctionMode):
    """Gives the attention function a mask while a module computes."""

    def __init__(self, network: Any, hide: Hide) -> None:
        super().__init__()
        self._network, self._hide = network, hide
        self._text = Text(0)
        self._layers: dict[str, Layer] = {}
        self._layer: Layer | None = None

    def read(self, given: dict[str, Any]) -> None:
        """Read where text and picture are from what the network is called with."""
        self._text = text_of(self._network, layout_of(self._network), given)
        if len(set(self._text.rows or ())) > 1:
            raise ModelError(
                f"{type(self._network).__name__} is given texts of different lengths in one call,"
                " whose words cannot be hidden. Draw without guidance (guidance_scale 1)."
            )
        found = find_layers(self._network, latents_size(self._network, given))
        self._layers = {layer.name: layer for layer in found}

    def begin(self, name: str) -> None:
        """Let a module begin."""
        self._layer = self._layers[name]
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Let it end, if it has begun."""
        if self._layer is not None:
            self._layer = None
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass a call on; the attention function's with a mask more."""
        if func is not scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        given = {**dict(zip(ARGUMENTS, args, strict=False)), **(kwargs or {})}
        return func(**{**given, "attn_mask": self._mask(given)})

    def _mask(self, given: dict[str, Any]) -> "Tensor":
        import torch

        assert self._layer is not None
        query, before = given["query"], given.get("attn_mask")
        queries, keys = query.shape[2], given["key"].shape[2]
        found = places(self._network, self._layer, self._text, queries, keys)
        seen = torch.ones(len(query), 1, queries, keys, dtype=torch.bool, device=query.device)
        self._hide(seen, found)
        if before is None:
            return seen
        both: Tensor
        if before.dtype == torch.bool:
            both = seen & before
        else:
            both = before.masked_fill(~seen, float("-inf"))
        return both
