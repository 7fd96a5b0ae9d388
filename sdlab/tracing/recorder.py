"""Records a run: tensors as asked for, statistics, timings.

Everything kept is a detached copy; what the run computes with is not touched.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.columns import CHANNELS, FLOW, STATISTICS, STEPS, TIMINGS
from sdlab.experiment.record import Record
from sdlab.noise.flow import sigma_to_time
from sdlab.pauses import paused
from sdlab.runs.trace import Trace
from sdlab.solvers.protocol import Query
from sdlab.tracing.statistics import Columns, Statistics

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sdlab.attention.collector import Collector
    from sdlab.denoisers.network import NetworkOutput
    from sdlab.tracing.halves import Halves


class Timer:
    """Wall time of a block; on CUDA by events, so that nothing waits for the device.

    Where others went first in its midst (``sdlab.pauses``), theirs is not counted.
    """

    def __init__(self, device: "torch.device") -> None:
        self._device = device
        self._events: Any = None
        self._start = self._end = self._paused = 0.0
        if device.type == "cuda":
            import torch

            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def __enter__(self) -> "Timer":
        if self._events:
            self._mark(0)
        self._paused = -paused()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "mps":
            import torch

            torch.mps.synchronize()
        self._end = time.perf_counter()
        self._paused += paused()
        if self._events:
            self._mark(1)

    @property
    def ms(self) -> float:
        """Milliseconds that the block took."""
        if self._events:
            self._events[1].synchronize()
            return float(self._events[0].elapsed_time(self._events[1])) - self._paused * 1000.0
        return (self._end - self._start - self._paused) * 1000.0

    def _mark(self, which: int) -> None:
        import torch

        self._events[which].record(torch.cuda.current_stream(self._device))


@dataclass
class Recorder:
    """Records one run.

    Attributes:
        run: The run's id, for the tables' first column.
        record: What to keep.
        nfe: Evaluations expected; the last one is always kept.
        attention: Collects the attention maps; None if they are not asked for.
        flow: Whether it is a run of flow matching.
    """

    run: str
    record: Record
    nfe: int
    attention: "Collector | None" = None
    flow: bool = False
    queries: list[tuple[int, float, float]] = field(default_factory=list)
    timings: list[tuple[str, int | None, Timer, int | None]] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    _size: tuple[int, int] = (0, 0)
    _tensors: "dict[str, Tensor]" = field(default_factory=dict)
    _statistics: Statistics = field(default_factory=Statistics)

    def __post_init__(self) -> None:
        self._statistics.flow = self.flow

    def time(self, stage: str, timer: Timer, *, call: int | None = None) -> None:
        """Note a stage's time; ``call`` is the number of samples of a network call."""
        evaluation = len(self.queries) if stage in ("network", "solver") else None
        self.timings.append((stage, evaluation, timer, call))

    def add(
        self,
        query: Query,
        output: "NetworkOutput | Halves",
        x0_pred: "Tensor",
        eps: "tuple[Tensor | None, Tensor | None]",
        pictures: bool = True,
    ) -> None:
        """Record one evaluation.

        Args:
            query: The solver's query.
            output: The network's raw outputs.
            x0_pred: After guidance, [1, C, h, w].
            eps: Noise predictions given the prompt and the negative prompt, [1, C, h, w]; None
                where they are not known.
            pictures: Whether the tensors are pictures; if not, they are not kept.
        """
        number = len(self.queries)
        self._size = (int(query.x_t.shape[2]), int(query.x_t.shape[3]))
        self.queries.append((query.step, query.timestep, query.sigma))
        if self.record.statistics:
            self._statistics.add(query.x_t, query.sigma, x0_pred, *eps)
        if pictures and self.record.tensors and self.record.keeps(number, self.nfe):
            self._keep(
                x_t=query.x_t,
                x0_pred=x0_pred,
                output_cond=output.cond,
                output_uncond=output.uncond,
            )
            self.kept.append(number)
        if self.attention is not None:
            self.attention.commit(number, query.step, query.timestep, query.sigma)

    def add_unread(self, step: int, timestep: float) -> None:
        """Record that there was an evaluation of which only its timestep is known."""
        self.queries.append((step, timestep, np.nan))
        if self.record.statistics:
            self._statistics.add_unknown()

    def finish(
        self, latents: "Tensor | None", tokens: "Mapping[str, pd.DataFrame] | None" = None
    ) -> "tuple[Trace, dict[str, Tensor]]":
        """Return the trace and its tensors, moved to the CPU.

        Args:
            latents: The final latents, [1, C, h, w]; None if they are not known.
            tokens: The token table of each half, for the attention maps.
        """
        if self.record.statistics:
            self._statistics.finish(latents)
        count = len(self.kept)
        tensors = {name: self._tensors.pop(name)[:count].cpu() for name in list(self._tensors)}
        maps = None
        if self.attention is not None:
            maps = self.attention.finish(self._size, tokens or {})
        sigmas = [sigma for _, _, sigma in self.queries]
        return Trace(self.kept, sigmas, tensors, maps), tensors

    def steps(self) -> pd.DataFrame:
        """Return the ``steps`` table; see ``sdlab.columns`` for its columns."""
        columns = self._where()
        columns["ms"], columns["samples"] = self._network_calls()
        columns |= self._values(lambda s: s.columns())
        names = list(STEPS)
        if self.flow:
            columns["flow_time"] = sigma_to_time(columns["sigma"])
            after = names.index("log_snr") + 1
            names[after:after] = FLOW
        return pd.DataFrame({name: columns[name] for name in names})

    def channels(self) -> pd.DataFrame:
        """Return the ``channels`` table; empty without statistics."""
        values = self._values(lambda s: s.channel_columns())
        if not self.record.statistics:
            return pd.DataFrame(columns=list(CHANNELS))
        count = next(iter(values.values())).shape[1]
        columns = {
            name: column if name == "run" else np.repeat(column, count)
            for name, column in self._where().items()
        }
        columns["channel"] = np.tile(np.arange(count), len(self.queries))
        columns |= {name: array.reshape(-1) for name, array in values.items()}
        return pd.DataFrame({name: columns[name] for name in CHANNELS})

    def timings_table(self) -> pd.DataFrame:
        """Return the ``timings`` table."""
        rows = [(self.run, stage, e, timer.ms, n) for stage, e, timer, n in self.timings]
        frame = pd.DataFrame(rows, columns=list(TIMINGS))
        return frame.astype({"evaluation": "Int64", "samples": "Int64"})

    def _network_calls(self) -> tuple[list[float], list[int]]:
        """Return the milliseconds and samples of each evaluation's network calls together."""
        ms, samples = [0.0] * len(self.queries), [0] * len(self.queries)
        for stage, evaluation, timer, count in self.timings:
            if stage == "network" and evaluation is not None and evaluation < len(ms):
                ms[evaluation] += timer.ms
                samples[evaluation] += count or 0
        return ms, samples

    def _keep(self, **tensors: "Tensor | None") -> None:
        import torch

        place, dtype = len(self.kept), getattr(torch, self.record.dtype)
        for name in self.record.tensors:
            value = tensors[name]
            if value is None:  # no guidance at this evaluation
                if name in self._tensors and place < len(self._tensors[name]):
                    self._tensors[name][place] = torch.nan
                continue
            if name not in self._tensors:  # all at once, so that nothing is held twice at the end
                total = sum(self.record.keeps(e, self.nfe) for e in range(self.nfe))
                self._tensors[name] = value.new_empty((total, *value.shape[1:]), dtype=dtype)
                self._tensors[name][:place] = torch.nan
            if place == len(self._tensors[name]):  # a solver that asks more often than planned
                self._tensors[name] = torch.cat([self._tensors[name]] * 2)
            self._tensors[name][place] = value[0].detach()

    def _where(self) -> dict[str, Any]:
        """Return the columns that identify each evaluation: run, step, noise level."""
        none = (np.empty(0, int), np.empty(0), np.empty(0))  # a pipeline that made no step
        columns = zip(*self.queries, strict=True) if self.queries else none
        steps, timesteps, sigmas = (np.array(column) for column in columns)
        with np.errstate(divide="ignore"):
            log_snr = -2.0 * np.log(sigmas)
        return {
            "run": self.run,
            "step": steps,
            "evaluation": np.arange(len(steps)),
            "timestep": timesteps,
            "sigma": sigmas,
            "alpha_bar": 1.0 / (1.0 + sigmas**2),
            "log_snr": log_snr,
        }

    def _values(self, read: Callable[[Statistics], Columns]) -> Columns:
        if self.record.statistics:
            return read(self._statistics)
        return {name: np.full(len(self.queries), np.nan) for name in STATISTICS}
