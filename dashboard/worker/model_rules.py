"""What a server allows of models: how many at a time, which for whom."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dashboard.worker.model_room import ModelRoom
from dashboard.worker.snapshots import Asker, ModelRequest


@dataclass(frozen=True)
class ModelRules:
    """The rules for models.

    Attributes:
        room: How many may be in memory.
        offered: Those that anybody may have, beside those that come with sdlab.
        asker: Tells of whoever calls the worker at this moment which model they chose, and whether
            they may have others than those offered.
    """

    room: ModelRoom = field(default_factory=ModelRoom)
    offered: tuple[ModelRequest, ...] = ()
    asker: Callable[[], Asker] = Asker
