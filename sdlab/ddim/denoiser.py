"""A loaded model with its words as the denoiser that the schemes ask, whatever its family."""

from typing import TYPE_CHECKING

from sdlab.denoisers.guided import Guided
from sdlab.models.activations import latent_tokens
from sdlab.noise.flow import sigma_to_time, time_to_sigma
from sdlab.noise.schedule import FlowTimes
from sdlab.sampling.pipeline_denoiser import PipelineDenoiser
from sdlab.solvers.course import course
from sdlab.solvers.flow_catalogue import handed_by

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.ddim.schemes import Denoise
    from sdlab.ddim.settings import DdimSettings
    from sdlab.models.model import Model


def denoiser(
    model: "Model", prompt: str, negative_prompt: str = "", guidance_scale: float = 1.0
) -> "Denoise":
    """Return (x, level) -> x0_pred of a model under a prompt.

    Levels are sigma and x is in VE coordinates; with flow matching they are times, and x is x_t.

    Args:
        model: Plain Stable Diffusion is called itself, every other model through its pipeline.
        prompt: What the picture shows.
        negative_prompt: Used with guidance.
        guidance_scale: As the model's pipeline takes it.

    Raises:
        ModelError: If the model's noise levels are not known.
    """
    if model.plain:
        return Guided(model, prompt, negative_prompt, guidance_scale)
    asked = PipelineDenoiser(model, prompt, negative_prompt, guidance_scale)
    if model.path != "flow":
        return asked

    def over_times(x: "Tensor", time: float) -> "Tensor":
        return asked.at(x, float(time_to_sigma(time)))[0]

    return over_times


def levels(model: "Model", settings: "DdimSettings", latents: "Tensor") -> tuple[float, ...]:
    """Return the levels of a model's inversion, descending, ending in 0: sigmas, or flow's times.

    Args:
        model: Whose. Without a curve the levels are those of a run with its scheduler's config.
        settings: With the curve and the number of steps.
        latents: [B, C, h, w], whose size the times may go by.

    Raises:
        ValueError: If the curve, an option of it or the number of steps is not valid.
        ModelError: If the model's noise levels are not known.
    """
    if model.path != "flow":
        return settings.sigmas(model.schedule)
    config, steps = model.scheduler_config, settings.num_steps
    shape = (latents.shape[1], *latents.shape[-2:])
    tokens = latent_tokens(model.network, shape)
    handed = handed_by(type(model.pipeline), "euler", steps, config, settings.curve, tokens)
    if settings.curve is not None:
        return settings.sigmas(FlowTimes.of_config(config, tokens, handed["mu"]))
    laid_out = course("euler", steps, config=config, tokens=tokens, handed=handed)
    return tuple(sigma_to_time([*laid_out.sigmas, laid_out.end]).tolist())
