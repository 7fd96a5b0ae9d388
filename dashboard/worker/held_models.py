"""The models that the worker holds: as many as fit, the least used one goes first.

Heavy imports are inside the methods, so that the first page is shown before torch is imported.
"""

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dashboard.worker.held_model import HeldModel, free_memory
from dashboard.worker.loading import loaded, no_collecting, options_of
from dashboard.worker.model_files import disk_mark
from dashboard.worker.model_room import ModelRoom
from dashboard.worker.snapshots import ModelRequest, ModelView
from sdlab.models.loading_stages import LoadingCancelled, Stage
from sdlab.shipped import EMBEDDED, SHIPPED

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from sdlab.models.model import Model

log = logging.getLogger(__name__)

FAILED = "{} could not be loaded. Whoever runs this server finds the reason on its Models page."


class HeldModels:
    """Holds models, and loads others in place of those that nobody uses.

    Args:
        sentence: Returns what to tell a person about an exception.
        load: As ``sdlab.load``; that one by default.
        noted: Called with how a model was asked for and its view, once it is in memory.
        room: How many models there is room for.
        listed: How models are loaded whoever asks for them, by their names.

    Attributes:
        all: The models in memory, the one used last at the end.
        usual: The name of the model that pages use unless another is chosen.
        becoming: The name of that being loaded to be it next; "" if none is.
        busy: Tells whether a model is in use, so that it must stay.
        loading: The name of the model being loaded, or of the next that will be; "" if none is.
        loading_for: Whose wish that is.
        load_error: Why the last load failed, in a sentence; "" if it did not.
        failed: The name of the model that it was.
        load_cancelled: Whether that was because it was cancelled.
        stage: Where the load in progress is; None if none is.
        unwanted: Whether the load in progress is to end at its next stage.
        requests: How each model that was loaded is asked for, by its name; without tokens.
    """

    def __init__(
        self,
        sentence: Callable[[BaseException], str],
        load: Callable[..., "Model"] | None = None,
        noted: Callable[[ModelRequest, ModelView], None] = lambda request, view: None,
        room: ModelRoom | None = None,
        listed: Mapping[str, ModelRequest] | None = None,
    ) -> None:
        self._sentence = sentence
        self._load = load
        self._noted = noted
        self._room = room or ModelRoom()
        self._litter = False  # a load that failed leaves something in memory too
        self._wanted_catalogues = False
        self._collected = True
        self.all: tuple[HeldModel, ...] = ()
        self.usual = EMBEDDED
        self.becoming = ""
        self.busy: Callable[[HeldModel], bool] = lambda held: False
        self.loading = EMBEDDED
        self.loading_for = ""
        self.load_error = ""
        self.failed = ""
        self.load_cancelled = False
        self.stage: Stage | None = None
        self.unwanted = False
        self._listed = dict(listed or {})
        self.requests = {name: ModelRequest(name) for name in SHIPPED} | self._listed

    @property
    def current(self) -> HeldModel | None:
        """The model that pages use unless another is chosen, or else the one used last."""
        return self.named(self.usual) or next(reversed(self.all), None)

    def named(self, name: str) -> HeldModel | None:
        """Return the model in memory that has a name."""
        return next((held for held in self.all if held.name == name), None)

    def of(self, model_hash: str) -> HeldModel | None:
        """Return a model in memory that has these weights, the one used last."""
        return next((held for held in reversed(self.all) if held.view.hash == model_hash), None)

    def for_run(self, name: str) -> HeldModel | None:
        """Return the model in memory that runs of a name are for, as it is listed if it is."""
        held, listed = self.named(name), self._listed.get(name)
        return held if held and listed in (None, held.request) else None

    def same(self, request: ModelRequest) -> HeldModel | None:
        """Return the model in memory that a request would load again, from the same files."""
        held = self.named(request.source)
        if held is None or held.request != replace(request, token=None):
            return None
        return held if held.mark == disk_mark(request.source) else None

    def at_hand(self, model_hash: str | None = None) -> "tuple[Model | None, str, str]":
        """Return the model for a task, its hash, and why there is none.

        Args:
            model_hash: Of the weights that are meant. If those are not in memory, and if it is
                None, it is the model that pages use.
        """
        meant = self.of(model_hash) if model_hash else None
        held = meant or self.current
        if held is None:
            return None, "", self.load_error
        if meant:
            self.use(held)
        return held.model, held.view.hash, ""

    def use(self, held: HeldModel) -> None:
        """Note that a model is used; the one used least recently goes first."""
        if held is not self.all[-1]:
            self.all = (*(other for other in self.all if other is not held), held)

    def request_for(self, name: str) -> ModelRequest:
        """Return how the model of that name is loaded."""
        return self._listed.get(name) or self.requests.get(name, ModelRequest(name))

    def expect(self, request: ModelRequest | None) -> None:
        """Note which model is loaded next; None if none is."""
        self.loading = request.source if request else ""
        self.loading_for = request.owner if request else ""

    def know(self, request: ModelRequest) -> None:
        """Note how a model was loaded before, unless that is known already."""
        self.requests.setdefault(request.source, request)

    def can_load(
        self, request: ModelRequest, busy: Callable[[HeldModel], bool] | None = None
    ) -> bool:
        """Return whether a model can be loaded without taking one out that is in use.

        Args:
            request: The model.
            busy: Whether one is in use; as the attribute by default.
        """
        return self._room.in_the_way(request, self.all, busy or self.busy) is not None

    def why_not(self, name: str) -> str:
        """Return why a model could not be loaded, as a run of it tells everybody.

        Of a listed one the reason is its operator's, and may name files.
        """
        if name not in self._listed:
            return self.load_error
        log.warning("%s, which is listed, could not be loaded: %s", name, self.load_error)
        return FAILED.format(name)

    def in_place_of(self, name: str) -> tuple[str, ...]:
        """Return the names of the models that go when another is loaded, if all are idle."""
        gone = self._room.in_the_way(self.request_for(name), self.all, lambda held: False) or ()
        return tuple(held.name for held in gone if held.name != name)

    def trouble(self, request: ModelRequest) -> str:
        """Return why a model cannot be loaded, as far as its configs show, or ""."""
        if self._load is not None:
            return ""
        from sdlab.models.load import check

        try:
            check(request.source, **options_of(request))
        except Exception as error:
            return self.sentence_of(request, error)
        return ""

    def sentence_of(self, request: ModelRequest, error: BaseException) -> str:
        """Return in a sentence why a model could not be loaded; the error may name it already."""
        if isinstance(error, LoadingCancelled):
            return f"Loading {request.source} was cancelled."
        said = self._sentence(error)
        what = "The model" if request.source in said else request.source
        return f"{what} could not be loaded: {said}"

    def load(self, request: ModelRequest) -> HeldModel:
        """Load a model, in place of those that are in its way, and return it.

        Raises:
            Exception: What ``sdlab.load`` raises; those in its way are gone then.
            LoadingCancelled: If it became unwanted; they are gone then too.
        """
        self._tell(Stage("releasing"))
        self.release(*(self._room.in_the_way(request, self.all, self.busy) or ()))
        mark = disk_mark(request.source)
        self._litter = True
        try:
            with no_collecting():
                model = loaded(request, self._load, self._tell)
                self._tell(Stage("measuring"))
                held = self._take(HeldModel(model, request, mark))
        finally:
            self.stage = None
        self._litter = False
        self.release(*self._room.too_much(self.all, self.busy))
        return held

    def release(self, *gone: HeldModel) -> None:
        """Let models go, and what their device cached."""
        if not (gone or self._litter):
            return  # collecting takes long, and there is nothing of ours to collect
        self.all = tuple(held for held in self.all if held not in gone)
        self._litter = False
        free_memory()

    def release_idle(self, but: HeldModel) -> bool:
        """Let go all models that are not in use but one that needs room; return if any went."""
        gone = [held for held in self.all if held is not but and not self.busy(held)]
        self.release(*gone)
        return bool(gone)

    def means(self, model_hash: str) -> "list[tuple[str, Callable[[Tensor], Image.Image]]]":
        """Return the ways to draw a model's latents, the quickest first, the best last.

        Args:
            model_hash: Of the model that made them; another decoder would draw them wrongly.
        """
        from sdlab.latents.frames import false_colour

        held = self.of(model_hash)
        return held.means() if held else [("false colour", false_colour)]

    def measure_again(self) -> bool:
        """Measure a decoder that looked slow again; return whether one is quick after all.

        Only to be called while nothing else computes.
        """
        return any(held.measure_again() for held in self.all)

    def collect(self) -> None:
        """Collect what loading left over, once; takes a quarter of a second of everybody's."""
        if not self._collected:
            self._collected = True
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def make_catalogues(self) -> None:
        """Make the tables of every solver and scheduler, now and for each model loaded later."""
        self._wanted_catalogues = True
        for held in self.all:
            held.make_catalogue()

    def _tell(self, stage: Stage) -> None:
        """Note where the load is, or end it.

        Raises:
            LoadingCancelled: If it is unwanted.
        """
        self.stage = stage
        if self.unwanted:
            self.unwanted = False
            raise LoadingCancelled

    def _take(self, held: HeldModel) -> HeldModel:
        if self._wanted_catalogues:
            held.make_catalogue()
        self.requests[held.name] = held.request
        self.usual = held.name if held.name == self.becoming else self.usual
        self.all = (*self.all, held)  # last: from now on pages see the model
        self._noted(held.request, held.view)
        gc.freeze()
        self._collected = False
        return held
