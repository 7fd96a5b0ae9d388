"""The attention of a given picture in any model: noised to one level, through the network once.

Stable Diffusion 1.x and 2.x are asked themselves (``sdlab.attention.image``); every other model
through its pipeline's call, without guidance, so that its words and its layout are its own.
"""

from typing import TYPE_CHECKING, Any

from sdlab.attention import planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part, recording
from sdlab.attention.image import DEFAULT_TIMESTEP, of_image
from sdlab.attention.layers import is_unet
from sdlab.attention.network_text import latents_size, network_tokens
from sdlab.errors import ModelError, check_types
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.noise.flow import time_to_sigma
from sdlab.noise.forward import add_noise
from sdlab.sampling.joining import rows
from sdlab.sampling.pipeline_denoiser import PipelineDenoiser
from sdlab.text.pipeline_tokens import prompt_texts
from sdlab.text.reading import Reading, readings
from sdlab.text.sequence import text_sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from torch import Tensor

    from sdlab.attention.maps import AttentionMaps
    from sdlab.models.model import Model
    from sdlab.sampling.pipeline_process import Call


def picture_attention(
    model: "Model",
    latents: "Tensor",
    caption: str,
    *,
    timestep: float = DEFAULT_TIMESTEP,
    seed: int = 0,
    record: AttentionRecord | None = None,
) -> "AttentionMaps":
    """Return the attention maps of a picture at one noise level, as one evaluation.

    Args:
        model: The loaded model.
        latents: Clean latents of the picture, [1, C, h, w].
        caption: What to look for.
        timestep: Training timestep, 0 to 999; with flow matching 1000 t.
        seed: Of the noise.
        record: What to keep of the caption's half; the default record if None.

    Raises:
        ValueError: If the level is out of range or the record names a layer that is not there.
        ModelError: If the network's attention cannot be read, or its pipeline calls it more than
            once, or with more than one row, for an evaluation.
        MemoryLimitError: If the maps would pass the record's cap.
        TypeError: If an argument is of another type, as when two are swapped.
    """
    import torch

    from sdlab.models.model import Model

    check_types(
        picture_attention,
        model=(model, Model),
        latents=(latents, torch.Tensor),
        caption=(caption, str),
    )
    record = record or AttentionRecord()
    if model.plain:
        return of_image(model, latents, caption, timestep=timestep, seed=seed, record=record)
    if not 0 <= timestep <= 999:
        raise ValueError(f"timestep must be from 0 to 999, got {timestep}.")
    flows = model.path == "flow"
    level = time_to_sigma(timestep / 1000) if flows else model.schedule.timestep_to_sigma(timestep)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    x_t = add_noise(latents.float(), noise, level, "flow" if flows else "vp").to(model.device)
    looked = _Looked(model, caption, record)
    try:
        with readings(model.pipeline) as looked.heard:
            looked.at(x_t, float(level))
    finally:
        looked.close()
    return looked.maps(timestep, float(level))


class _Looked(PipelineDenoiser):
    """A model under a caption, whose attention is read in its one evaluation."""

    heard: list[Reading]

    def __init__(self, model: "Model", caption: str, record: AttentionRecord) -> None:
        super().__init__(model, caption)
        self._record = record
        self._collector: Collector | None = None
        self._table: pd.DataFrame | None = None
        self._size = (0, 0)

    def compute(self, call: "Call", real: "Callable[..., Any]") -> Any:
        """Answer a network call, and read the attention of the one that counts."""
        if not self._shape:  # the call only shows how the pipeline lays out its latents
            return super().compute(call, real)
        if self._collector is not None or rows(call) > 1:
            raise ModelError(
                f"{type(self.model.pipeline).__name__} asks its network more than once for an"
                " evaluation, so the attention of a given picture is not read. Record that of a"
                " run."
            )
        network, told = self.model.networks[call.network], call.arguments
        self._collector = self._prepared(network, told)
        with recording(network, [Part(self._collector, {"cond": 0})], ((), told)):
            return super().compute(call, real)

    def maps(self, timestep: float, sigma: float) -> "AttentionMaps":
        """Return what was read.

        Raises:
            ModelError: If it could not be.
        """
        assert self._collector is not None and self._table is not None
        if self._collector.lost:
            raise ModelError(self._collector.lost)
        self._collector.commit(0, 0, timestep, sigma)
        return self._collector.finish(self._size, {"cond": self._table})

    def _prepared(self, network: Any, told: Any) -> Collector:
        record, self._size = self._record, latents_size(network, told)
        layers = planning.choose_layers(network, record, self._size)
        texts = prompt_texts(self.model.pipeline, self._asked, self.heard)
        self._table = _tokens(texts, network, told)
        counts = {"cond": planning.count_tokens(self._table, record)}
        length = int((~self._table["cut"]).sum())
        kept = planning.evaluation_bytes(record, layers, counts, length)
        planning.check_cap(record, kept)
        return Collector(record, layers, counts, num_steps=1)


def _tokens(texts: Any, network: Any, told: Any) -> "pd.DataFrame":
    if is_unet(network):
        return text_sequence(texts, told["encoder_hidden_states"][0])
    return network_tokens(texts, network, told, 0)
