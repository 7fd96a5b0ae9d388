"""Short questions to the model, answered in the worker's thread between two network calls.

The model is shared: a page that ran the text encoder in its own thread, or put a hook on a module,
would disturb the runs in flight. So it passes a function, which the worker's thread calls with the
model while nothing else computes on it. The function must restore the model
(``finally: handle.remove()``), should take well under a second, and must not return the model's own
tensors, which would keep it in memory after the next one is loaded.
"""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from dashboard.worker.snapshots import Snapshot
from dashboard.worker.task import BusyError, Priority, Task, once
from dashboard.worker.tasks import Tasks
from dashboard.worker.watchers import Watchers

if TYPE_CHECKING:
    from sdlab.models.model import Model

Answer = TypeVar("Answer")
LATE = (
    "The model did not find time within {:g} s: it is being loaded, or a network call of a run "
    "takes that long. Try again in a moment."
)


def ask(
    tasks: Tasks,
    function: "Callable[[Model], Answer]",
    model_hash: str | None,
    session: str | None,
    timeout: float,
) -> Answer:
    """Return ``function(model)``, called in the worker's thread between two network calls.

    For short computations only: the runs in flight wait for them. The function gets the
    ``sdlab.Model`` under ``torch.no_grad`` and must leave it as it found it.

    Args:
        tasks: Of the worker.
        function: What to compute; what it raises is raised here.
        model_hash: Of the model that is meant (``status().model.hash``); None for any.
        session: Who asks; if that browser is gone before its turn, nothing is computed.
        timeout: Seconds to wait.

    Raises:
        BusyError: If the answer does not come in time, or the worker has ended.
        ModelError: If there is no model, or another one than was meant.
    """
    future: Future[Answer] = Future()
    question = Task(
        Snapshot("question"),
        Priority.QUESTION,
        once(function),
        watchers=Watchers(tasks.connected, float("inf")),
        model_hash=model_hash,
        verb="ask",
        session=session or "",
        grace=None if session is None else 0.0,
        ended=partial(_deliver, future),
    )
    if session is not None:
        question.watchers.touch(session)
    tasks.enter(question)
    try:
        return future.result(timeout)
    except CancelledError:
        raise BusyError("Nobody waits for this answer any more.") from None
    except FutureTimeout:
        if future.done() and not future.cancelled():
            raise  # the function's own
        future.cancel()
        question.cancelled = True
        tasks.withdraw(question)
        raise BusyError(LATE.format(timeout)) from None
    finally:
        del future, question  # an exception keeps this frame, and would keep itself alive


def _deliver(
    future: "Future[Any]", state: str, error: BaseException | None, answer: object
) -> None:
    if state == "cancelled":
        future.cancel()
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)
