"""One call of a diffusers pipeline, recorded picture by picture.

The U-Net's inputs and outputs are recorded: its input is x_t (variance preserving), its timestep is
the pipeline's, and the noise level is the scheduler's own for that timestep. What the pipeline then
gives to the scheduler is compared with the guided output computed from the record. So a pipeline
that evaluates, guides or arranges its batch differently is noticed, whatever its name, and then
nothing of the call is kept.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sdlab.attention import planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import MapReader, Part, watching
from sdlab.denoisers.network import Sample, guide, predictions
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.experiment.record import Record
from sdlab.models import memory
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.protocol import Query
from sdlab.tracing import batch
from sdlab.tracing.call_record import CallRecord
from sdlab.tracing.course import CallCourse
from sdlab.tracing.recorder import Recorder, Timer

if TYPE_CHECKING:
    from torch import Tensor

# In units of float's relative rounding: guidance rounds three times, rescaling adds two sums.
ROUNDINGS = 64


class TracedCall(CallRecord):
    """A call that is being recorded.

    Args:
        pipe: The pipeline.
        record: What to keep.
        arguments: The call's arguments by name.
    """

    def __init__(self, pipe: Any, record: Record, arguments: dict[str, Any]) -> None:
        super().__init__()
        self._pipe = pipe
        self._record = record
        self._given = arguments
        self._stack = ExitStack()
        self._reader = MapReader()
        self._timer: Timer | None = None
        self._sample: Tensor | None = None
        self._guided = False
        self._scale = 1.0
        self._course: CallCourse | None = None
        self._stepped: list[Tensor] | None = None

    def hear(self, latents: "Tensor") -> None:
        """Keep the latents after a step, [B, C, h, w]."""
        self._latents = latents.detach()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record the U-Net's calls inside.

        Raises:
            ModelError: If the U-Net's attention or what the pipeline does cannot be read; what was
                recorded of the call until then is dropped.
        """
        unet, scheduler = self._pipe.unet, self._pipe.scheduler
        if self._record.attention is not None:
            planning.check_unet(unet)
        own_class = type(scheduler)
        before = unet.register_forward_pre_hook(self._dropping(self._before), with_kwargs=True)
        after = unet.register_forward_hook(
            self._dropping(self._after), with_kwargs=True, always_call=True
        )
        scheduler.__class__ = derived(own_class, step=self._step(own_class.step))
        try:
            yield
        finally:
            scheduler.__class__ = own_class
            before.remove()
            after.remove()
            self._stack.close()
            self._finish()

    def _dropping(self, watch: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``watch``, wrapped so that a call that cannot be read leaves no record."""

        @functools.wraps(watch)
        def careful(*args: Any, **kwargs: Any) -> Any:
            try:
                return watch(*args, **kwargs)
            except ModelError as error:
                whole = str(error)
                if isinstance(error, batch.Unread):
                    whole = f"{type(self._pipe).__name__} {whole}. Nothing of it was recorded."
                self._refused, self._recorders = whole, []
                raise ModelError(whole) from None

        return careful

    def _before(self, unet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample, self._time, text = batch.inputs(args, kwargs)
        if self._stepped is not None:
            raise batch.Unread(
                f"evaluates its U-Net again at timestep {self._time:g} before its scheduler has"
                " made a step of what it said; this recorder reads one evaluation a step"
            )
        # Read for every evaluation: a callback may switch guidance off or on during a call.
        pictures = self.images or batch.count_pictures(self._given)
        self._guided = batch.is_guided(self._pipe, self._given, len(sample), pictures)
        self._scale = self._read_scale()
        self._was_guided |= self._guided
        if self._course is None:
            self._begin(unet, sample, text)
        self._sample = sample
        step = self._point()[1]
        parts = [
            Part(recorder.attention, self._rows(image))
            for image, recorder in enumerate(self._recorders)
            if recorder.attention is not None and recorder.attention.wants(step)
        ]
        self._reader.begin(parts)
        self._timer = Timer(sample.device)
        self._timer.__enter__()

    def _after(self, _: Any, __: Any, kwargs: dict[str, Any], output: Any) -> None:
        if output is None or self._timer is None or self._sample is None:
            return  # the call failed
        import torch

        self._reader.flush()
        self._timer.__exit__()
        prediction = output[0] if isinstance(output, tuple) else output.sample
        sigma, step = self._point()
        with torch.no_grad():
            self._stepped = []
            for image, recorder in enumerate(self._recorders):
                rows = self._rows(image, both=True)
                recorder.time("network", self._timer, call=len(self._sample))
                self._add(
                    recorder, rows, prediction, Query(self._x_t(rows), self._time, sigma, step)
                )
        self._evaluation += 1

    def _step(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Return the scheduler's ``step``, wrapped to compare what it is given with the record."""
        check = self._dropping(self._check_step)

        @functools.wraps(plain)
        def step(scheduler: Any, model_output: Any, *args: Any, **kwargs: Any) -> Any:
            check(model_output)
            return plain(scheduler, model_output, *args, **kwargs)

        return step

    def _check_step(self, given: "Tensor") -> None:
        import torch

        if self._stepped is None:
            return
        own = torch.cat(self._stepped)
        self._stepped = None
        if own.shape == given.shape:
            rounding = ROUNDINGS * torch.finfo(own.dtype).eps * (1.0 + abs(self._scale))
            off = (own - given).abs().max()
            if bool(off <= rounding * own.abs().max()) or not bool(own.isfinite().all()):
                return
        what = "uncond + s (cond - uncond)" if self._guided else "the U-Net's output"
        raise batch.Unread(
            f"hands its scheduler something else than {what} (s = {self._scale:g}) at timestep"
            f" {self._time:g}; this recorder reads plain classifier-free guidance"
        )

    def _add(
        self, recorder: Recorder, rows: dict[str, int], prediction: "Tensor", query: Query
    ) -> None:
        """Give one picture's recorder its part of the network's output."""
        import torch

        order = [rows[half] for half in ("uncond", "cond") if half in rows]
        own = torch.cat([prediction[row : row + 1] for row in order])
        rescale = batch.guidance_rescale(self._pipe, self._given)
        uncond = own if self._guided else None
        out = guide(own, Sample(query.x_t, query.timestep, own, uncond, self._scale, rescale))
        x0_pred, _ = predictions(self._schedule, query.x_t, query.sigma, out.guided)
        _, cond = predictions(self._schedule, query.x_t, query.sigma, out.cond)
        uncond = None
        if out.uncond is not None:
            _, uncond = predictions(self._schedule, query.x_t, query.sigma, out.uncond)
        recorder.add(query, out, x0_pred, (cond, uncond))
        assert self._stepped is not None
        self._stepped.append(out.guided)

    def _begin(self, unet: Any, sample: "Tensor", text: "Tensor") -> None:
        """Read the call's layout, estimate its record and make a recorder for each picture."""
        pipe, given = self._pipe, self._given
        self._schedule = NoiseSchedule.from_config(pipe.scheduler.config)
        prompts = batch.prompts(pipe, given, len(sample) // (2 if self._guided else 1))
        course = CallCourse(pipe, self._schedule, self._time)
        self._tokens = [
            {
                name: batch.token_table(pipe, words, text.shape[1], name)
                for name, words in each.items()
            }
            for each in prompts
        ]
        attention, points = self._record.attention, course.points
        nfe, num_steps = len(points), points[-1][1] + 1
        size = (int(sample.shape[2]), int(sample.shape[3]))
        makes, total = [], 0
        if attention is not None:
            layers = planning.choose_layers(unet, attention, size)
            self._stack.enter_context(watching(unet, layers, self._reader.receive))
            total += planning.working_bytes(unet, attention, layers, text.shape[1], len(sample))
        for tables in self._tokens:
            collector = None
            if attention is not None:
                counts = {
                    half: planning.count_kept(tables, half, attention)
                    for half in attention.kept_halves
                }
                now = {half: n for half, n in counts.items() if half == "cond" or self._guided}
                one = planning.evaluation_bytes(attention, layers, now, text.shape[1])
                kept = one * sum(attention.keeps(step, num_steps) for _, step in points)
                planning.check_cap(attention, kept)
                total += kept
                collector = Collector(attention, layers, counts, num_steps)
            makes.append(collector)
        channels = int(pipe.vae.config.latent_channels)
        one = memory.record_bytes(self._record, nfe, (channels, *size), self._guided)
        _check_memory(total + one * len(prompts), sample.device)
        self._channels, self._course = channels, course
        self._recorders = [Recorder("", self._record, nfe, collector) for collector in makes]

    def _read_scale(self) -> float:
        """Return the guidance scale of this evaluation; 1 without guidance."""
        scale = batch.guidance_scale(self._pipe, self._given)
        if self._guided and scale is None:
            raise batch.Unread("does not tell its guidance scale, by which its outputs are read")
        return 1.0 if scale is None else scale

    def _point(self) -> tuple[float, int]:
        """Return (sigma, step) of this evaluation."""
        assert self._course is not None
        return self._course.point(self._evaluation, self._time)

    def _rows(self, image: int, both: bool = False) -> dict[str, int]:
        """Return the rows of a picture in the batch: those to record, or both of a CFG pair."""
        if not self._guided:
            return {"cond": image}
        rows = {"cond": self.images + image, "uncond": image}
        attention = self._record.attention
        wanted = attention.kept_halves if attention and not both else rows
        return {half: row for half, row in rows.items() if half in wanted}

    def _x_t(self, rows: dict[str, int]) -> "Tensor":
        """Return a picture's noisy latents; inpainting and depth models append other channels."""
        assert self._sample is not None
        row = rows["cond"]
        return self._sample[row : row + 1, : self._channels]

    def _finish(self) -> None:
        if not self._recorders:
            return
        heard, last = self._latents, self._sample
        assert last is not None
        for image, recorder in enumerate(self._recorders):
            # A call that broke off has no final latents: its last input is taken instead.
            own = (last if heard is None else heard)[image : image + 1, : self._channels]
            self._traces.append(recorder.finish(own, self._tokens[image])[0])
        if heard is not None:
            self._latents = heard.to("cpu", copy=True)
        self._sample = self._timer = None
        self._reader.begin(())
        self._given = {}


def derived(cls: type, **methods: Any) -> type:
    """Return a subclass of ``cls`` of the same name with some of its methods replaced."""
    names = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(cls.__name__, (cls,), {**names, **methods})


def _check_memory(needed: int, device: Any) -> None:
    available = memory.available_bytes(device)
    if needed > available * memory.USABLE:
        raise MemoryLimitError(
            f"The record of this call needs {memory.readable(needed)} on {device};"
            f" {memory.readable(available)} are free. Record fewer layers, steps or tensors."
        )
