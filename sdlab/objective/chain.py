"""DDPM's forward and reverse step at one timestep of a model's schedule, in numbers.

The arithmetic is that of ``sdlab.reference.ddpm``, over beta_t = 1 - alpha_bar_t / alpha_bar_(t-1).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sdlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.noise.schedule import NoiseSchedule
    from sdlab.objective.looking import Look
    from sdlab.reference.ddpm import GaussianDiffusion


@dataclass(frozen=True)
class StepNumbers:
    """The numbers of a timestep t; t - 1 is "before", at t = 0 the data itself.

    Attributes:
        timestep: t, 0 ... T - 1.
        beta: Variance that the forward step adds; the reverse step's "fixed large".
        alpha_bar: Share of the signal's variance after it.
        alpha_bar_before: And before it.
        beta_tilde: Variance of q(x_(t-1) | x_t, x0); the reverse step's "fixed small".
        of_x0: What x0 is multiplied by in the posterior's mean.
        of_x_t: What x_t is multiplied by there.
        of_eps: beta / sqrt(1 - alpha_bar), what eps is multiplied by in the reverse mean.
        log_beta_tilde: As learned variances take it: at t = 0 that of t = 1.
    """

    timestep: int
    beta: float
    alpha_bar: float
    alpha_bar_before: float
    beta_tilde: float
    of_x0: float
    of_x_t: float
    of_eps: float
    log_beta_tilde: float

    def learned(self, v: float) -> float:
        """Return exp(v log beta + (1 - v) log beta_tilde) (Improved DDPM eq. 15)."""
        return float(np.exp(v * np.log(self.beta) + (1 - v) * self.log_beta_tilde))


def chain(schedule: "NoiseSchedule") -> "GaussianDiffusion":
    """Return DDPM's chain over a schedule's timesteps.

    With zero terminal SNR the last alpha_bar is that of the schedule's largest finite sigma.

    Raises:
        ModelError: If the schedule is one of flow matching.
    """
    import torch

    from sdlab.reference.ddpm import GaussianDiffusion

    if schedule.path == "flow":
        raise ModelError(
            "Flow matching has no chain of DDPM steps: its network's velocity is followed instead."
        )
    sigma = schedule.timestep_to_sigma(np.arange(schedule.num_timesteps))
    alpha_bar = torch.from_numpy(1.0 / (1.0 + sigma**2))
    before = torch.cat((alpha_bar.new_ones(1), alpha_bar[:-1]))
    return GaussianDiffusion(1 - alpha_bar / before)


def step_numbers(schedule: "NoiseSchedule", timestep: int) -> StepNumbers:
    """Return the numbers of a timestep.

    Raises:
        ValueError: If it lies outside the schedule.
        ModelError: If the schedule is one of flow matching.
    """
    schedule.timestep_to_sigma(timestep)  # says so if it lies outside
    diffusion, t = chain(schedule), int(timestep)
    beta, alpha_bar = float(diffusion.beta[t]), float(diffusion.alpha_bar[t])
    before = float(diffusion.alpha_bar_before[t])
    return StepNumbers(
        timestep=t,
        beta=beta,
        alpha_bar=alpha_bar,
        alpha_bar_before=before,
        beta_tilde=float(diffusion.beta_tilde[t]),
        of_x0=before**0.5 * beta / (1 - alpha_bar),
        of_x_t=(1 - beta) ** 0.5 * (1 - before) / (1 - alpha_bar),
        of_eps=beta / (1 - alpha_bar) ** 0.5,
        log_beta_tilde=float(diffusion.log_beta_tilde[t]),
    )


@dataclass(frozen=True, eq=False)
class ReverseStep:
    """Both means of the step back from x_t, float64 [1, C, h, w], and what parts them in nats.

    Attributes:
        posterior: Mean of q(x_(t-1) | x_t, x0), with the true x0.
        predicted: Mean of p(x_(t-1) | x_t), with the network's guess.
        terms: The bound's term of this timestep, nats per value, by variance.
    """

    posterior: "Tensor"
    predicted: "Tensor"
    terms: dict[str, float]


def reverse_step(
    schedule: "NoiseSchedule", look: "Look", conditioning: str = "caption", v: float = 0.5
) -> ReverseStep:
    """Return the reverse step of a look under each of DDPM's variances.

    Args:
        schedule: The model's.
        look: Of its network at a timestep.
        conditioning: "caption" or "none".
        v: Of the learned variance, everywhere: 0 is beta_tilde, 1 beta.

    Raises:
        ModelError: If the schedule is one of flow matching.
    """
    import torch

    diffusion, t = chain(schedule), torch.tensor([look.level.timestep])
    x0, x_t = look.x0.double(), look.x_t.double()
    guess = look.answers[conditioning].x0_pred.double()
    posterior = diffusion.posterior_mean(x0, x_t, t)
    predicted = diffusion.posterior_mean(guess, x_t, t)
    share = {"fixed_small": 0.0, "fixed_large": 1.0, "learned_range": v}
    terms = {}
    for kind, value in share.items():
        log_variance = diffusion.log_variance("learned_range", x_t, t, torch.full_like(x_t, value))
        term = diffusion.term(x0, x_t, t, predicted, log_variance)
        terms[kind] = float(term) / x0.numel()
    return ReverseStep(posterior, predicted, terms)
