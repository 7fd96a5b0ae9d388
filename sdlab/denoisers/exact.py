"""The interface of an exact denoiser: data whose posterior mean is known in closed form.

With x = x0 + sigma n (variance exploding coordinates), the exact x0_pred is E[x0 | x], and the
score of the noised density is (x0_pred - x) / sigma^2 (Tweedie; Karras et al. 2022, arXiv
2206.00364, eq. 3). A solver run on one is compared with the truth, not with a network's opinion.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ExactDenoiser(Protocol):
    """Data with a known posterior mean. All tensors are float64 [B, C, H, W], VE coordinates."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one sample."""

    def denoise(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return the exact x0_pred, in the shape of ``x``."""

    def log_density(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return ln p(x; sigma), the density of data with noise of that level, [B]."""

    def sample(self, count: int, generator: "torch.Generator") -> "Tensor":
        """Return draws of the clean data, [count, C, H, W]."""

    def moments(self) -> "tuple[Tensor, Tensor]":
        """Return the data's mean [D] and covariance [D, D], with D = C H W."""


def score(denoiser: ExactDenoiser, x: "Tensor", sigma: float) -> "Tensor":
    """Return the gradient of ``log_density`` at ``x``, in its shape; sigma > 0."""
    return (denoiser.denoise(x, sigma) - x) / sigma**2


def flat(x: "Tensor") -> "Tensor":
    """Return samples as rows, float64 [B, D]."""
    return x.reshape(x.shape[0], -1).double()


def shares(logits: "Tensor") -> "Tensor":
    """Return the softmax of each row, [B, K].

    torch's softmax splits even a few short rows among threads, which costs far more than it saves
    when the cores are busy.
    """
    weights = (logits - logits.amax(1, keepdim=True)).exp()
    return weights / weights.sum(1, keepdim=True)
