"""Frozen snapshots of the worker, its model and its runs, safe to read from any thread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dashboard.worker.sessions import person_of
from sdlab.experiment.experiment import Experiment
from sdlab.models.guidance import Guidance
from sdlab.models.loading_stages import Stage
from sdlab.shipped import EMBEDDED, SHIPPED

if TYPE_CHECKING:
    import pandas as pd

LIVE = frozenset({"queued", "running", "decoding", "saving"})
ENDED = frozenset({"done", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True)
class ModelRequest:
    """What to load, as ``sdlab.load`` takes it.

    Attributes:
        source: "embedded", a hub id, a folder or a .safetensors file.
        revision: Branch, tag or commit on the hub.
        variant: Weight variant such as "fp16".
        dtype: "float32", "float16", "bfloat16", or None for what suits the device.
        device: "cpu", "cuda", "mps", or None for the best there is.
        token: Access token of the hub; never shown or written.
        config: Folder of configs for a .safetensors file.
        offload: "model" or "sequential": weights wait in memory for their turn on the device.
        tiled: Whether large pictures are decoded in tiles.
        owner: Who asks; "" is nobody in particular. Never written.
        usual: Whether it becomes the model that pages use unless another is chosen. Never written.
        session: The browser session that asks. Never written.
    """

    source: str = EMBEDDED
    revision: str | None = None
    variant: str | None = None
    dtype: str | None = None
    device: str | None = None
    token: str | None = field(default=None, repr=False)
    config: str | None = None
    offload: str | None = None
    tiled: bool = False
    owner: str = field(default="", repr=False, compare=False)
    usual: bool = field(default=True, repr=False, compare=False)
    session: str = field(default="", repr=False, compare=False)

    @property
    def person(self) -> str:
        """Whose turn it is: as of a task its owner's, without a login each browser's."""
        return person_of(self.owner, self.session)


@dataclass(frozen=True)
class Asker:
    """Who calls the worker, as far as models go.

    Attributes:
        chosen: The name of the model that they chose; "" for the usual one.
        anything: Whether they may have models beside those that are offered.
        owner: Who it is; "" is nobody in particular.
    """

    chosen: str = ""
    anything: bool = True
    owner: str = ""


@dataclass(frozen=True)
class PartView:
    """One module of a model.

    Attributes:
        name: As its pipeline calls it, such as "text_encoder_2".
        kind: Its class.
        parameters: How many.
        memory_bytes: Bytes that they take.
        dtype: Such as "float32".
        device: Where they are; "offloaded" if they wait elsewhere.
    """

    name: str
    kind: str
    parameters: int
    memory_bytes: int
    dtype: str
    device: str


@dataclass(frozen=True)
class ModelView:
    """A model in memory.

    Attributes:
        name: What it was loaded by.
        family: Such as "sd1", "sdxl" or "flux".
        device: Such as "cpu" or "cuda:0".
        device_name: The device in words.
        dtype: Such as "float32".
        parameters: Parameters of all its parts.
        memory_bytes: Bytes that its weights take.
        hash: 16 hex digits of the weights.
        default_size: (width, height) in pixels.
        prediction: "epsilon", "v_prediction" or "sample".
        decodes_fast: Whether previews are decoded, not just mapped linearly.
        inputs: The experiment's fields that its pipeline takes.
        options: Further arguments of its pipeline's call.
        pipeline: Its pipeline's class.
        path: How noise is added: "vp", "flow", or "" if it is neither.
        plain: Whether it runs on the laboratory's own sampling path, not by its pipeline's call.
        parts: Its modules.
        draws: What it draws from, in words.
        guidance: What makes a negative prompt act.
        unread: Why its attention cannot be read; "" if it can.
        levels: The least and the greatest noise level that a curve can have: sigma, of flow
            matching the time t; (0, 0) where it is not known.
        origin: Where it came from, in words.
    """

    name: str
    family: str
    device: str
    device_name: str
    dtype: str
    parameters: int
    memory_bytes: int
    hash: str
    default_size: tuple[int, int]
    prediction: str
    decodes_fast: bool
    inputs: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()
    pipeline: str = ""
    path: str = ""
    plain: bool = True
    parts: tuple[PartView, ...] = ()
    draws: tuple[str, ...] = ()
    guidance: Guidance = Guidance()
    unread: str = ""
    levels: tuple[float, float] = (0.0, 0.0)
    origin: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A task at one moment.

    Attributes:
        id: What it goes by: a run's is its experiment's.
        state: One of ``LIVE`` or ``ENDED``.
        done: Pieces of work done, network evaluations of most tasks.
        total: Pieces in all; 0 while unknown.
        seconds_left: Until the last piece, by the pace so far; None before the first.
        result: What came of it, once it is done.
        error: What went wrong, in a sentence.
        shared: How many sessions watch it.
        unsaved: Whether the result is whole but could not be written.
    """

    id: str
    state: str = "queued"
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    result: Any = None
    error: str = ""
    shared: int = 0
    unsaved: bool = False

    @property
    def live(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in LIVE


@dataclass(frozen=True)
class RunSnapshot(Snapshot):
    """One run, queued, running or ended.

    Attributes:
        experiment: What is run.
        position: Place in the queue, from 1; 0 once it runs.
        rate: Solver steps per second; None before the first.
        preview: PNG of the latest x0_pred or of the picture.
        tables: ``steps`` and ``channels`` so far, of a run that takes a while.
    """

    experiment: Experiment = field(kw_only=True)
    position: int = 0
    rate: float | None = None
    preview: bytes | None = None
    tables: "Mapping[str, pd.DataFrame]" = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class LabView:
    """The laboratory at one moment.

    Attributes:
        model: The model that whoever asks works with, if it or another is in memory.
        held: All models in memory, the one used last first.
        at_hand: The name of the model that a run asked for now will find in memory.
        loading: The name of the model being loaded or waiting to be, if any.
        stage: Where that loading is; None while it waits.
        may_cancel_load: Whether whoever asks may end that loading.
        load_error: Why the last load failed, in a sentence; "" if it did not.
        load_cancelled: Whether that was because somebody cancelled it.
        running: Runs in flight.
        studies: Long computations that are no runs, waiting or going.
        pace: Seconds that an evaluation of one run took of late; None before the first.
        queued: Runs that wait.
        known: Names under which whoever asks can ask for models.
        stopped: Whether the worker has ended.
        vae_overflows: Whether the model's VAE has overflowed and computed in float32 instead.
    """

    model: ModelView | None = None
    held: tuple[ModelView, ...] = ()
    at_hand: str = EMBEDDED
    loading: str = ""
    stage: Stage | None = None
    may_cancel_load: bool = True
    load_error: str = ""
    load_cancelled: bool = False
    running: int = 0
    studies: int = 0
    pace: float | None = None
    queued: int = 0
    known: tuple[str, ...] = tuple(SHIPPED)
    stopped: bool = False
    vae_overflows: bool = False
