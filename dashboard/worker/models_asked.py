"""What people may ask of models: which there are for them, another one, the end of its loading."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dashboard.worker.held_models import HeldModels
from dashboard.worker.loaded_before import LoadedBefore, LoadedModel
from dashboard.worker.offered_models import OfferedModels
from dashboard.worker.run_queue import RunQueue
from dashboard.worker.snapshots import Asker, LabView, ModelRequest
from dashboard.worker.task import ENDED
from dashboard.worker.tasks import Tasks
from sdlab.errors import ModelError


@dataclass(eq=False)
class ModelsAsked:
    """The models, for whoever asks; may be called from any thread.

    Attributes:
        tasks: Of the worker.
        queue: Where a model waits to be loaded.
        held: The models in memory.
        may_have: Which models are for whom.
        before: Those that were loaded, also by servers before.
        asker: Returns who asks.
    """

    tasks: Tasks
    queue: RunQueue
    held: HeldModels
    may_have: OfferedModels
    before: LoadedBefore
    asker: Callable[[], Asker]

    def view(self, asker: Asker) -> LabView:
        """Return what there is of models for somebody, and nothing else."""
        held, may_have = self.held, self.may_have
        with self.tasks.lock:
            chosen = may_have.meant(asker, held)
            return LabView(
                model=chosen.view if chosen else None,
                held=tuple(one.view for one in may_have.among(asker, held)),
                vae_overflows=chosen is not None and chosen.model.vae.overflowed,
                at_hand=may_have.next_for(asker, held, self.queue.usual_model()),
                loading=may_have.called(asker, held.loading),
                stage=held.stage,
                may_cancel_load=self._may_cancel_load(),
                load_error=may_have.said(asker, held.load_error, held.failed),
                load_cancelled=held.load_cancelled,
                known=may_have.names(asker, held),
            )

    def load(self, request: ModelRequest, owner: str = "", session: str = "") -> bool:
        """Ask for another model, to be loaded after the runs before it; return whether it will be.

        Another that the same person asked for, and that still waits, is wanted no longer.
        Name, device and configs are checked at once, in the caller's thread, so that a model that
        cannot be loaded delays nobody; then ``status().load_error`` says why.

        Args:
            request: What to load.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.

        Raises:
            ModelError: If whoever asks may not have it; they are told the same whether it is there
                or not.
        """
        if refused := self.refusal(request.source):
            raise ModelError(refused)
        request = self.may_have.request_for(self.asker(), request)
        trouble = ENDED if self.tasks.closed else self.held.trouble(request)
        with self.tasks.lock:
            self.held.load_error, self.held.load_cancelled = trouble, False
            self.held.failed = request.source
            if trouble:
                return False
            self.queue.ask_for_model(replace(request, owner=owner, session=session))
            self.held.expect(self.queue.next_model())
            self.tasks.lock.notify()
        return True

    def cancel_load(self) -> None:
        """End the load in progress at its next stage, or the first that waits.

        The model before is then in use, loaded again if it was released already. Only who asked for
        it may, and who may have any model.
        """
        with self.tasks.lock:
            if not self._may_cancel_load():
                return
            if self.held.stage is not None:
                self.held.unwanted = True
            else:
                self.held.expect(self.queue.drop_model())

    def refusal(self, name: str) -> str:
        """Return why whoever asks may not have a model, or ""; looks at no disk."""
        return self.may_have.refusal(self.asker(), name)

    def offered(self) -> tuple[ModelRequest, ...]:
        """Return the models that the operator offers to everybody, as they are loaded."""
        return tuple(self.may_have.listed.values())

    def in_place_of(self, name: str) -> tuple[str, ...]:
        """Return the names of the models in memory that go when another is loaded."""
        return () if self.refusal(name) else self.held.in_place_of(name)

    def loaded_before(self) -> tuple[LoadedModel, ...]:
        """Return the models that were loaded, also before the server's last start; latest first."""
        return self.before.all()

    def bytes(self) -> int:
        """Return the bytes that the weights in memory take."""
        return sum(held.view.memory_bytes for held in self.held.all)

    def trouble(self, name: str) -> str:
        """Return why a model cannot be loaded; of one that was, or waits to be, nothing."""
        with self.tasks.lock:
            known = name in self.held.requests or name in self.queue.models()
        return "" if known else self.held.trouble(self.held.request_for(name))

    def remember(self, name: str) -> None:
        """Know how a model was loaded by a server before this one."""
        self.held.know(self.before.request_of(name))

    def _may_cancel_load(self) -> bool:
        asker = self.asker()
        return asker.anything or asker.owner == self.held.loading_for
