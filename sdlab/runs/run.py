"""A run: an experiment with its picture, trace and tables, in memory or from its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from sdlab.experiment.experiment import Experiment
from sdlab.runs.trace import Trace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL import Image
    from torch import Tensor

    from sdlab.attention.views import HeatmapOptions, Word


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        experiment: What was asked for.
        image: The picture.
        trace: The tensors kept, by evaluation.
        tables: "steps", "channels", "tokens", "timings"; see ``sdlab.columns``.
        tensors: "latents" [1, C, h, w] and every recorded tensor [K, C, h, w].
        manifest: What it takes to run it again: versions, model hash, device, dtype, seeds.
    """

    experiment: Experiment
    image: "Image.Image"
    trace: Trace
    tables: "Mapping[str, pd.DataFrame]"
    tensors: "Mapping[str, Tensor]"
    manifest: dict[str, Any]

    @property
    def id(self) -> str:
        """The experiment's id."""
        return self.experiment.id

    @property
    def latents(self) -> "Tensor":
        """Final latents, [1, C, h, w].

        Raises:
            ValueError: If they are not known.
        """
        if "latents" not in self.tensors:
            raise ValueError(
                "The final latents of this run are not known: its pipeline does not report them."
            )
        return self.tensors["latents"]

    @property
    def steps(self) -> "pd.DataFrame":
        """One row an evaluation."""
        return self.tables["steps"]

    @property
    def channels(self) -> "pd.DataFrame":
        """One row an evaluation and latent channel."""
        return self.tables["channels"]

    @property
    def tokens(self) -> "pd.DataFrame":
        """One row a token of prompt and negative prompt."""
        return self.tables["tokens"]

    @cached_property
    def attention(self) -> "pd.DataFrame":
        """One row an evaluation, layer, head and token, where attention was recorded.

        Raises:
            ValueError: If it was not.
        """
        table = self.trace.attention.table
        return table if "run" in table else table.assign(run=self.id)[["run", *table]]

    @property
    def timings(self) -> "pd.DataFrame":
        """One row a timed stage."""
        return self.tables["timings"]

    def heatmap(self, word: "Word", **choice: "Unpack[HeatmapOptions]") -> "np.ndarray":
        """Return where in the picture a word is read, float32 [h, w]: its share of the attention.

        Args:
            word: "parrot", a phrase "red car", or token positions.
            choice: ``step``, ``evaluation``, ``layer``, ``head``, ``size`` and more; see
                ``sdlab.attention.views.heatmap``.

        Raises:
            ValueError: If attention was not recorded, or the prompt has no such word.
        """
        return self.trace.attention.heatmap(word, **choice)

    def save(self, folder: str | Path) -> Path:
        """Write the run to ``folder``/<id> in one piece and return that path.

        Raises:
            StoreError: If it cannot be written whole; nothing half is left.
        """
        from sdlab.runs.run_folder import save_run

        return save_run(self, folder)
