"""Short questions to the model, answered in the worker's thread between two network calls.

The model is shared: a page that ran the text encoder in its own thread, or put a hook on a module,
would disturb the runs in flight. So it passes a function, which the worker's thread calls with the
model while nothing else computes on it. The function must restore the model
(``finally: handle.remove()``), should take well under a second, and must not return the model's own
tensors, which would keep it in memory after the next one is loaded.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sdlab.errors import MemoryLimitError, ModelError, SdlabError

if TYPE_CHECKING:
    from sdlab.models.model import Model

Answer = TypeVar("Answer")
ENDED = "The worker has ended: restart the server."
LATE = (
    "The model did not find time within {:g} s: it is being loaded, or a network call of a run "
    "takes that long. Try again in a moment."
)


class BusyError(SdlabError):
    """The model had no time for a question, or the server is stopping."""


@dataclass
class _Question:
    function: Callable[[Any], Any]
    model_hash: str | None
    session: str | None
    future: Future


class Desk:
    """The questions that wait; ``ask`` is called from any thread, ``answer`` by the worker's.

    Args:
        notify: Wakes the worker's thread.
        connected: Tells whether a session's browser is connected.
    """

    def __init__(self, notify: Callable[[], None], connected: Callable[[str], bool]) -> None:
        self._notify = notify
        self._connected = connected
        self._waiting: deque[_Question] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(
        self,
        function: "Callable[[Model], Answer]",
        model_hash: str | None,
        session: str | None,
        timeout: float,
    ) -> Answer:
        """Return ``function(model)``, called in the worker's thread between two network calls.

        For short computations only: the runs in flight wait for them. The function gets the
        ``sdlab.Model`` under ``torch.no_grad`` and must leave it as it found it.

        Args:
            function: What to compute; what it raises is raised here.
            model_hash: Of the model that is meant (``status().model.hash``); None for any.
            session: Who asks; if that browser is gone before its turn, nothing is computed.
            timeout: Seconds to wait.

        Raises:
            BusyError: If the answer does not come in time, or the worker has ended.
            ModelError: If there is no model, or another one than was meant.
        """
        question = _Question(function, model_hash, session, Future())
        with self._lock:
            if self._closed:
                raise BusyError(ENDED)
            self._waiting.append(question)
        self._notify()
        try:
            return question.future.result(timeout)
        except CancelledError:
            raise BusyError("Nobody waits for this answer any more.") from None
        except FutureTimeout:
            if question.future.done() and not question.future.cancelled():
                raise  # the function's own
            self._withdraw(question)
            raise BusyError(LATE.format(timeout)) from None
        finally:
            del question  # an exception keeps this frame, and would keep itself alive through it

    def answer(self, model: "Model | None", model_hash: str, reason: str) -> bool:
        """Answer the question that waits longest; return whether there was one.

        Args:
            model: The model in memory, if there is one.
            model_hash: Its hash.
            reason: Why there is no model.
        """
        with self._lock:
            question = self._waiting.popleft() if self._waiting else None
        if question is None:
            return False
        function, future = question.function, question.future
        if question.session is not None and not self._connected(question.session):
            future.cancel()
        if not future.set_running_or_notify_cancel():
            return True
        try:
            _check(model, question.model_hash, model_hash, reason)
            future.set_result(_call(function, model))
        except BaseException as error:  # whatever it is, it is the asker's
            future.set_exception(told(error))
        finally:
            del question, function, future
        return True

    def close(self) -> None:
        """Refuse all waiting and future questions; the worker has ended."""
        with self._lock:
            self._closed = True
            left, self._waiting = list(self._waiting), deque()
        for question in left:
            if question.future.set_running_or_notify_cancel():
                question.future.set_exception(BusyError(ENDED))

    def _withdraw(self, question: _Question) -> None:
        question.future.cancel()
        with self._lock:
            if question in self._waiting:
                self._waiting.remove(question)


def _check(model: "Model | None", wanted: str | None, model_hash: str, reason: str) -> None:
    if model is None:
        raise ModelError(reason or "No model is in memory.")
    if wanted is not None and wanted != model_hash:
        raise ModelError("Another model has been loaded in the meantime: ask again.")


def _call(function: Callable[[Any], Any], model: "Model | None") -> Any:
    import torch

    with torch.no_grad():
        return function(model)


def told(error: BaseException) -> BaseException:
    """Return the error, or for one of memory what to tell the person who asked."""
    from sdlab.models import memory

    if not memory.is_out_of_memory(error):
        return error
    memory.release(error)
    return MemoryLimitError("There was not enough memory to answer; the runs go on. Try again.")
