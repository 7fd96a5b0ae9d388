"""The U-Net as a denoiser: classifier-free guidance, and one call for many runs.

Guidance (Ho & Salimans 2022, arXiv 2207.12598, in diffusers' convention): output = uncond +
s (cond - uncond). A run with guidance is two samples of the batch, in the order [uncond, cond];
one with s <= 1 is a single, conditional sample. Runs are laid one after the other, so a run alone
makes exactly the call that StableDiffusionPipeline makes.

In fast mode the same network computes under bfloat16 autocast: convolutions, linear layers and
attention in bfloat16, with 8 bits of mantissa for float32's 24. Its outputs come back in float32,
so guidance, solver and record work as ever; the pictures differ. channels_last was measured and
left out: on a CPU its group norm loses more than its convolutions gain.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.models.guidance import is_distilled
from sdlab.models.model import Model
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


class Sample(NamedTuple):
    """One run's part of a network call.

    Attributes:
        x_t: [1, C, h, w], VP coordinates.
        timestep: 0 ... T - 1, may be fractional.
        cond: Text embedding of the prompt, [1, L, D].
        uncond: Text embedding of the negative prompt, [1, L, D], or None without guidance.
        guidance_scale: s; used when ``uncond`` is given.
        guidance_rescale: 0 ... 1 (Lin et al. 2023, arXiv 2305.08891, section 3.4).
        fast: Whether the call computes in bfloat16; the same for all samples of a call.
    """

    x_t: "Tensor"
    timestep: float
    cond: "Tensor"
    uncond: "Tensor | None"
    guidance_scale: float
    guidance_rescale: float
    fast: bool = False

    @property
    def rows(self) -> int:
        """Samples that it adds to the batch: 2 with guidance, else 1."""
        return 1 if self.uncond is None else 2


class NetworkOutput(NamedTuple):
    """The network's outputs for one run, each [1, C, h, w]; ``uncond`` None without guidance."""

    cond: "Tensor"
    uncond: "Tensor | None"
    guided: "Tensor"


def uses_guidance(model: Model, guidance_scale: float) -> bool:
    """Return whether the unconditional half is needed, decided as the pipeline does.

    A network distilled with its guidance as an input never needs it.
    """
    return guidance_scale > 1 and not is_distilled(model)


def evaluate(model: Model, samples: list[Sample]) -> list[NetworkOutput]:
    """Return the outputs for all samples from one call of the network.

    Args:
        model: Whose U-Net to call.
        samples: At least one; all with the same C, h, w, text length and ``fast``.
    """
    import torch

    unet = model.pipeline.unet
    x, times, texts = [], [], []
    for sample in samples:
        x += [sample.x_t] * sample.rows
        times += [sample.timestep] * sample.rows
        texts += [sample.cond] if sample.uncond is None else [sample.uncond, sample.cond]
    with torch.no_grad(), precision(model, samples[0].fast):
        batch = torch.cat(x).to(model.device, model.dtype)
        out = unet(
            batch,
            torch.tensor(times, dtype=torch.float32).to(model.device, non_blocking=True),
            encoder_hidden_states=torch.cat(texts),
            timestep_cond=_guidance_embedding(model, samples, batch.dtype),
            return_dict=False,
        )[0]
        parts = out.to(batch.dtype).split([sample.rows for sample in samples])
        return [guide(part, sample) for part, sample in zip(parts, samples, strict=True)]


def guide(rows: "Tensor", sample: Sample) -> NetworkOutput:
    """Return the outputs of one run from its rows of the network's output, [1 or 2, C, h, w]."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    if sample.uncond is None:
        return NetworkOutput(rows, None, rows)
    uncond, cond = rows.chunk(2)
    guided = uncond + sample.guidance_scale * (cond - uncond)
    if sample.guidance_rescale > 0.0:
        guided = rescale_noise_cfg(guided, cond, guidance_rescale=sample.guidance_rescale)
    return NetworkOutput(cond, uncond, guided)


def predictions(
    schedule: NoiseSchedule, x_t: "Tensor", sigma: float, output: "Tensor"
) -> "tuple[Tensor, Tensor]":
    """Return (x0_pred, eps_pred), float32 or wider, from a raw network output.

    Args:
        schedule: Whose ``prediction_type`` says what the output is.
        x_t: VP coordinates, [1, C, h, w]; for flow matching (1 - t) x0 + t eps.
        sigma: Its noise level, > 0; there t / (1 - t), and infinite at t = 1.
        output: The network's output, [1, C, h, w].

    Reference: v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 (Salimans & Ho 2022, arXiv
    2202.00512, appendix D).
    """
    x, out = at_least_float32(x_t), at_least_float32(output)
    if schedule.path == "flow":
        time = float(sigma_to_time(sigma))
        return x - time * out, x + (1.0 - time) * out
    scale = (1.0 + sigma**2) ** 0.5  # 1 / sqrt(alpha_bar)
    if schedule.prediction_type == "epsilon":
        return x * scale - sigma * out, out
    if schedule.prediction_type == "v_prediction":
        return (x - sigma * out) / scale, (out + sigma * x) / scale
    return out, (x * scale - out) / sigma


def at_least_float32(x: "Tensor") -> "Tensor":
    """Return a tensor in float32, or as it is if it is wider."""
    return x if x.dtype.itemsize > 4 else x.float()


def check_fast(model: Model) -> None:
    """Raise if fast mode would change nothing on a model.

    Raises:
        ValueError: If it does not compute in float32.
    """
    import torch

    if model.dtype != torch.float32:
        dtype = str(model.dtype).removeprefix("torch.")
        raise ValueError(
            f"fast lets a float32 model compute in bfloat16, and this one was loaded in {dtype}."
            " Leave fast out, or load the model with dtype='float32'."
        )


def precision(model: Model, fast: bool) -> AbstractContextManager[Any]:
    """Return the context to make a network call in: bfloat16 autocast if fast, else none."""
    if not fast:
        return nullcontext()
    import torch

    # No weight is used twice in a call, so keeping the cast ones would only take memory.
    return torch.autocast(model.device.type, torch.bfloat16, cache_enabled=False)


def _guidance_embedding(model: Model, samples: list[Sample], dtype: Any) -> "Tensor | None":
    """Return the embedding [B, D] of the guidance scale that distilled networks take, or None."""
    import torch

    size = model.pipeline.unet.config.time_cond_proj_dim
    if size is None:
        return None
    weights = torch.tensor([sample.guidance_scale - 1 for sample in samples])
    make = model.pipeline.get_guidance_scale_embedding
    embedding: Tensor = make(weights, embedding_dim=size)
    return embedding.to(device=model.device, dtype=dtype)
