"""What was recorded of one call of a diffusers pipeline, as its user reads it."""

from typing import TYPE_CHECKING

import pandas as pd

from sdlab.errors import ModelError
from sdlab.runs.trace import Trace
from sdlab.text.pipeline_tokens import token_table
from sdlab.tracing.recorder import Recorder

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.text.pipeline_tokens import PromptText


class CallRecord:
    """The record of one call, picture by picture.

    Attributes:
        warnings: What of it was not read, or is wrong with its pictures, one sentence each.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._recorders: list[Recorder] = []
        self._traces: list[Trace] = []
        self._tokens: list[dict[str, pd.DataFrame]] = []
        self._texts: list[list[PromptText]] = []
        self._latents: Tensor | None = None
        self._evaluation = 0
        self._was_guided = False
        self._refused = ""

    @property
    def images(self) -> int:
        """Pictures of the call."""
        return len(self._recorders)

    @property
    def evaluations(self) -> int:
        """Network evaluations so far."""
        return self._evaluation

    @property
    def latents(self) -> "Tensor":
        """Final latents of all pictures, [B, C, h, w], on the CPU; packed ones unpacked.

        Raises:
            ValueError: If they are not known: the call ended before its first step, or its pipeline
                changes them afterwards and does not report it.
        """
        if self._latents is None:
            raise ValueError(
                "The latents are not known: the call ended before its first step, or its pipeline"
                " does not report them."
            )
        return self._latents

    def trace(self, image: int) -> Trace:
        """Return what was kept of one picture.

        Raises:
            ValueError: If there is no such picture, or the call failed before any was evaluated.
            ModelError: If the call could not be read.
        """
        self._check_begun()
        if not 0 <= image < len(self._traces):
            last = len(self._traces) - 1
            raise ValueError(f"image must be from 0 to {last}, got {image}.")
        return self._traces[image]

    def tensors(self, image: int) -> "dict[str, Tensor]":
        """Return the tensors kept of one picture by name, [K, C, h, w], on the CPU.

        Raises:
            ValueError: If there is no such picture, or the call failed before any was evaluated.
            ModelError: If the call could not be read.
        """
        trace = self.trace(image)
        return {name: trace.tensor(name) for name in trace.names()}

    def table(self, name: str) -> pd.DataFrame:
        """Return "steps", "attention" or "tokens" of all pictures, with ``image`` first.

        ``tokens`` are those of the prompt, and where they were given, of ``prompt_2``, and of the
        negative prompts if there was guidance; its column ``prompt`` says which, and ``tokenizer``
        by which, where there are several.

        Raises:
            ValueError: If the call failed before anything was evaluated.
            ModelError: If the call could not be read.
        """
        self._check_begun()
        if name == "steps":
            parts = [recorder.steps().drop(columns="run") for recorder in self._recorders]
        elif name == "attention":
            parts = [self.trace(image).attention.table for image in range(self.images)]
        elif any(self._texts):
            parts = [self._by_tokenizer(texts) for texts in self._texts]
        else:
            parts = [self._all_tokens(tables) for tables in self._tokens]
        named = [part.assign(image=image) for image, part in enumerate(parts)]
        frame = pd.concat(named, ignore_index=True)
        return frame[["image", *(column for column in frame if column != "image")]]

    def _check_begun(self) -> None:
        if self._refused:
            raise ModelError(self._refused)
        if not self._recorders:
            raise ValueError(
                "Nothing was recorded of this call: it ended before its network's first evaluation."
            )

    def _by_tokenizer(self, texts: "list[PromptText]") -> pd.DataFrame:
        read = [text for text in texts if self._was_guided or not text.negative]
        return token_table(read, "").drop(columns="run")

    def _all_tokens(self, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
        named = {"cond": "prompt", "cond_2": "prompt_2"}
        if self._was_guided:
            named |= {"uncond": "negative", "uncond_2": "negative_2"}
        parts = [
            tables[half].assign(prompt=which) for half, which in named.items() if half in tables
        ]
        return pd.concat(parts, ignore_index=True)
