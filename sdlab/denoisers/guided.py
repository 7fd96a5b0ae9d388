"""A model with one prompt as a denoiser: (x, sigma) -> x0_pred, in VE coordinates.

For work outside the engine: inversion, one noised image, an edit.
"""

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdlab.denoisers.network import Sample, evaluate, predictions, uses_guidance
from sdlab.models.model import Model

if TYPE_CHECKING:
    from torch import Tensor


class Guided:
    """A network with its prompts and guidance.

    Args:
        model: The loaded model.
        prompt: What to draw.
        negative_prompt: What to steer away from; used with guidance.
        guidance_scale: uncond + s (cond - uncond); 1 or less means conditional only.
        guidance_rescale: 0 ... 1 (Lin et al. 2023, arXiv 2305.08891, section 3.4).
    """

    def __init__(
        self,
        model: Model,
        prompt: str,
        negative_prompt: str = "",
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
    ) -> None:
        self.model = model
        self.guided = uses_guidance(model, guidance_scale)
        self.cond, self.uncond = model.encode_prompt(
            prompt, negative_prompt if self.guided else None
        )
        self.guidance_scale, self.guidance_rescale = guidance_scale, guidance_rescale

    def __call__(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return x0_pred, float32, of x = x0 + sigma n, both [B, C, h, w]."""
        import torch

        schedule = self.model.schedule
        x_t = x / math.sqrt(1.0 + sigma**2)
        timestep = float(schedule.sigma_to_timestep(sigma))
        words = (self.uncond, self.guidance_scale, self.guidance_rescale)
        rows = zip(x_t.split(1), self.cond.expand(len(x_t), -1, -1).split(1), strict=True)
        outputs = evaluate(self.model, [Sample(x, timestep, cond, *words) for x, cond in rows])
        output = torch.cat([output.guided for output in outputs])
        return predictions(schedule, x_t, sigma, output)[0]

    def towards(self, other: "Guided", shares: Sequence[float]) -> "Guided":
        """Return the same for a batch whose rows' prompts lie on the way to another's.

        Args:
            other: Whose prompt is the end of the way; the rest stays this one's.
            shares: How far each row of the batch goes, 0 ... 1: its text embedding is the linear
                mean of the two.
        """
        import torch

        blended = copy.copy(self)
        blended.cond = torch.cat([torch.lerp(self.cond, other.cond, share) for share in shares])
        return blended
