"""One call of a diffusers pipeline, recorded picture by picture.

The U-Net's inputs and outputs are the record: what it was given is x_t (variance preserving), its
timestep is the pipeline's, and the noise level is the scheduler's own for that evaluation.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.denoisers.network import Sample, guide, predictions
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.noise.schedule import NoiseSchedule
from sdlab.sampling import memory
from sdlab.sampling.experiment import Record
from sdlab.sampling.process import Query
from sdlab.solvers import diffusers_adapter as adapter
from sdlab.text.tokens import tokens
from sdlab.tracing.attention import planning
from sdlab.tracing.attention.collector import Collector
from sdlab.tracing.attention.hooks import Part, Reader, watching
from sdlab.tracing.recorder import Recorder, Timer
from sdlab.tracing.trace import Trace

if TYPE_CHECKING:
    from torch import Tensor

SPECIAL = ("start", "end", "pad")


class TracedCall:
    """The record of one call, picture by picture.

    Args:
        pipe: The pipeline.
        record: What to keep.
        arguments: The call's arguments by name.
    """

    def __init__(self, pipe: Any, record: Record, arguments: dict[str, Any]) -> None:
        self._pipe = pipe
        self._record = record
        self._recorders: list[Recorder] = []
        self._latents: Tensor | None = None
        self._evaluation = 0
        self._stack = ExitStack()
        self._reader = Reader()
        self._timer: Timer | None = None
        self._sample: Tensor | None = None
        self._given = arguments
        self._guided = self._was_guided = False
        self._traces: list[Trace] = []
        self._tokens: list[dict[str, pd.DataFrame]] = []

    @property
    def images(self) -> int:
        """Pictures of the call."""
        return len(self._recorders)

    @property
    def latents(self) -> "Tensor":
        """Final latents of all pictures, [B, C, h, w], on the CPU.

        Raises:
            ValueError: If the pipeline did not tell them, or ended before its first step did.
        """
        if self._latents is None:
            raise ValueError("The latents are not known: the call ended before its first step.")
        return self._latents

    def trace(self, image: int) -> Trace:
        """Return what was kept of one picture.

        Raises:
            ValueError: If there is no such picture, or the call failed before any was evaluated.
        """
        self._check_begun()
        if not 0 <= image < len(self._traces):
            last = len(self._traces) - 1
            raise ValueError(f"image must be from 0 to {last}, got {image}.")
        return self._traces[image]

    def table(self, name: str) -> pd.DataFrame:
        """Return "steps", "attention" or "tokens" of all pictures, with ``image`` first.

        ``tokens`` are those of the prompt, and where they were given, of ``prompt_2``, and of the
        negative prompts if there was guidance; its column ``prompt`` says which.

        Raises:
            ValueError: If the call failed before anything was evaluated.
        """
        self._check_begun()
        if name == "steps":
            parts = [recorder.steps().drop(columns="run") for recorder in self._recorders]
        elif name == "attention":
            parts = [self.trace(image).attention.table for image in range(self.images)]
        else:
            parts = [self._all_tokens(tables) for tables in self._tokens]
        named = [part.assign(image=image) for image, part in enumerate(parts)]
        frame = pd.concat(named, ignore_index=True)
        return frame[["image", *(column for column in frame if column != "image")]]

    def _check_begun(self) -> None:
        if not self._recorders:
            raise ValueError(
                "Nothing was recorded of this call: it ended before the U-Net's first evaluation."
            )

    def hear(self, latents: "Tensor") -> None:
        """Take note of the latents after a step, [B, C, h, w]."""
        self._latents = latents.detach()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record the U-Net's calls inside.

        Raises:
            ModelError: If the U-Net's attention cannot be read.
        """
        unet = self._pipe.unet
        if self._record.attention is not None:
            planning.check_unet(unet)
        before = unet.register_forward_pre_hook(self._before, with_kwargs=True)
        after = unet.register_forward_hook(self._after, with_kwargs=True, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()
            self._stack.close()
            self._finish()

    def _before(self, unet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample, timestep, text = _inputs(args, kwargs)
        if kwargs.get("encoder_attention_mask") is not None:
            raise ModelError(
                "This pipeline masks the text in the U-Net's attention (encoder_attention_mask),"
                " which this recorder does not read."
            )
        pictures = self.images or len(_prompts(self._pipe, self._given, len(text)))
        # Asked anew for every evaluation: a callback may switch guidance off or on in mid-call.
        self._guided = _is_guided(self._pipe, len(sample), pictures)
        self._was_guided |= self._guided
        if not self._recorders:
            self._begin(unet, sample, text)
        self._sample = sample
        self._time = float(timestep.flatten()[0] if hasattr(timestep, "flatten") else timestep)
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
            for image, recorder in enumerate(self._recorders):
                rows = self._rows(image, both=True)
                recorder.time("network", self._timer, call=len(self._sample))
                self._add(
                    recorder, rows, prediction, Query(self._x_t(rows), self._time, sigma, step)
                )
        self._evaluation += 1

    def _add(
        self, recorder: Recorder, rows: dict[str, int], prediction: "Tensor", query: Query
    ) -> None:
        """Give one picture's recorder what the network said of it."""
        import torch

        pipe = self._pipe
        order = [rows[half] for half in ("uncond", "cond") if half in rows]
        own = torch.cat([prediction[row : row + 1] for row in order])
        scale = float(getattr(pipe, "guidance_scale", 1.0))
        rescale = float(getattr(pipe, "guidance_rescale", 0.0) or 0.0)
        uncond = own if self._guided else None
        out = guide(own, Sample(query.x_t, query.timestep, own, uncond, scale, rescale))
        x0_pred, _ = predictions(self._schedule, query.x_t, query.sigma, out.guided)
        eps = [
            None if half is None else predictions(self._schedule, query.x_t, query.sigma, half)[1]
            for half in (out.cond, out.uncond)
        ]
        recorder.add(query, out, x0_pred, (eps[0], eps[1]))

    def _begin(self, unet: Any, sample: "Tensor", text: "Tensor") -> None:
        """Read the call's layout, estimate its record and make a recorder for each picture."""
        pipe, given = self._pipe, self._given
        self._schedule = NoiseSchedule.from_config(pipe.scheduler.config)
        prompts = _prompts(pipe, given, len(text))
        self._course = _course(pipe, self._schedule)
        self._tokens = [
            {name: _tokens(pipe, words, text.shape[1], name) for name, words in each.items()}
            for each in prompts
        ]
        attention, nfe = self._record.attention, len(self._course)
        num_steps = self._course[-1][1] + 1 if self._course else 1
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
                kept = one * sum(attention.keeps(step, num_steps) for _, step in self._course)
                planning.check_cap(attention, kept)
                total += kept
                collector = Collector(attention, layers, counts, num_steps)
            makes.append(collector)
        channels = int(pipe.vae.config.latent_channels)
        one = memory.record_bytes(self._record, nfe, (channels, *size), self._guided)
        _check_memory(total + one * len(prompts), sample.device)
        self._channels = channels
        self._recorders = [Recorder("", self._record, nfe, collector) for collector in makes]

    def _all_tokens(self, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
        named = {"cond": "prompt", "cond_2": "prompt_2"}
        if self._was_guided:
            named |= {"uncond": "negative", "uncond_2": "negative_2"}
        parts = [
            tables[half].assign(prompt=which) for half, which in named.items() if half in tables
        ]
        return pd.concat(parts, ignore_index=True)

    def _point(self) -> tuple[float, int]:
        """Return (sigma, step) of the evaluation at hand."""
        if self._evaluation < len(self._course):
            return self._course[self._evaluation]
        last = self._course[-1][1] if self._course else 0
        return float(self._schedule.timestep_to_sigma(self._time)), last

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
            # A call that broke off has no final latents: its last input stands in for them.
            own = (last if heard is None else heard)[image : image + 1, : self._channels]
            self._traces.append(recorder.finish(own, self._tokens[image])[0])
        if heard is not None:
            self._latents = heard.to("cpu", copy=True)
        self._sample = self._timer = None
        self._reader.begin(())
        self._given = {}


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return (sample, timestep, text) of a U-Net's call."""
    names = ("sample", "timestep", "encoder_hidden_states")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return given["sample"], given["timestep"], given["encoder_hidden_states"]


def _prompts(pipe: Any, given: dict[str, Any], rows: int) -> list[dict[str, str | None]]:
    """Return prompt and negative prompt of every picture; None where only embeddings were given.

    "cond_2" and "uncond_2" are what the second text encoder reads, where that is another text.
    """
    count = int(given.get("num_images_per_prompt") or 1)
    prompt, embeds = given.get("prompt"), given.get("prompt_embeds")
    if prompt is None:
        words: list[str | None] = [None] * (len(embeds) if embeds is not None else rows)
    else:
        words = [prompt] if isinstance(prompt, str) else list(prompt)
    columns = {"cond": words}
    if given.get("negative_prompt_embeds") is not None:
        columns["uncond"] = [None] * len(words)
    else:
        columns["uncond"] = _each(given.get("negative_prompt") or "", len(words))
    if getattr(pipe, "tokenizer", None) is not None:
        for half, name in (("cond", "prompt"), ("uncond", "negative_prompt")):
            second = given.get(f"{name}_2")
            if second and given.get(f"{name}_embeds") is None:
                columns[f"{half}_2"] = _each(second, len(words))
    each = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [one for one in each for _ in range(count)]


def _each(text: "str | list[str]", count: int) -> list[str | None]:
    return [text] * count if isinstance(text, str) else list(text)


def _is_guided(pipe: Any, rows: int, images: int) -> bool:
    """Return whether the batch has an unconditional half.

    Raises:
        ModelError: If the rows are neither one nor two a picture.
    """
    told = getattr(pipe, "do_classifier_free_guidance", None)
    guided = bool(told) if told is not None else rows == 2 * images
    if rows != images * (2 if guided else 1):
        raise ModelError(
            f"{type(pipe).__name__} gives its U-Net {rows} rows for {images} pictures"
            f" {'with' if guided else 'without'} guidance, a layout that this recorder does not"
            " know."
        )
    return guided


def _course(pipe: Any, schedule: NoiseSchedule) -> list[tuple[float, int]]:
    """Return (sigma, step) of every evaluation that the call will make."""
    scheduler = pipe.scheduler
    count = int(getattr(pipe, "num_timesteps", None) or len(scheduler.timesteps))
    total = len(scheduler.timesteps)
    first = getattr(scheduler, "begin_index", None)
    first = max(0, total - count) if first is None and _starts_late(pipe) else int(first or 0)
    sigmas = adapter.evaluation_sigmas(scheduler, schedule)
    steps = adapter.evaluation_steps(scheduler, scheduler.num_inference_steps)
    first = min(first, total - 1)
    chosen = range(first, min(first + count, total))
    return [(sigmas[i], steps[i] - steps[first]) for i in chosen]


def _starts_late(pipe: Any) -> bool:
    """Return whether the pipeline starts from a picture, so that the last timesteps are used."""
    return hasattr(pipe, "get_timesteps")


def _tokens(pipe: Any, words: str | None, length: int, name: str) -> pd.DataFrame:
    """Return the token table of a prompt, or one of bare positions if it is not known.

    Args:
        pipe: The pipeline.
        words: The prompt.
        length: Positions of the text.
        name: "cond" or "uncond", with "_2" for what the second text encoder reads.
    """
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None or name.endswith("_2"):
        tokenizer = getattr(pipe, "tokenizer_2", None)
    if words is not None and tokenizer is not None and tokenizer.model_max_length == length:
        if hasattr(pipe, "maybe_convert_prompt"):  # textual inversion
            words = pipe.maybe_convert_prompt(words, tokenizer)
        return tokens(tokenizer, words)
    return pd.DataFrame(
        {
            "position": range(length),
            "id": 0,
            "piece": "",
            "word": "",
            "word_index": pd.array([None] * length, dtype="Int64"),
            "kind": "unknown",
            "mask": 1,
            "cut": False,
        }
    )


def _check_memory(needed: int, device: Any) -> None:
    available = memory.available_bytes(device)
    if needed > available * memory.USABLE:
        raise MemoryLimitError(
            f"The record of this call needs {memory.readable(needed)} on {device};"
            f" {memory.readable(available)} are free. Record fewer layers, steps or tensors."
        )
