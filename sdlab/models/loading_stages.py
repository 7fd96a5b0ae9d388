"""How far the loading of a model is: which stage, which part, how many bytes of weights.

Whoever wants to know passes a function, which is called as each stage and each part begins. It may
raise ``LoadingCancelled``: then nothing is loaded, and what the libraries changed is put back.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

_BAR = "Loading pipeline components..."  # diffusers' heading of its bar over the parts


class LoadingCancelled(BaseException):
    """Ends a loading; no ``Exception``, so that no library takes it for a trouble of its own."""


class Stage(NamedTuple):
    """Where a loading is.

    Attributes:
        name: "checking", "downloading", "reading" or "moving", in this order.
        what: The part that is read, such as "unet", or the device that it moves to; "" for all.
        done: Bytes of weights that are read.
        total: Bytes of weights in all; 0 where that is not known.
    """

    name: str
    what: str = ""
    done: int = 0
    total: int = 0


Tell = Callable[[Stage], None]


def nobody(stage: Stage) -> None:
    """Tell nobody of a stage."""


@contextmanager
def parts_told(sizes: Mapping[str, int], tell: Tell) -> Iterator[None]:
    """Tell of each part of a pipeline as diffusers begins to read it; only within ``building``.

    Args:
        sizes: Bytes of weights by part.
        tell: Called with the stage.
    """
    from diffusers.utils import logging

    own: Any = logging.tqdm

    def bar(*args: Any, **options: Any) -> Any:
        shown = own(*args, **options)
        return _each(shown, sizes, tell) if options.get("desc") == _BAR else shown

    logging.tqdm = bar
    try:
        yield
    finally:
        logging.tqdm = own


def _each(parts: Any, sizes: Mapping[str, int], tell: Tell) -> Iterator[Any]:
    done, total = 0, sum(sizes.values())
    for name, what in parts:
        tell(Stage("reading", name, done, total))
        yield name, what
        done += sizes.get(name, 0)
