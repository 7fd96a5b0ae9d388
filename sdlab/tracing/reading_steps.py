"""Reads the steps that a pipeline's scheduler makes, while the pipeline runs.

``step`` is replaced on the scheduler object, whose class stays what it is: some pipelines ask for
it. A deep copy of the scheduler, which another loop drives, has its own ``step`` again.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

Step = Callable[..., Any]


@contextmanager
def reading_steps(
    pipe: Any,
    before: Callable[[dict[str, Any]], Any],
    after: Callable[[Any], None],
    other: Callable[[], None],
) -> Iterator[None]:
    """Read the steps of the pipeline's scheduler inside.

    Args:
        pipe: The pipeline.
        before: Given the arguments of a step by name; returns what times it, or None.
        after: Given what a timed step returned.
        other: Called when another scheduler of the pipeline makes a step, as a prior's.
    """
    scheduler = pipe.scheduler
    names = list(inspect.signature(scheduler.step).parameters)

    def read(plain: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        timer = before({**dict(zip(names, args, strict=False)), **kwargs})
        if timer is None:
            return plain(*args, **kwargs)
        with timer:
            result = plain(*args, **kwargs)
        after(result)
        return result

    def skip(plain: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        other()
        return plain(*args, **kwargs)

    parts = {id(part): part for part in getattr(pipe, "components", {}).values()}
    with ExitStack() as stack:
        for part in {**parts, id(scheduler): scheduler}.values():
            if callable(getattr(part, "step", None)):
                stack.enter_context(_replacing(part, read if part is scheduler else skip))
        yield


@contextmanager
def _replacing(scheduler: Any, around: Callable[..., Any]) -> Iterator[None]:
    own = scheduler.__dict__.get("step")
    scheduler.step = _ReadStep(scheduler, around)
    try:
        yield
    finally:
        del scheduler.step
        if own is not None:
            scheduler.step = own


class _ReadStep:
    """A scheduler's ``step`` on the object itself."""

    def __init__(self, scheduler: Any, around: Callable[..., Any]) -> None:
        self._scheduler, self._plain, self._around = scheduler, scheduler.step, around
        functools.update_wrapper(self, self._plain)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._around(self._plain, args, kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo.get(id(self._scheduler))
        return self if copied is None else types.MethodType(type(copied).step, copied)
