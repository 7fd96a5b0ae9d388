"""What a switch is: a frozen description of one thing changed inside a denoising network.

It acts during a range of the network's evaluations. ``sdlab.causes.switching.switched`` puts it
into a network by hooks and takes these out again, so neither weights nor modules are ever changed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.attention.network_text import bound

if TYPE_CHECKING:
    from torch import nn

    from sdlab.models.model import Model


@dataclass(frozen=True)
class Place:
    """Where a switch is put in.

    Attributes:
        model: Whose network.
        on: Switch -> whether it acts in the network call under way.
        guided: Whether the batch is [uncond, cond]: what is said of the prompt's text is done to
            the second half alone. An odd batch has no halves.
        call: Arguments by name of the network's call under way, if it is made by ``forward``,
            which calls no hooks of the network's own; None if it is made as usual.
    """

    model: "Model"
    on: "Callable[[Switch], bool]"
    guided: bool
    call: dict[str, Any] | None = None

    @property
    def network(self) -> "nn.Module":
        """The denoising network."""
        return self.model.network

    def before_network(
        self, enter: "Callable[[dict[str, Any]], dict[str, Any] | None]"
    ) -> Iterator[Any]:
        """Let ``enter`` read and change what the network is called with; yields the handles.

        Args:
            enter: Arguments by name -> those to change, by name; None to change nothing.
        """
        if self.call is not None:
            self.call.update(enter(self.call) or {})
            return

        def hook(network: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            given = by_name(network, args, kwargs)
            changed = enter(given)
            return None if changed is None else ((), {**given, **changed})

        yield self.network.register_forward_pre_hook(hook, with_kwargs=True)

    def with_prompt(self, rows: int) -> slice:
        """Return which of a batch's rows are given the prompt."""
        return slice(rows // 2, rows) if self.guided and rows % 2 == 0 else slice(0, rows)


@dataclass(frozen=True, kw_only=True)
class Switch(ABC):
    """Something switched during the evaluations ``first`` to ``last``.

    Attributes:
        first: The first evaluation in which it acts, from 0.
        last: The last one, included; None for all that follow.
    """

    first: int = 0
    last: int | None = None

    def __post_init__(self) -> None:
        if self.first < 0 or (self.last is not None and self.last < self.first):
            raise ValueError(
                f"a switch acts from first to last, from 0 on, got first={self.first} and"
                f" last={self.last}."
            )

    def acts(self, evaluation: int) -> bool:
        """Return whether it acts in an evaluation."""
        return self.first <= evaluation and (self.last is None or evaluation <= self.last)

    @abstractmethod
    def check(self, model: "Model") -> None:
        """Raise if a model has nothing of the kind.

        Raises:
            ValueError: If the block or a number does not fit; the message lists what there is.
            ModelError: If the network is not of a kind that can be switched so.
        """

    @abstractmethod
    def attach(self, place: Place) -> Iterator[Any]:
        """Hook into the network; yields the handles that undo it."""


def by_name(network: Any, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a network's call by name."""
    given = dict(bound(network, args, kwargs))
    return {name: value for name, value in given.items() if name not in ("self", "kwargs")}
