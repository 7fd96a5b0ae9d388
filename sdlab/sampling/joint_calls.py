"""Calls the networks of a model for pipelines that run as processes, several at once where it can.

Before the first shared call of a network one of its calls is made alone too: where the two differ
by more than rounding, its rows depend on each other, and it is never shared again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sdlab.denoisers.network import precision
from sdlab.models.model import Model
from sdlab.sampling.joining import Apart, join, part, rows
from sdlab.sampling.pipeline_process import Call, intercepting

if TYPE_CHECKING:
    from sdlab.attention.hooks import Part

logger = logging.getLogger(__name__)

TOLERANCE = {"float64": 1e-6, "float32": 1e-3}
HALF = 0.1
"""Largest difference that rounding makes of an output, as a share of its largest value."""
_SHARED: "WeakKeyDictionary[Model, dict[str, bool]]" = WeakKeyDictionary()


class JointCalls:
    """The networks of a model, intercepted while they are held.

    Args:
        model: Whose networks.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._stack: ExitStack | None = None
        self._reals: dict[str, Callable[..., Any]] = {}

    def hold(self) -> None:
        """Let pipelines in processes ask for the networks' outputs from now on."""
        if self._stack is None:
            self._stack = ExitStack()
            self._reals = dict(self._stack.enter_context(intercepting(self._model.networks)))

    def release(self) -> None:
        """Leave the networks as they were."""
        if self._stack is not None:
            self._stack.close()
            self._stack, self._reals = None, {}

    def may_share(self, network: str) -> bool:
        """Return whether calls of a network may be joined, as far as is known."""
        return _SHARED.get(self._model, {}).get(network, True)

    def check(self, calls: Sequence[Call], fast: bool) -> None:
        """Find out, once for a network, whether a joint call gives what each gives alone.

        Raises:
            Apart: If these calls cannot be joined.
        """
        known, name = _SHARED.setdefault(self._model, {}), calls[0].network
        if len(calls) == 1:
            return
        if name not in known:
            alone, together = self.outputs(calls[:1], fast)[0], self.outputs(calls, fast)[0]
            known[name] = _agree(alone, together)
            if not known[name]:
                logger.warning("Runs share no calls of %s: its rows depend on each other", name)
        if not known[name]:
            raise Apart(f"the rows of {name}, which depend on each other")

    def outputs(self, calls: Sequence[Call], fast: bool, parts: "Sequence[Part]" = ()) -> list[Any]:
        """Return what the network answers to each call, from one call.

        Args:
            calls: Of one network.
            fast: Whether to compute in bfloat16.
            parts: What to record of its attention.

        Raises:
            Apart: If they cannot be joined.
        """
        import torch

        name = calls[0].network
        arguments = join(calls)
        with torch.no_grad(), precision(self._model, fast), self._recording(name, parts, arguments):
            output = self._reals[name](**arguments)
        return [output] if len(calls) == 1 else part(output, [rows(call) for call in calls])

    def _recording(
        self, name: str, parts: "Sequence[Part]", arguments: Mapping[str, Any]
    ) -> AbstractContextManager[None]:
        """Return the context that records the attention of those calls that ask for it."""
        if not parts:
            return nullcontext()
        from sdlab.attention.hooks import recording

        return recording(self._model.networks[name], parts, ((), arguments))


def _agree(one: Any, other: Any) -> bool:
    """Return whether two outputs are the same but for rounding."""
    a, b = (_first(output) for output in (one, other))
    if a is None or b is None or a.shape != b.shape:
        return False
    limit = TOLERANCE.get(str(a.dtype).removeprefix("torch."), HALF)
    finite = a.isfinite() & b.isfinite()
    largest = a[finite].abs().amax() if bool(finite.any()) else 0.0
    return bool(((a - b)[finite].abs() <= limit * largest).all())


def _first(output: Any) -> Any:
    """Return the first tensor of an output."""
    import torch

    while not isinstance(output, torch.Tensor):
        if not isinstance(output, (tuple, list, dict)) or not output:
            return None
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return output
