"""Any diffusers pipeline with its words as a denoiser: (x, sigma) -> x0_pred, wherever one asks.

The pipeline's call is a process whose scheduler goes where it is told: its step hands the guided
output out and takes the next latents and time in. So inversion and other work outside of a
sampler's course reach every model, whatever its pipeline does around the network. The first
evaluation only finds out how the pipeline lays out its latents.
"""

import copy
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.denoisers.network import at_least_float32, predictions
from sdlab.errors import ModelError, SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.models import memory, pipelines
from sdlab.models.activations import latent_tokens
from sdlab.models.model import Model
from sdlab.noise.flow import dynamic_mu, shift_in_force, shifted, sigma_to_time
from sdlab.sampling.pipeline_call import call_arguments, class_of
from sdlab.sampling.pipeline_process import Call, Process, ask, intercepting, pipeline_process
from sdlab.solvers.as_flow import WHOLE
from sdlab.solvers.pipeline_times import handed_mu, handed_timesteps
from sdlab.tracing.layout import LatentLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

MOST_EVALUATIONS = 10_000
"""After so many the process begins anew."""


class Step(NamedTuple):
    """What a pipeline gives its scheduler."""

    output: "Tensor"
    timestep: float
    sample: "Tensor"


class PipelineDenoiser:
    """A model of any family with its words and guidance.

    To be used in one thread.

    Args:
        model: The loaded model; of "vp" or "flow" path.
        prompt: What to draw.
        negative_prompt: What to steer away from; used with guidance.
        guidance_scale: As the pipeline takes it.
        guidance_rescale: 0 ... 1, where the pipeline has it.
    """

    def __init__(
        self,
        model: Model,
        prompt: str,
        negative_prompt: str = "",
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
    ) -> None:
        self.model, self.schedule = model, model.schedule
        self._asked = Experiment(
            prompt,
            negative_prompt,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            num_steps=MOST_EVALUATIONS,
        )
        self._process: Process | None = None
        self._shape: tuple[int, ...] = ()
        self._places: Tensor | None = None
        self._kind: Tensor | None = None
        self._count = 0
        self._unshifted: float | None = None

    def __call__(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return x0_pred, float32, of x = x0 + sigma n, both [B, C, h, w].

        Raises:
            ModelError: If the pipeline evaluates elsewhere than it is told to, or lays its latents
                out in a way that is not known.
        """
        time = float(sigma_to_time(sigma))
        scale = 1.0 - time if self.schedule.path == "flow" else (1.0 + sigma**2) ** -0.5
        return self.at(x * scale, sigma)[0]

    def at(self, x_t: "Tensor", sigma: float) -> "tuple[Tensor, Tensor]":
        """Return (x0_pred, eps_pred), float32, of x_t as the network is given it, [B, C, h, w].

        Args:
            x_t: VP coordinates; for flow matching (1 - t) x0 + t eps.
            sigma: Its noise level; infinite for flow matching's t = 1.
        """
        if self._process is None or tuple(x_t.shape) != self._shape or self._count < 2:
            self._begin(x_t)
        timestep = self._timestep(sigma)
        step = self._answered((self._packed(x_t), timestep))
        self._count -= 1
        if abs(step.timestep - timestep) > 1e-3:
            self.close()
            raise ModelError(
                f"{type(self.model.pipeline).__name__} evaluates its network at timestep"
                f" {step.timestep:g} when told {timestep:g}: it cannot be asked anywhere but on its"
                " own course."
            )
        output = self._laid_out(step.output)
        return predictions(self.schedule, at_least_float32(x_t), sigma, output)

    def compute(self, call: Call, real: "Callable[..., Any]") -> Any:
        """Return a network's answer to a call, from its own ``forward``."""
        return real(**call.arguments)

    def close(self) -> None:
        """Leave the pipeline's call."""
        if self._process is not None:
            self._process.close()
        self._process = None

    def _begin(self, x_t: "Tensor") -> None:
        """Call the pipeline for latents of a shape, and let it show how it lays them out."""
        import torch

        self.close()
        factor = self.model.vae_factor
        size = {"width": x_t.shape[3] * factor, "height": x_t.shape[2] * factor}
        asked = self._asked.with_(**size)
        cls = class_of(self.model, asked)
        pipe = pipelines.over_parts(self.model.pipeline, cls, _led(self.model.pipeline.scheduler))
        given = call_arguments(self.model, asked, cls)
        taken = pipelines.call_parameters(cls)
        if "num_images_per_prompt" in taken:
            given["num_images_per_prompt"] = len(x_t)
        elif len(x_t) > 1:
            raise ModelError(f"{cls.__name__} draws one picture at a time.")
        if "use_resolution_binning" in taken:
            given["use_resolution_binning"] = False  # the latents have a size of their own
        if "generator" in taken:
            given["generator"] = torch.Generator().manual_seed(0)
        self._process = pipeline_process(lambda: pipe(**given))
        self._told: dict[str, Any] = {}
        first = self._answered(None)
        layout = LatentLayout(pipe, given, self._told, first.sample)
        numbers = torch.arange(first.sample.numel(), dtype=torch.float64)
        places = layout.pictures(numbers.reshape(first.sample.shape)).long()
        if tuple(places.shape) != tuple(x_t.shape) or len(places.unique()) != places.numel():
            self.close()
            raise ModelError(
                f"{cls.__name__} makes latents {list(places.shape)}, got {list(x_t.shape)}."
            )
        self._kind, self._places = first.sample, places.to(first.sample.device)
        self._shape, self._count = tuple(x_t.shape), MOST_EVALUATIONS
        self._unshifted = self._shift(cls, self._shape[1:])

    def _timestep(self, sigma: float) -> float:
        """Return what the pipeline tells its network at a noise level."""
        if self.schedule.path != "flow":
            return float(self.schedule.sigma_to_timestep(sigma))
        time, trained = float(sigma_to_time(sigma)), self.schedule.num_timesteps
        if self._unshifted is None:
            return time * trained
        return math.floor(float(shifted(time, 1.0 / self._unshifted)) * trained + WHOLE)

    def _shift(self, cls: type, shape: "Sequence[int]") -> float | None:
        """Return the shift of the times where the timesteps are whole and not shifted; else None.

        So it is where a pipeline hands both over (CogView4).
        """
        config, tokens = self.model.scheduler_config, latent_tokens(self.model.network, shape)
        if self.schedule.path != "flow" or handed_timesteps(cls, 4, config) is None:
            return None
        mu = handed_mu(cls, 4, config, tokens)
        return shift_in_force(config, dynamic_mu(tokens, config) if mu is None else mu)

    def _answered(self, move: Any) -> Step:
        """Let the pipeline go on to its next step, and return what that is given.

        Raises:
            SdlabError: If the pipeline fails.
        """
        try:
            return self._advanced(move)
        except Exception as error:
            told = isinstance(error, (SdlabError, ValueError))
            if told or memory.is_out_of_memory(error):
                raise
            name = type(self.model.pipeline).__name__
            raise SdlabError(f"{name} failed: {type(error).__name__}: {error}.") from error

    def _advanced(self, move: Any) -> Step:
        """Let the pipeline go on, answer its network calls, and return what its step is given."""
        import torch

        assert self._process is not None
        with intercepting(self.model.networks) as reals:
            asked: Any = self._process.send(move)
            while isinstance(asked, Call):
                self._told = asked.arguments
                with torch.no_grad():
                    output = self.compute(asked, reals[asked.network])
                asked = self._process.send(output)
        assert isinstance(asked, Step)
        return asked

    def _packed(self, x: "Tensor") -> "Tensor":
        """Return latents [B, C, h, w] as the pipeline lays them out."""
        import torch

        assert self._kind is not None and self._places is not None
        packed = torch.empty_like(self._kind).flatten()
        packed[self._places.flatten()] = x.to(packed.device, packed.dtype).flatten()
        return packed.reshape(self._kind.shape)

    def _laid_out(self, packed: "Tensor") -> "Tensor":
        assert self._places is not None
        return packed.flatten()[self._places.flatten()].reshape(self._places.shape)


def _led(scheduler: Any) -> Any:
    """Return a scheduler like a model's own that goes where it is told.

    Its timesteps are rewritten in place as the pipeline goes along them: what the pipeline iterates
    over are views of them.
    """
    import torch

    own = type(scheduler)

    def set_timesteps(
        self: Any,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Any = None,
        mu: float | None = None,
        timesteps: Any = None,
    ) -> None:
        self.num_inference_steps = MOST_EVALUATIONS
        self.timesteps = torch.full((MOST_EVALUATIONS,), 1.0, device=device)
        self.sigmas = torch.ones(MOST_EVALUATIONS + 1)
        self.led = 0

    def step(
        self: Any,
        model_output: "Tensor",
        timestep: Any,
        sample: "Tensor",
        *args: Any,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> Any:
        x, time = ask(Step(model_output, float(timestep), sample))
        self.led += 1
        self.timesteps[self.led] = time
        return (x,)

    def scale_model_input(self: Any, sample: "Tensor", timestep: Any = None) -> "Tensor":
        return sample

    methods = {
        "set_timesteps": set_timesteps,
        "step": step,
        "scale_model_input": scale_model_input,
        "init_noise_sigma": 1.0,
        "order": 1,
    }
    led = copy.deepcopy(scheduler)
    led.__dict__.pop("init_noise_sigma", None)
    led.__class__ = type(own.__name__, (own,), methods)
    return led
