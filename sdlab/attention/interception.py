"""Reads what a transformer's attention modules give to torch's own attention function.

Whatever a processor does before, norms, rotary embedding, joining text and picture, its last word
is ``scaled_dot_product_attention(query, key, value)``, called by itself or by diffusers' dispatch
of backends. A torch function mode sees that call and passes it on unchanged. The mode belongs to
the thread, and is on only while one of the watched modules computes, so other models and other
threads never meet it.

On a CPU that function is one kernel, which also knows the sum of all keys' exponentials and drops
it. Where only words are wanted it is asked for both: the same kernel, the same result bit for bit,
and the scores of the picture's keys, most of the work, need not be computed again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from sdlab.attention.layers import Layer, check_readable
from sdlab.attention.layouts import expected, places, text_of_call
from sdlab.attention.network_text import Text
from sdlab.attention.probabilities import Scores
from sdlab.errors import ModelError
from sdlab.pauses import under_way

if TYPE_CHECKING:
    from sdlab.attention.hooks import Call

ARGUMENTS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


class Heard(NamedTuple):
    """What one call of the attention function was given.

    Attributes:
        query: [B, H, N, d].
        key: [B, H or a part of them, L, d].
        scale: Factor of q k^T.
        mask: Broadcast to [B, H, N, L]; true where a query may look, or what is added to a score.
        causal: Whether a query looks only at what is before it.
        total: The logarithm of the sum of the keys' exponentials, [B, H, N], if it was asked for.
    """

    query: Tensor
    key: Tensor
    scale: float
    mask: Tensor | None
    causal: bool
    total: Tensor | None = None


class Listener(TorchFunctionMode):
    """Hears the calls of the attention function."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Heard] = []
        self.totals = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass a call on; of the attention function, keep what it is given."""
        if func is not scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        given = {**dict(zip(ARGUMENTS, args, strict=False)), **(kwargs or {})}
        heard = _heard(given)
        if self.totals and is_flash_on_cpu(given):
            output, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                given["query"], given["key"], given["value"], scale=given.get("scale")
            )
            self.heard.append(heard._replace(total=total))
            return output
        self.heard.append(heard)
        return func(*args, **(kwargs or {}))


class Watch:
    """Hooks on the attention modules of one network, for calls made in this thread.

    Args:
        network: The transformer.
        layers: The layers to read.
        receive: Called with every layer and its scores.
        lose: Called once with why they cannot be read, instead of raising it; nothing follows.
    """

    def __init__(
        self,
        network: Any,
        layers: Sequence[Layer],
        receive: Callable[[Layer, Scores], None],
        lose: Callable[[ModelError], None] | None = None,
    ) -> None:
        self._network = network
        self._layers = layers
        self._receive = receive
        self._lose = lose
        self._lost = False
        self._listener = Listener()
        self._text: Text | None = None
        self._flow = get_ident(), under_way()

    @contextmanager
    def attached(self, call: "Call | None" = None) -> Iterator[None]:
        """Set the hooks; remove them at the end.

        Args:
            call: Of the network, if it is being made already.

        Raises:
            ModelError: If a layer cannot be read, and nobody else hears it.
        """
        network = self._network
        handles = [network.register_forward_pre_hook(self._begin, with_kwargs=True)]
        try:
            with self._careful():
                check_readable(network, self._layers)
            if call is not None:
                self._begin(network, *call)
            for name, own in self._by_module().items() if not self._lost else ():
                module = network.get_submodule(name)
                handles.append(module.register_forward_pre_hook(self._enter(own)))
                handles.append(module.register_forward_hook(self._leave(own), always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _is_own(self) -> bool:
        """Return whether the call under way is of this thread, and not another's in a pause."""
        return (get_ident(), under_way()) == self._flow

    def _by_module(self) -> dict[str, list[Layer]]:
        found: dict[str, list[Layer]] = {}
        for layer in self._layers:
            found.setdefault(layer.module, []).append(layer)
        return found

    @contextmanager
    def _careful(self) -> Iterator[None]:
        """Tell of what cannot be read."""
        try:
            yield
        except ModelError as error:
            if self._lose is None:
                raise
            self._lost = True
            self._lose(error)

    def _begin(self, _: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Read the length of the text of a call of the network."""
        if self._is_own() and not self._lost:
            with self._careful():
                self._text = text_of_call(self._network, args, kwargs)

    def _enter(self, layers: Sequence[Layer]) -> Callable[[Any, Any], None]:
        only_words = len(layers) == 1 and layers[0].joint and layers[0].cross

        def enter(_: Any, __: Any) -> None:
            if not self._is_own():
                return
            self._listener.heard.clear()
            self._listener.totals = only_words
            self._listener.__enter__()  # type: ignore[no-untyped-call]

        return enter

    def _leave(self, layers: Sequence[Layer]) -> Callable[[Any, Any, Any], None]:
        def leave(_: Any, __: Any, output: Any) -> None:
            if not self._is_own():
                return
            self._listener.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            heard, self._listener.heard = self._listener.heard, []
            if output is not None and not self._lost:  # else the call failed
                with self._careful():
                    self._give(layers, heard)

        return leave

    def _give(self, layers: Sequence[Layer], heard: Sequence[Heard]) -> None:
        text = self._text
        assert text is not None
        one = _only(layers[0], heard, expected(self._network, layers[0], text))
        if layers[0].joint and text.rows is not None and len(set(text.rows)) > 1:
            one = _aligned(one, text, layers[0].cells)
        key, mask = one.key, one.mask
        if key.shape[1] != one.query.shape[1]:
            key = key.repeat_interleave(one.query.shape[1] // key.shape[1], dim=1)
        for layer in layers:
            lengths = one.query.shape[2], key.shape[2]
            found = places(self._network, layer, text, *lengths)
            own = mask if mask is None or mask.shape[2] == 1 else mask[:, :, found.queries]
            query = one.query[:, :, found.queries]
            scores = Scores(query, key, one.scale, found.keys, own, text.given)
            if one.total is not None:
                words = slice(0, found.keys.stop - found.keys.start)
                total = one.total[:, :, found.queries]
                scores = scores._replace(key=key[:, :, found.keys], keys=words, total=total)
            self._receive(layer, scores)


def is_flash_on_cpu(given: Mapping[str, Any]) -> bool:
    """Return whether torch would compute a call by its kernel for a CPU, which knows the sums too.

    Args:
        given: Arguments of the attention function by name.
    """
    query, key, value = (given[name] for name in ("query", "key", "value"))
    plain = (
        query.device.type == "cpu"
        and query.ndim == 4
        and query.shape[:2] == key.shape[:2]
        and given.get("attn_mask") is None
        and not given.get("dropout_p")
        and not given.get("is_causal")
        and not any(x.requires_grad for x in (query, key, value))
        and not torch._C._len_torch_function_stack()
    )
    if not plain:
        return False
    choice = torch._fused_sdp_choice(query, key, value, scale=given.get("scale"))
    return bool(choice == SDPBackend.FLASH_ATTENTION.value)


def _heard(given: Mapping[str, Any]) -> Heard:
    query, mask = given["query"].detach(), given.get("attn_mask")
    scale = given.get("scale")
    if mask is not None:
        mask = mask.detach()[(None,) * (4 - mask.ndim)]
    scale = float(query.shape[-1] ** -0.5 if scale is None else scale)
    causal = bool(given.get("is_causal", False))
    return Heard(query, given["key"].detach(), scale, mask, causal)


def _only(layer: Layer, heard: Sequence[Heard], lengths: tuple[int, int]) -> Heard:
    """Return the one call that is the layer's own; adapters make others, with keys of their own.

    Raises:
        ModelError: If there is none, or several.
    """
    if len(heard) > 1:
        heard = [one for one in heard if one.key.shape[2] == lengths[1]]
    if len(heard) != 1 or heard[0].causal or heard[0].query.ndim != 4:
        raise ModelError(
            f"{layer.module} calls torch's attention {len(heard)} times"
            " with this text and picture; this recorder reads modules that call it once. Switch"
            " off what changes attention (perturbed-attention guidance, adapters, linear attention)"
            " or record no attention."
        )
    return heard[0]


def _aligned(one: Heard, text: Text, cells: int) -> Heard:
    """Return the same with the picture of every row at the same place.

    A row is its text, its picture, and pads up to the longest row. The pads, which nobody looks at,
    go behind its text.
    """
    order = []
    for words in text.rows or ():
        picture = range(words, words + cells)
        order.append([*range(words), *range(words + cells, text.length + cells), *picture])
    index = torch.tensor(order, device=one.query.device)
    query, key = (_taken(x, index, 2) for x in (one.query, one.key))
    mask = one.mask
    if mask is not None:
        mask = _taken(mask, index, 3)
        mask = mask if mask.shape[2] == 1 else _taken(mask, index, 2)
    return one._replace(query=query, key=key, mask=mask)


def _taken(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Return x with one of its last two sides in each row's own order, index [B, n]."""
    x = x.expand(len(index), -1, -1, -1)
    shape = [len(index), 1, 1, 1]
    shape[dim] = index.shape[1]
    size = list(x.shape)
    size[dim] = index.shape[1]
    return x.gather(dim, index.view(shape).expand(size))
