"""A diffusers pipeline's call as a process: it yields where it wants its network, like a solver.

The call runs in a greenlet of its own. While the engine holds a model, the network's ``forward`` is
replaced on the instance: inside such a greenlet it hands its arguments to whoever drives the
process and returns what that one sends back; anywhere else, and where a pipeline wants gradients
(attend-and-excite moves its latents along one), it is the network's own. All else is
the pipeline's code, so words, packing, masks, ControlNets and guidance are as its authors wrote
them, and a process driven alone gives the pipeline's own result bit for bit.

Whether gradients and autocast are on belongs to the thread, not to the greenlet, so both are kept
apart at every switch. So are torch's global random numbers, which some pipelines draw from beside
the generator that they are given: each run has its own, and nobody else's are moved.
"""

import contextvars
import inspect
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import greenlet
import torch
from torch import nn

from sdlab.sampling.thread_mode import ThreadMode


class Call(NamedTuple):
    """What a pipeline asks of a network.

    Attributes:
        network: The pipeline's name for it, "unet" or "transformer".
        arguments: Its ``forward``'s arguments by name, in the order of its signature.
    """

    network: str
    arguments: dict[str, Any]


Process = Generator[Call, Any, Any]
"""Yields calls, is sent what ``forward`` is to return, and returns what the pipeline returns."""


class _Run(greenlet.greenlet):  # type: ignore[misc]
    """The greenlet of one pipeline call."""


def pipeline_process(call: Callable[[], Any], seed: int | None = None) -> Process:
    """Return a call of a pipeline as a process.

    Its networks must be ``intercepted``. ``close()`` unwinds the call: its ``finally`` blocks run,
    and the pipeline is as before. It must be driven in one thread.

    Args:
        call: Calls the pipeline, ``lambda: pipe("a parrot", generator=...)``.
        seed: What torch's global random numbers begin with for this call, as after
            ``torch.manual_seed(seed)``. None takes them as they stand.
    """
    run, mode = _Run(call), ThreadMode()
    if seed is not None:
        mode.seed(seed)
    run.gr_context = contextvars.copy_context()

    def switch(*answer: Any) -> Any:
        own = ThreadMode()
        mode.restore()
        run.parent = greenlet.getcurrent()
        try:
            return run.switch(*answer)
        finally:
            mode.read()
            own.restore()

    try:
        asked = switch()
        while not run.dead:
            asked = switch((yield asked))
        return asked
    finally:
        if not run.dead:
            own = ThreadMode()
            mode.restore()
            run.parent = greenlet.getcurrent()
            try:
                run.throw(greenlet.GreenletExit)
            finally:
                own.restore()


def ask(question: Any) -> Any:
    """Hand something to whoever drives the process that this runs in; return the answer.

    Raises:
        RuntimeError: If it runs in no process.
    """
    current = greenlet.getcurrent()
    if not isinstance(current, _Run) or current.parent is None:
        raise RuntimeError("nobody drives this call: it runs in no process.")
    return current.parent.switch(question)


@dataclass
class _Intercepted:
    """A network while others may ask for its outputs: how often it is held, what it was before."""

    network: nn.Module
    real: Callable[..., Any]
    before: Callable[..., Any] | None
    times: int = 0


_INTERCEPTED: dict[int, _Intercepted] = {}
_LOCK = threading.Lock()


@contextmanager
def intercepting(networks: Mapping[str, nn.Module]) -> Iterator[Mapping[str, Callable[..., Any]]]:
    """Let processes ask for these networks' outputs; give what calls them for real, by name.

    Several may hold a network at once, in one thread or in many.

    Args:
        networks: Modules under the pipeline's names. What a library has put in the place of their
            ``forward`` (accelerate's offloading) is taken for the real one, and put back.
    """
    with _LOCK:
        reals = {name: _intercept(name, network) for name, network in networks.items()}
    try:
        yield reals
    finally:
        with _LOCK:
            for network in networks.values():
                _let_go(network)


def _intercept(name: str, network: nn.Module) -> Callable[..., Any]:
    held = _INTERCEPTED.get(id(network))
    if held is None:
        held = _Intercepted(network, network.forward, network.__dict__.get("forward"))
        _INTERCEPTED[id(network)] = held
        network.forward = _asking(name, network, network.forward)
    held.times += 1
    return held.real


def _let_go(network: nn.Module) -> None:
    held = _INTERCEPTED[id(network)]
    held.times -= 1
    if held.times:
        return
    del _INTERCEPTED[id(network)]
    del network.forward
    if held.before is not None:
        network.forward = held.before


def _asking(name: str, network: nn.Module, real: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(type(network).forward)

    def forward(*args: Any, **kwargs: Any) -> Any:
        current = greenlet.getcurrent()
        asking = isinstance(current, _Run) and current.parent is not None
        if not asking or _wants_gradients((*args, *kwargs.values())):
            return real(*args, **kwargs)
        given = dict(signature.bind(network, *args, **kwargs).arguments)
        given.pop("self", None)
        given |= given.pop("kwargs", {})
        return ask(Call(name, given))

    return forward


def _wants_gradients(arguments: Iterable[Any]) -> bool:
    given = (value for value in arguments if isinstance(value, torch.Tensor))
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
