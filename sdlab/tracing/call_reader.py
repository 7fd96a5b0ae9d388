"""Reads one call of a diffusers pipeline, whichever it is, and records it picture by picture.

The truth is what the scheduler's ``step`` is given: the output after guidance, the latents x_t and
the timestep. One step is one evaluation. The network's calls in between give the halves of guidance
where they can be told for sure; ``halves`` has how. What cannot be read is left out, and
``warnings`` says so in a sentence: nothing is guessed, and the pipeline's results stay what they
are.

Whoever makes the network's calls tells the reader of them: hooks on the network (``traced_call``),
or the engine, which calls the network itself. Then, for each call of the pipeline:

    reader = CallReader(pipe, record, arguments, run=id, strict=False)
    with reader.stepping():
        ...  # the pipeline's call; for each network call that it asks for:
        parts = reader.before("transformer", arguments)
        ...  # the call itself, recording the attention of ``parts``
        reader.after(output, timer, samples)
    reader.finish()
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.attention import planning
from sdlab.attention.hooks import Part
from sdlab.attention.layers import is_unet
from sdlab.attention.network_text import LATENTS
from sdlab.errors import MemoryLimitError, ModelError, SdlabError
from sdlab.experiment.record import Record
from sdlab.models import memory, pipelines
from sdlab.text.reading import note_ends
from sdlab.tracing import batch, call_attention
from sdlab.tracing.call_attention import CallAttention
from sdlab.tracing.call_record import CallRecord
from sdlab.tracing.course import timestep_of, timesteps
from sdlab.tracing.halves import Halves, tensor_of
from sdlab.tracing.reading_steps import reading_steps
from sdlab.tracing.recorder import Recorder, Timer
from sdlab.tracing.step_reader import StepReader

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sdlab.text.pipeline_tokens import PromptText
    from sdlab.text.reading import Reading

MOST_OUTPUTS = 8  # of the network held until the next step; more are of another loop


class _Output(NamedTuple):
    """What a network returned for one call; ``rows`` [rows, ...], None if it was no tensor."""

    rows: "Tensor | None"
    timer: Timer
    samples: int


class CallReader(CallRecord):
    """A call that is being recorded.

    Args:
        pipe: The pipeline.
        record: What to keep.
        arguments: The call's arguments by name, with defaults.
        run: The run's id, for the tables' first column.
        strict: Whether attention that was asked for and cannot be read, and a record that memory
            does not hold, raise; else they are left out and said, and nothing here ever raises.

    Attributes:
        x0_pred: The newest prediction of the clean latents of the first picture, [1, C, h, w]; None
            before the first evaluation, or where it is not known.
        heard: What the text encoders were given, by ``sdlab.text.reading.readings``.
    """

    def __init__(
        self,
        pipe: Any,
        record: Record,
        arguments: Mapping[str, Any],
        *,
        run: str = "",
        strict: bool = True,
    ) -> None:
        super().__init__()
        self.x0_pred: Tensor | None = None
        self.heard: list[Reading] = []
        self._pipe, self._record, self._run, self._strict = pipe, record, run, strict
        self._given = dict(arguments)
        self._steps = StepReader(pipe, arguments, self._say_of_pipe)
        self._told: Mapping[str, Any] | None = None
        self._outputs: list[_Output] = []
        self._attention: CallAttention | None = None
        self._stepped: Tensor | None = None
        self._heard = 0  # evaluations when latents were last heard of
        self._stopped = self._changed = False
        self._raised: Exception | None = None

    @property
    def recorders(self) -> list[Recorder]:
        """The recorder of each picture; none before the first evaluation."""
        return self._recorders

    @property
    def expected(self) -> int:
        """Evaluations that the call will make; 0 where that is not known (yet)."""
        return len(self._steps.points)

    def before(self, network: str, arguments: Mapping[str, Any]) -> list[Part]:
        """Hear that a network is about to be called; return what of its attention to record.

        Args:
            network: The pipeline's name for it.
            arguments: Its ``forward``'s arguments by name.

        Returns:
            Collectors with the rows to give them, counted from the call's own first row.

        Raises:
            ModelError: If attention was asked for and cannot be read; only if strict.
            MemoryLimitError: If the record would pass its cap or the memory; only if strict.
            ValueError: If an attention layer is named that is not there; only if strict.
        """
        parts: list[Part] = self._guarded(self._before, [], network, arguments)
        return parts

    def after(self, output: Any, timer: Timer, samples: int) -> None:
        """Hear what the network returned for this call's own rows.

        Args:
            output: As its ``forward`` returns it.
            timer: Timed the call.
            samples: Rows of the whole call, which may have been shared.
        """
        self._guarded(self._after, None, output, timer, samples)

    def hear(self, latents: "Tensor") -> None:
        """Keep the latents after a step, as the pipeline's callback has them."""
        self._latents, self._heard = latents.detach(), self._evaluation

    def stepping(self) -> AbstractContextManager[None]:
        """Read the steps that the pipeline's scheduler makes inside."""
        return reading_steps(
            self._pipe,
            lambda told: self._guarded(self._before_step, None, told),
            lambda result: self._guarded(self._after_step, None, result),
            self._outputs.clear,
        )

    def finish(self, complete: bool = True) -> None:
        """Make the traces; the call is over.

        Args:
            complete: Whether it came to its end.
        """
        self._guarded(self._finish, None, complete)
        self._outputs.clear()
        self._stepped, self._told, self._given = None, None, {}

    def _guarded(self, read: Callable[..., Any], otherwise: Any, *args: Any) -> Any:
        """Return what reading gives; what goes wrong in it ends the record, not the call."""
        if self._stopped and read != self._finish:
            return otherwise
        import torch

        try:
            with torch.no_grad():
                return read(*args)
        except Exception as error:
            if error is self._raised:
                raise
            why = error if isinstance(error, batch.Unread) else f"{type(error).__name__}: {error}"
            at = f"the record ends before evaluation {self._evaluation}"
            self._say(f"{type(self._pipe).__name__} cannot be read further, {at}: {why}.")
            self._stopped = True
            self._outputs.clear()
            return otherwise

    def _say(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _say_of_pipe(self, what: object) -> None:
        self._say(f"{type(self._pipe).__name__} {what}.")

    def _before(self, network: str, arguments: Mapping[str, Any]) -> list[Part]:
        first, self._told = self._told is None, arguments
        if first:
            self._steps.expect(arguments)
            self._plan_attention(network, arguments)
        if self._evaluation == 0:
            note_ends(self.heard, arguments.get("encoder_hidden_states"))
        attention, points = self._attention, self._steps.points
        if attention is None or attention.name != network or not points:
            return []
        try:
            call_attention.is_guided(arguments, self._pipe, self._given, len(attention.collectors))
        except batch.Unread as error:
            self._lose_attention(error)
            return []
        step = points[min(self._evaluation, len(points) - 1)][1]
        return attention.parts(arguments, step)

    def _after(self, output: Any, timer: Timer, samples: int) -> None:
        del self._outputs[: 1 - MOST_OUTPUTS]
        self._outputs.append(_Output(tensor_of(output), timer, samples))

    def _before_step(self, told: dict[str, Any]) -> Timer:
        given, sample = told["model_output"].detach(), told["sample"].detach()
        time = timestep_of(told["timestep"])
        if self._evaluation == 0:
            self._begin(sample, time)
        elif self._heard < self._evaluation and not _same(sample, self._stepped):
            self._changed = True
        outputs = [output.rows for output in self._outputs if output.rows is not None]
        found = self._steps.read(self._evaluation, time, told["timestep"], sample, given, outputs)
        self._check_attention(found.halves)
        timer = Timer(sample.device)
        for image, recorder in enumerate(self._recorders):
            for output in self._outputs:
                recorder.time("network", output.timer, call=output.samples)
            recorder.time("solver", timer)
            found.give(recorder, image)
        known = found.x0_pred is not None and found.pictures
        self.x0_pred = found.x0_pred[:1] if known else None  # type: ignore[index]
        self._was_guided |= found.halves.uncond is not None
        self._outputs.clear()
        self._evaluation += 1
        return timer

    def _after_step(self, result: Any) -> None:
        self._stepped = (result[0] if isinstance(result, tuple) else result.prev_sample).detach()

    def _begin(self, sample: "Tensor", time: float) -> None:
        """Make a recorder for each picture."""
        self._steps.begin(sample, time, self._told or {})
        count, nfe = len(sample), self.expected or len(timesteps(self._pipe.scheduler))
        collectors: list[Any] = [None] * count
        if self._attention is not None and len(self._attention.collectors) == count:
            collectors = self._attention.collectors
        elif self._attention is not None:
            self._lose_attention("draws another number of pictures; its attention is left out")
        if self._attention is not None:
            self._tokens = self._attention.tables
        elif len(self._tokens) != count:
            self._tokens = batch.tables(self._pipe, self._given, self._told or {}, count)
        if "sample" not in (self._told or {}):  # no U-Net, whose own tables say all
            self._texts = self._read_texts(count)
        laid_out = self._steps.pictures(sample)
        if laid_out is not None:
            _, channels, height, width = laid_out.shape
            one = memory.record_bytes(self._record, nfe, (channels, height, width), True)
            self._check_memory(one * count, sample.device)
        flow = self._steps.flow
        self._recorders = [
            Recorder(self._run, self._record, nfe, collector, flow) for collector in collectors
        ]

    def _read_texts(self, pictures: int) -> "list[list[PromptText]]":
        """Return the prompts of every picture by tokenizer; none where they are not known."""
        try:
            return batch.texts(self._pipe, self._given, pictures, self.heard)
        except Exception as error:  # of a foreign tokenizer, not of the call
            self._say_of_pipe(f"has prompts whose tokens are not read ({error})")
            return []

    def _plan_attention(self, network: str, told: Mapping[str, Any]) -> None:
        attention = self._record.attention
        if attention is None:
            return
        try:
            module = pipelines.networks(self._pipe)[network]
            if not call_attention.is_known(module):
                kind = type(module).__name__
                raise batch.Unread(f"draws by a {kind}, whose attention is not read")
            points = self._steps.points
            if not points:
                raise batch.Unread("has a course that is not known; its attention is left out")
            pictures = batch.count_pictures(self._given)
            guided = call_attention.is_guided(told, self._pipe, self._given, pictures)
            pictures = batch.rows(told) // (2 if guided else 1)
            texts: list[list[PromptText]] = []
            if is_unet(module):
                self._tokens = batch.tables(self._pipe, self._given, told, pictures)
            else:
                texts = batch.texts(self._pipe, self._given, pictures, self.heard)
            self._attention = CallAttention(
                network, module, attention, told, guided, self._tokens, texts, points
            )
            latents = next(told[name] for name in LATENTS if name in told)
            self._check_memory(0, latents[0].device)
        except batch.Unread as error:
            self._say_of_pipe(error)
        except (SdlabError, ValueError) as error:
            if isinstance(error, ModelError) and not is_unet(module):
                self._say(str(error))  # nobody can know before the call what it will put in
                self._attention = None
            else:
                self._refuse(error)

    def check_attention(self, networks: "Mapping[str, nn.Module]") -> None:
        """Raise if attention is asked for and that of a network cannot be read at all.

        Args:
            networks: By the pipeline's names for them.

        Raises:
            ModelError: The message says what to switch off; only if strict.
        """
        for network in networks.values() if self._record.attention else ():
            if call_attention.is_known(network) and is_unet(network):
                try:
                    planning.check_unet(network)
                except ModelError as error:
                    self._refuse(error)

    def _check_attention(self, halves: Halves) -> None:
        """Name the maps of a step's calls by half; drop them where that cannot be told."""
        attention = self._attention
        if attention is None:
            return
        if attention.lost:
            self._say(attention.lost)
            self._attention = None
        elif not attention.settle(halves):
            self._lose_attention(
                "lays its rows out otherwise than [uncond, cond]; its attention is left out"
                if is_unet(attention.network)
                else "does not tell which rows are given the prompt; its attention is left out"
            )

    def _lose_attention(self, why: object) -> None:
        self._say_of_pipe(why)
        if self._attention is not None:
            self._attention.drop()
        self._attention = None

    def _refuse(self, error: Exception) -> None:
        """Raise an error if strict; else say it and record no attention."""
        if self._strict:
            self._raised, self._recorders = error, []
            self._refused = str(error) if isinstance(error, ModelError) else ""
            raise error
        self._say(str(error))
        self._attention = None

    def _check_memory(self, needed: int, device: Any) -> None:
        if not self._strict:  # whoever runs it has planned it
            return
        needed += 0 if self._attention is None else self._attention.bytes
        available = memory.available_bytes(device)
        if needed > available * memory.USABLE:
            self._refuse(
                MemoryLimitError(
                    f"The record of this call needs {memory.readable(needed)} on {device};"
                    f" {memory.readable(available)} are free. Record fewer layers, steps or"
                    " tensors."
                )
            )

    def _finish(self, complete: bool) -> None:
        if not self._evaluation:
            self._recorders = []
            if complete and not self._stopped:
                kind = type(self._pipe.scheduler).__name__
                self._say_of_pipe(f"makes no steps by its {kind}; nothing of it was recorded")
            if complete and not self._refused:
                self._refused = self.warnings[-1]
            return
        final = self._end(complete)
        laid_out = self._steps.pictures(final)
        if final is not None and laid_out is None and self._steps.known:
            self._say_of_pipe("lays its final latents out otherwise; they are not known")
        for image, recorder in enumerate(self._recorders):
            own = None if laid_out is None else laid_out[image : image + 1]
            self._traces.append(recorder.finish(own, self._tokens[image])[0])
        shown = laid_out is not None and self._steps.shows
        self._latents = laid_out.to("cpu", copy=True) if shown else None  # type: ignore[union-attr]

    def _end(self, complete: bool) -> "Tensor | None":
        """Return the final latents; None if they are not known for sure."""
        secretive = type(self._pipe).__name__.endswith(
            "InpaintPipelineLegacy"
        )  # once more, at last
        if self._heard == self._evaluation and not secretive:
            return self._latents
        if complete and (self._changed or secretive):
            self._say_of_pipe(
                "changes its latents after its steps and does not report them; the final ones are"
                " not known"
            )
        return self._stepped if complete and not (self._changed or secretive) else None


def _same(x: "Tensor", y: "Tensor | None") -> bool:
    import torch

    return y is None or x is y or (x.shape == y.shape and torch.equal(x.to(y.dtype), y))
