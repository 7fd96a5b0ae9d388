"""One call of a diffusers pipeline, read by hooks on its networks while they are called by it."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sdlab.attention.hooks import MapReader, watching
from sdlab.models import pipelines
from sdlab.text.reading import readings
from sdlab.tracing.call_reader import CallReader
from sdlab.tracing.recorder import Timer

if TYPE_CHECKING:
    from torch import nn


class TracedCall(CallReader):
    """A call whose networks the pipeline itself calls."""

    _timer: Timer | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record the call made inside.

        Raises:
            ModelError: If attention was asked for and cannot be read.
        """
        self._maps = MapReader()
        self._stack = ExitStack()
        networks, complete = pipelines.networks(self._pipe), False
        self.check_attention(networks)
        try:
            with self._stack, self.stepping(), readings(self._pipe) as self.heard:
                for name, network in networks.items():
                    self._attach(name, network)
                yield
            complete = True
        finally:
            self.finish(complete)
            self._maps.begin(())

    def _attach(self, name: str, network: "nn.Module") -> None:
        plain: Any = type(getattr(network, "_orig_mod", network))
        names = _by_name(inspect.signature(plain.forward))

        def enter(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            told = names(args, kwargs)
            attention = self._attention
            parts = self.before(name, told)
            self._maps.begin(parts)
            if self._attention is not None and attention is None:
                layers, maps = self._attention.layers, self._maps
                watch = watching(network, layers, maps.receive, (args, kwargs), maps.lose)
                self._stack.enter_context(watch)
            self._timer = Timer(_device(args, kwargs))
            self._timer.__enter__()

        def leave(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
            timer, self._timer = self._timer, None
            if output is None or timer is None:
                return  # the call failed
            self._maps.flush()
            timer.__exit__()
            self.after(output, timer, _samples(names(args, kwargs)))

        before = network.register_forward_pre_hook(enter, with_kwargs=True)
        after = network.register_forward_hook(leave, with_kwargs=True, always_call=True)
        self._stack.callback(before.remove)
        self._stack.callback(after.remove)


def _by_name(signature: inspect.Signature) -> Callable[[Any, Any], dict[str, Any]]:
    """Return what gives a ``forward``'s arguments their names."""
    listed = list(signature.parameters)[1:]
    return lambda args, kwargs: {**dict(zip(listed, args, strict=False)), **kwargs}


def _samples(told: dict[str, Any]) -> int:
    """Return how many rows a network's call is for, by its first argument."""
    first = next(iter(told.values()), ())
    return len(first) if hasattr(first, "__len__") else 1


def _device(args: Any, kwargs: dict[str, Any]) -> Any:
    import torch

    tensors = (x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor))
    return next((x.device for x in tensors), torch.device("cpu"))
