"""A computation that others may go before in its midst, without a change to what it computes.

It runs in a greenlet of its own. Before each layer of the networks that it calls, a hook asks
whether to pause; if so, whoever drives it goes on with other work and comes back later. Nothing is
split, neither rows nor a layer, so the result is the same bit for bit. What torch keeps for the
whole thread (gradients, autocast, random numbers) is kept apart at every pause, see
``thread_mode``.

A network is left whole where its state would be others' too: while accelerate or a cache of
diffusers' hooks it, while it is compiled, and a VAE that carries something from one layer's call
to the next. Inside a layer whose attention is being read there is no pause either.
"""

import contextvars
from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import greenlet
import torch

from sdlab.pauses import going_on, paused, under_way
from sdlab.sampling.sliced_attention import SlicedAttention
from sdlab.sampling.thread_mode import ThreadMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

AHEAD = 8
"""On CUDA: how many layers may be launched before the first of them has been computed."""
HELD_BY_OTHERS = ("_hf_hook", "_diffusers_hook")
_PLAIN_VAES = ("AutoencoderKL",)


class _GivenUp(BaseException):
    """Unwinds a computation that nobody wants any more."""


class Pausable:
    """A function's call that may pause.

    Args:
        work: What to call; its result is dropped.
        layers: Before each of their calls it may pause; hooks are on them until it is over.
        attentions: Modules whose large attention it computes in slices, between which it may pause.
        pause: Asked before each layer, in the same thread.
        device: Where it computes.

    Attributes:
        seconds: What it has taken so far, without its pauses.
    """

    def __init__(
        self,
        work: Callable[[], object],
        layers: "Iterable[nn.Module]",
        attentions: "Iterable[nn.Module]",
        pause: Callable[[], bool],
        device: torch.device,
    ) -> None:
        self._work = work
        self._layers, self._attentions = list(layers), list(attentions)
        self._slices = SlicedAttention(self._rest)
        self._slicing = False
        self._pause = pause
        self._device = device
        self._at = self._run = greenlet.greenlet(self._call)
        self._run.gr_context = contextvars.copy_context()
        self._hub: greenlet.greenlet | None = None
        self._mode = ThreadMode()
        self._since = perf_counter()
        self._paused = paused()
        self._launched: list[Any] = []
        self.seconds = 0.0

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return bool(self._run.dead)

    def go(self) -> None:
        """Go on until the next pause or to the end; what it raises is raised here.

        Must be called in the thread that made it.
        """
        self._switch(self._at.switch)

    def close(self) -> None:
        """Unwind it where it stands: its ``finally`` blocks run, its hooks come off."""
        if self._run and not self.over:
            self._switch(lambda: self._at.throw(_GivenUp))

    def _switch(self, switch: Callable[[], object]) -> None:
        own, begun = ThreadMode(), perf_counter()
        self._paused += begun - self._since
        self._hub = self._run.parent = greenlet.getcurrent()
        self._mode.restore()
        try:
            with going_on(self, self._paused):
                switch()
        except _GivenUp:
            pass
        finally:
            self._mode.read()
            own.restore()
            self._hub, self._since = None, perf_counter()
            self.seconds += self._since - begun

    def _call(self) -> None:
        with self._watched():
            self._work()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @contextmanager
    def _watched(self) -> "Iterator[None]":
        with ExitStack() as stack:
            for layer in self._layers:
                stack.callback(layer.register_forward_pre_hook(self._before).remove)
            for module in self._attentions:
                stack.callback(module.register_forward_pre_hook(self._slice).remove)
                stack.callback(module.register_forward_hook(self._whole, always_call=True).remove)
            try:
                yield
            finally:
                self._whole()  # an error that hooks do not hear of

    def _slice(self, *_: object) -> None:
        """Compute attention in slices from here on; the hook before an attention module."""
        if under_way() is self and not self._slicing:
            self._slicing = True
            self._slices.__enter__()  # type: ignore[no-untyped-call]

    def _whole(self, *_: object) -> None:
        """Leave attention as it is; the hook after an attention module."""
        if under_way() is self and self._slicing:
            self._slicing = False
            self._slices.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _before(self, *_: object) -> None:
        """Pause if that is wanted; the hook of every layer."""
        if under_way() is not self:
            return  # another's call of the same layer
        if self._device.type == "cuda":
            self._keep_up()
        if self._slicing:
            self._slices.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            try:
                self._rest()
            finally:
                self._slices.__enter__()  # type: ignore[no-untyped-call]
        else:
            self._rest()

    def _rest(self) -> None:
        """Pause if that is wanted and nothing of this computation is on for the whole thread."""
        if not torch._C._len_torch_function_stack() and self._pause():
            assert self._hub is not None
            self._at = greenlet.getcurrent()
            self._hub.switch()

    def _keep_up(self) -> None:
        """Wait until the device has computed what was launched some layers ago."""
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        self._launched.append(event)
        if len(self._launched) > AHEAD:
            self._launched.pop(0).synchronize()


def layers_of(network: "nn.Module | None") -> "list[nn.Module]":
    """Return the layers of a network before which its call may pause; none if it must be whole."""
    if network is None or not hasattr(network, "modules"):
        return []
    parts = list(network.modules())
    held = any(name in vars(part) for part in parts for name in HELD_BY_OTHERS)
    compiled = any(getattr(part, "_compiled_call_impl", None) for part in parts)
    kind = type(network).__name__
    carries = "Autoencoder" in kind and kind not in _PLAIN_VAES
    if held or compiled or carries or kind == "OptimizedModule":
        return []
    return [part for part in parts if next(part.children(), None) is None]


def attentions_of(network: "nn.Module") -> "list[nn.Module]":
    """Return the attention modules of a network: those with a processor."""
    return [part for part in network.modules() if hasattr(part, "processor")]
