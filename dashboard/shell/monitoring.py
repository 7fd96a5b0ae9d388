"""What a server tells those who watch over it: ``/health`` and, for Prometheus, ``/metrics``.

Numbers and states alone: no prompt, no person, no path. docs/serving.md lists them.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from dashboard.shell.assets import base
from dashboard.shell.headers import FILE_HEADERS
from dashboard.worker.health import Health
from dashboard.worker.measures import BOUNDS
from dashboard.worker.snapshots import LIVE

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from dashboard.worker.worker import Worker

_FRESH = {**FILE_HEADERS, "Cache-Control": "no-store"}
_NOT_YET = Health("starting", "The worker has not started yet.")


def monitoring_routes() -> "list[BaseRoute]":
    """Return the routes to mount beside Streamlit's own."""
    from starlette.routing import Route

    return [Route(base() + "/health", _health), Route(base() + "/metrics", _metrics)]


def _health(request: "Request") -> "Response":
    """Answer how the worker is: 200 if runs are made, 503 with the reason if not."""
    from starlette.responses import JSONResponse

    from dashboard.shell.lab import started

    worker = started()
    health = worker.health() if worker is not None else _NOT_YET
    said = {
        "status": "ok" if health.well else "unavailable",
        "worker": health.state,
        "reason": health.reason,
        "busy_seconds": round(health.busy_seconds, 1),
        "beat_seconds": round(health.beat_seconds, 1),
        "restarts": health.restarts,
    }
    return JSONResponse(said, 200 if health.well else 503, _FRESH)


def _metrics(request: "Request") -> "Response":
    """Answer with the figures in Prometheus' text format."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.process_collector import ProcessCollector
    from starlette.responses import Response

    from dashboard.shell.lab import started

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Figures(started()))
    return Response(generate_latest(registry), 200, _FRESH, CONTENT_TYPE_LATEST)


class _Figures:
    """The figures of a worker, as prometheus_client collects them."""

    def __init__(self, worker: "Worker | None") -> None:
        self._worker = worker

    def collect(self) -> "Iterator[Metric]":
        """Yield each figure."""
        from prometheus_client.core import GaugeMetricFamily as Gauge

        health = self._worker.health() if self._worker else _NOT_YET
        yield Gauge("sdlab_up", "1 if the worker makes runs.", float(health.well))
        yield Gauge(
            "sdlab_worker_busy_seconds", "Age of the piece of work under way.", health.busy_seconds
        )
        yield Gauge(
            "sdlab_worker_beat_seconds", "Since the last end of a piece.", health.beat_seconds
        )
        if self._worker is not None:
            yield from _of_queue(self._worker)
            yield from _of_past(self._worker)
        yield from _of_device()


def _of_queue(worker: "Worker") -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily as Gauge

    live = worker.known_runs.live()
    states = Counter(run.state for run in live)
    runs = Gauge("sdlab_runs", "Runs that wait or are made, by state.", labels=["state"])
    for state in sorted(LIVE):
        runs.add_metric([state], states[state])
    yield runs
    yield Gauge("sdlab_queue_length", "Runs that wait.", states["queued"])
    yield Gauge(
        "sdlab_queue_oldest_seconds",
        "How long the first has waited.",
        worker.known_runs.longest_wait(),
    )
    on_disk = float(not worker.known_runs.queue_trouble())
    yield Gauge("sdlab_queue_on_disk", "0 if what waits would be lost at an end.", on_disk)
    yield Gauge("sdlab_studies", "Long computations that are no runs.", worker.live_studies())
    yield Gauge("sdlab_model_bytes", "What the weights in memory take.", worker.models.bytes())


def _of_past(worker: "Worker") -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    measures = worker.measures
    ended = CounterMetricFamily("sdlab_runs_ended", "Runs that ended, by state.", labels=["state"])
    for state, count in sorted(measures.ended.items()):
        ended.add_metric([state], count)
    yield ended
    loads = CounterMetricFamily("sdlab_model_loads", "Loads of models.", labels=["outcome"])
    for outcome, count in sorted(measures.loads.items()):
        loads.add_metric([outcome], count)
    yield loads
    yield CounterMetricFamily(
        "sdlab_worker_restarts", "New starts of the worker's thread.", measures.restarts
    )
    stages = HistogramMetricFamily(
        "sdlab_run_seconds", "Seconds that a run spent in a stage.", labels=["stage"]
    )
    bounds = [*map(str, BOUNDS), "+Inf"]
    for stage, took in measures.stages().items():
        buckets = list(zip(bounds, map(float, accumulate(took.counts)), strict=True))
        stages.add_metric([stage], buckets, took.seconds)
    yield stages


def _of_device() -> "Iterator[Metric]":
    """Yield the memory of CUDA devices, once something has used them."""
    from prometheus_client.core import GaugeMetricFamily

    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return
    memory = GaugeMetricFamily(
        "sdlab_cuda_bytes", "Memory of a CUDA device.", labels=["device", "kind"]
    )
    for device in range(cuda.device_count()):
        free, total = cuda.mem_get_info(device)
        kinds = {
            "allocated": cuda.memory_allocated(device),
            "reserved": cuda.memory_reserved(device),
            "free": free,
            "total": total,
        }
        for kind, count in kinds.items():
            memory.add_metric([str(device), kind], count)
    yield memory
