"""Which models people may have: those that the operator offers; anything for who may do all.

Whoever may have only what is offered is told the same of everything else, whether it is there, is
broken or was never there: what they ask for is not looked up on any disk.
"""

from collections.abc import Iterable
from dataclasses import replace

from dashboard.worker.held_model import HeldModel
from dashboard.worker.held_models import FAILED, HeldModels
from dashboard.worker.snapshots import Asker, ModelRequest
from sdlab.shipped import EMBEDDED, SHIPPED

NOT_OFFERED = (
    "This server does not offer that model. It offers {}. Choose one of them, or ask whoever runs "
    "the server."
)
ANOTHER = "another model"


class OfferedModels:
    """The models that anybody may have: those that come with sdlab, and the operator's.

    Args:
        offered: The operator's, as they are to be loaded.

    Attributes:
        listed: How the operator's are loaded, whoever asks, by their names.
        by_name: How each is loaded.
    """

    def __init__(self, offered: Iterable[ModelRequest] = ()) -> None:
        self.listed = {request.source: request for request in offered}
        self.by_name = {name: ModelRequest(name) for name in SHIPPED} | self.listed

    def refusal(self, asker: Asker, name: str) -> str:
        """Return why somebody may not have a model, or ""."""
        if asker.anything or name in self.by_name:
            return ""
        return NOT_OFFERED.format(", ".join(self.by_name))

    def request_for(self, asker: Asker, request: ModelRequest) -> ModelRequest:
        """Return how a model is loaded for somebody; what the operator lists, as it is listed.

        Only who may have anything changes what others use unless they choose.
        """
        as_offered = self.listed if asker.anything else self.by_name
        return replace(as_offered.get(request.source, request), usual=asker.anything)

    def names(self, asker: Asker, held: HeldModels) -> tuple[str, ...]:
        """Return the names of the models that somebody can ask for."""
        known = [name for name in held.requests if asker.anything or name in self.by_name]
        return tuple(dict.fromkeys([*self.by_name, *known]))

    def among(self, asker: Asker, held: HeldModels) -> list[HeldModel]:
        """Return the models in memory that somebody may use, the one used last first."""
        return [one for one in reversed(held.all) if not self.refusal(asker, one.name)]

    def meant(self, asker: Asker, held: HeldModels) -> HeldModel | None:
        """Return the model in memory that somebody works with: the chosen, else the usual one."""
        there = {one.name: one for one in self.among(asker, held)}
        return next(
            (there[name] for name in (asker.chosen, held.usual, *there) if name in there), None
        )

    def called(self, asker: Asker, name: str) -> str:
        """Return what a model that is being loaded is called to somebody."""
        return name if not name or not self.refusal(asker, name) else ANOTHER

    def said(self, asker: Asker, error: str, name: str) -> str:
        """Return what somebody is told of a load that failed: its reason may name files.

        Args:
            asker: Who it is.
            error: The reason; "" if none failed.
            name: Of the model.
        """
        if asker.anything or not error:
            return error
        return FAILED.format(ANOTHER.capitalize() if self.refusal(asker, name) else name)

    def next_for(self, asker: Asker, held: HeldModels, coming: str) -> str:
        """Return the name of the model that somebody will work with, once what waits is loaded.

        Args:
            asker: Who it is.
            held: The models in memory.
            coming: The last that waits to become the usual one; "" if none does.
        """
        if asker.chosen in held.requests and not self.refusal(asker, asker.chosen):
            return asker.chosen
        names = [name for name in (coming, held.becoming, held.usual) if name]
        return next((name for name in names if not self.refusal(asker, name)), EMBEDDED)
