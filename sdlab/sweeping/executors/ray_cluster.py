"""The executor on a Ray cluster: an actor per GPU, or per so many cores, that holds the model.

Ray places the actors. One more is always asked for than there is room for, while work waits: so a
node that joins gets a worker at once, and an autoscaler sees that more are wanted. A worker whose
process, node or network is gone is let go, and what it was at is handed to another. What is in the
way on its node, such as a disk that is full there, is why its runs failed, and the rest go on; only
if no worker can make anything it ends the sweep.
"""

import logging
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError
from sdlab.extras import extra
from sdlab.sampling.engine import MAX_SAMPLES, MAX_SAMPLES_CPU
from sdlab.sweeping.executors.crew import Event, Order, Share
from sdlab.sweeping.worker import Worker, reason

if TYPE_CHECKING:
    from sdlab.models.model import Model

logger = logging.getLogger(__name__)

WAIT = 1.0
"""Seconds after which a crew in which nothing happens says so."""
REACH = 10.0
"""Seconds in which a cluster's address must answer."""
AT_ONCE = 8
"""Trials of a search that are made together where any number of workers may come."""
FAILED_STARTS = 5
"""Workers that may be lost one after another before any is ready."""
TOLD_STARTS = 2
"""And of those that say why, such as that the model cannot be loaded there."""
FAILED_SHARES = 8
"""Shares that an error may end before any is made."""


@dataclass(frozen=True)
class Ray:
    """A Ray cluster.

    Attributes:
        address: Such as "auto", "10.0.0.1:6379", "ray://10.0.0.1:10001"; None for what RAY_ADDRESS
            says, else for one that is started on this machine and ends with the sweep.
        cores: Of each worker.
        gpus: Of each worker, such as 1 or 0.5; None for 1 if the cluster has any, else 0.
        workers: At most so many; None for as many as there is room for.
        storage: URL of the object storage in which workers put their runs, such as
            "s3://bucket/runs"; None if all nodes have the folder of all runs at the same path.
        loading: How workers load the model, beside how it was loaded here: arguments of
            ``sdlab.load``.

    Raises:
        ValueError: If a number is out of range.
    """

    address: str | None = None
    cores: int = 1
    gpus: float | None = None
    workers: int | None = None
    storage: str | None = None
    loading: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise ValueError(f"cores must be at least 1, got {self.cores}.")
        if self.gpus is not None and self.gpus < 0:
            raise ValueError(f"gpus must be at least 0, got {self.gpus}.")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}.")

    @property
    def at_once(self) -> int:
        """A trial of a search for each worker; how many there will be is known only if told."""
        return self.workers or AT_ONCE

    @contextmanager
    def crew(self, model: "Model", order: Order, folder: Path) -> "Iterator[RayCrew]":
        """Connect to the cluster, and start one if need be; see ``Executor``.

        Raises:
            SdlabError: If Ray is not installed, or there is no cluster at the address.
        """
        ray = extra("ray", "ray")
        ours = not ray.is_initialized()
        if ours:
            _connect(ray, self.address)
        try:
            with closing(RayCrew(ray, self, order)) as crew:
                yield crew
        finally:
            if ours:
                ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    try:
        _reach(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what Ray will do about GPUs
            ray.init(address, logging_level=logging.WARNING, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise SdlabError(
            f"No Ray cluster can be reached at {address or 'this machine'}: {error}."
            " `ray start --head` starts one."
        ) from error


def _reach(address: str | None) -> None:
    """Raise an ``OSError`` if nothing answers at HOST:PORT; Ray itself tries for minutes."""
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), REACH).close()


class RayCrew:
    """The actors of a sweep; see ``Crew``.

    Args:
        ray: The package, connected.
        asked: What workers there are to be.
        order: What they make.
    """

    def __init__(self, ray: Any, asked: Ray, order: Order) -> None:
        self._ray = ray
        gpus = asked.gpus
        if gpus is None:
            gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
        self.samples = MAX_SAMPLES if gpus else MAX_SAMPLES_CPU
        self._needs = {"CPU": asked.cores, "GPU": gpus}
        self._most = asked.workers
        actor = ray.remote(num_cpus=asked.cores, num_gpus=gpus, max_restarts=0)(Worker)
        self._new: Callable[[], Any] = lambda: actor.remote(order, asked.cores)
        self._starting: dict[Any, Any] = {}  # the actor, by what it says when it is ready
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Share]] = {}  # actor and share, by what it will return
        self._failed_starts = 0
        self._broken: list[Event] = []  # of shares that an error ended, until one works
        self._works = False
        if not any(self._fits(node["Resources"]) for node in ray.nodes() if node["Alive"]):
            logger.warning("No node of the Ray cluster has %s yet; waiting for one.", self._needs)

    def divide(self, batches: Sequence[Share]) -> list[Share]:
        """Return one batch a share."""
        return list(batches)

    def room(self, waiting: int) -> int:
        """Return how many workers are idle; ask for more while work waits for which none is."""
        free = self._fits(self._ray.available_resources())
        wanted = min(waiting - len(self._idle), max(1, free))
        if self._most is not None:
            wanted = min(wanted, self._most - len(self._idle) - len(self._busy))
        for _ in range(wanted - len(self._starting)):
            actor = self._new()
            self._starting[actor.is_ready.remote()] = actor
        return len(self._idle)

    def begin(self, shares: Sequence[Share]) -> None:
        """Give each share to an idle worker."""
        for share in shares:
            actor = self._idle.pop()
            self._busy[actor.make.remote(share)] = actor, share

    def events(self) -> Iterator[Event]:
        """Wait for workers that are ready, done or lost.

        Raises:
            SdlabError: If no worker lives until it has the model, or none can make its share.
        """
        refs = [*self._busy, *self._starting]
        if self._broken and not refs or len(self._broken) >= FAILED_SHARES:
            text = next(iter(self._broken[0].errors.values()), "")
            raise SdlabError(f"Every worker failed: {text}")
        for ref in self._ray.wait(refs, num_returns=1, timeout=WAIT)[0] if refs else ():
            if ref in self._starting:
                self._started(ref)
            else:
                yield from self._ended(ref)

    def close(self) -> None:
        """End all workers."""
        busy = [actor for actor, _ in self._busy.values()]
        for actor in (*self._starting.values(), *self._idle, *busy):
            self._let_go(actor)

    def _fits(self, resources: Mapping[str, float]) -> int:
        """Return how many workers find room in resources."""
        return min(int(resources.get(name, 0) / need) for name, need in self._needs.items() if need)

    def _started(self, ref: Any) -> None:
        actor = self._starting.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._let_go(actor)
            self._failed_starts += 1
            cause = self._cause(error)
            told = isinstance(cause, (SdlabError, ValueError))  # which another start will not mend
            if self._failed_starts >= (TOLD_STARTS if told else FAILED_STARTS):
                self._no_more(cause)
        else:
            self._failed_starts = 0
            self._idle.append(actor)

    def _no_more(self, error: Exception) -> None:
        """Go on with the workers that there are, where starting more fails again and again."""
        self._most = len(self._idle) + len(self._busy)
        if not self._most:
            raise SdlabError(f"No worker lives until it has the model: {error}") from error
        logger.warning("No more workers than %d: %s", self._most, error)

    def _ended(self, ref: Any) -> Iterator[Event]:
        """Yield what became of a share; of one that an error ended once another is seen to work."""
        actor, share = self._busy.pop(ref)
        done = share.done_after(len(share.batches))
        try:
            errors = self._ray.get(ref)
        except self._ray.exceptions.RayActorError:
            self._let_go(actor)
            yield Event(share, lost=True)
            return
        except self._ray.exceptions.RayError as error:
            self._idle.append(actor)
            errors = dict.fromkeys(share.missing, reason(self._cause(error)))
            self._broken.append(Event(share, done, errors, over=True))
        else:
            self._idle.append(actor)
            self._works = True
            yield Event(share, done, errors, over=True)
        if self._works:
            yield from self._broken
            self._broken = []

    def _cause(self, error: Exception) -> Exception:
        """Return what a worker raised, as it was there."""
        cause = getattr(error, "cause", None)
        return cause if isinstance(cause, Exception) else error

    def _let_go(self, actor: Any) -> None:
        with suppress(Exception):  # it may be gone, or the whole cluster
            self._ray.kill(actor)
