"""How many models may be in memory beside each other: by their number, and by their bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dashboard.worker.held_model import HeldModel
from dashboard.worker.model_files import most_bytes
from dashboard.worker.snapshots import ModelRequest

SHARE = 0.5
"""Of a device's memory that models may take where nothing is set; the rest is for their runs."""


def _unknown(request: ModelRequest) -> int | None:
    """Return None: of no model is known what it takes before it is loaded."""
    return None


@dataclass(frozen=True)
class ModelRoom:
    """The room for models.

    Attributes:
        models: How many there may be.
        bytes: What their weights may take together; None for half of the device's memory. One
            model alone may take more.
        measured: Returns what a model's weights took when it was loaded before, or None.
    """

    models: int = 2
    bytes: int | None = None
    measured: Callable[[ModelRequest], int | None] = field(default=_unknown, repr=False)

    def in_the_way(
        self,
        request: ModelRequest,
        held: Sequence[HeldModel],
        busy: Callable[[HeldModel], bool],
    ) -> list[HeldModel] | None:
        """Return which models must go before one is loaded; None if one of them is in use.

        Where nothing tells what it takes, all must.

        Args:
            request: What is to be loaded.
            held: The models in memory, the one used last at the end.
            busy: Whether a model is in use.
        """
        gone = [one for one in held if one.name == request.source]
        rest = [one for one in held if one not in gone]
        while rest and not self._fits(request, rest):
            idle = next((one for one in rest if not busy(one)), None)
            if idle is None:
                return None
            gone.append(idle)
            rest.remove(idle)
        return None if any(map(busy, gone)) else gone

    def too_much(
        self, held: Sequence[HeldModel], busy: Callable[[HeldModel], bool]
    ) -> list[HeldModel]:
        """Return which models must go now that all are measured; the last one stays.

        Args:
            held: The models in memory, the one used last at the end.
            busy: Whether a model is in use.
        """
        gone: list[HeldModel] = []
        for one in held[:-1]:
            rest = [other for other in held if other not in gone]
            if self._allows(rest, 0):
                break
            if not busy(one):
                gone.append(one)
        return gone

    def _fits(self, request: ModelRequest, beside: Sequence[HeldModel]) -> bool:
        more = self.measured(request) or most_bytes(request.source)
        return more is not None and len(beside) < self.models and self._allows(beside, more)

    def _allows(self, held: Sequence[HeldModel], more: int) -> bool:
        limit = _half(held[-1]) if self.bytes is None else self.bytes
        return sum(one.view.memory_bytes for one in held) + more <= limit


def _half(held: HeldModel) -> int:
    """Return half of the memory of the device that a model is on."""
    device = held.view.device
    if device.startswith("cuda"):
        import torch

        total = torch.cuda.get_device_properties(device).total_memory
    else:
        import psutil

        total = psutil.virtual_memory().total
    return int(SHARE * total)
