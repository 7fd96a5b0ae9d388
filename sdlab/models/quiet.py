"""A context in which diffusers and transformers show no progress bars and no warnings.

In another one they also build networks, which one thread may do at a time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_BUILDING = threading.RLock()
_COUNTING = threading.Lock()
_loud: list[tuple[int, bool]] = []
_inside = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Silence both libraries' bars and warnings for the block, then put them back.

    Of threads that are inside at once the first silences and the last puts back. What matters of
    the warnings is found by checks of our own and raised as one sentence.
    """
    global _inside
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    logs = (diffusers_log, transformers_log)
    with _COUNTING:
        _inside += 1
        if _inside == 1:
            _loud[:] = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
            for log in logs:
                log.set_verbosity_error()
                log.disable_progress_bar()
    try:
        yield
    finally:
        with _COUNTING:
            _inside -= 1
            if _inside == 0:
                for log, (verbosity, bar) in zip(logs, _loud, strict=True):
                    log.set_verbosity(verbosity)
                    if bar:
                        log.enable_progress_bar()


@contextmanager
def building() -> Iterator[None]:
    """Silence both libraries while they build networks, in this thread and no other.

    For as long as that takes they change ``torch.nn.Module.register_parameter``, so that weights
    are made on the meta device, and PyTorch's default dtype: for all threads. Two that build at
    once would each put back what the other had changed, and the change would stay for good.
    """
    with _BUILDING, quiet():
        yield
