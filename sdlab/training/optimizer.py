"""Muon for matrices, AdamW for everything else; a state that is only named tensors.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) orthogonalises the momentum of each
matrix with five Newton-Schulz steps. Convolution kernels count as matrices [out, in * kh * kw];
embeddings, norms, biases and the first and last layers go to AdamW (Loshchilov and Hutter, arXiv
1711.05101).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

MOMENTUM = 0.95
BETAS = (0.9, 0.99)
EPSILON = 1e-8


def orthogonalise(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Return the nearest semi-orthogonal matrix of ``matrix`` [M, N], roughly, in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    orthogonal: torch.Tensor = x.T if tall else x
    return orthogonal


class MuonAdamW:
    """One optimizer over named parameters.

    Attributes:
        muon_lr: Peak step of a matrix (spectral norm per step).
        adam_lr: Peak step of AdamW.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        *,
        muon_lr: float = 0.02,
        adam_lr: float = 1e-3,
        weight_decay: float = 0.0,
        plain: tuple[str, ...] = ("embed", "conv_in", "conv_out", "head"),
    ) -> None:
        """Sort parameters; a name that holds a word of ``plain`` goes to AdamW."""
        self.muon_lr, self.adam_lr, self.weight_decay = muon_lr, adam_lr, weight_decay
        self.parameters = {name: p for name, p in named if p.requires_grad}
        self.matrices = {
            name
            for name, p in self.parameters.items()
            if p.ndim >= 2
            and min(p.shape[0], p[0].numel()) > 1
            and not any(w in name for w in plain)
        }
        self.state: dict[str, torch.Tensor] = {}
        self.count = 0

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, scale: float = 1.0) -> None:
        """Update all parameters with the peak steps times ``scale`` (0 to 1)."""
        self.count += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            if name in self.matrices:
                self._muon(name, parameter, scale * self.muon_lr)
            else:
                self._adam(name, parameter, scale * self.adam_lr)

    def _slot(self, name: str, like: torch.Tensor) -> torch.Tensor:
        if name not in self.state:
            self.state[name] = torch.zeros_like(like, memory_format=torch.contiguous_format)
        return self.state[name]

    def _muon(self, name: str, parameter: torch.Tensor, lr: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        momentum = self._slot(f"{name}.momentum", parameter)
        momentum.lerp_(gradient, 1 - MOMENTUM)
        update = torch.lerp(gradient, momentum, MOMENTUM).flatten(1)
        ratio = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
        update = orthogonalise(update).to(parameter.dtype).view(parameter.shape)
        parameter.mul_(1 - lr * self.weight_decay).add_(update, alpha=-lr * ratio)

    def _adam(self, name: str, parameter: torch.Tensor, lr: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        mean, square = (self._slot(f"{name}.{kind}", parameter) for kind in ("mean", "square"))
        mean.lerp_(gradient, 1 - BETAS[0])
        square.lerp_(gradient.square(), 1 - BETAS[1])
        first, second = (1 - beta**self.count for beta in BETAS)
        parameter.addcdiv_(mean, (square / second).sqrt() + EPSILON, value=-lr / first)

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """Return the whole state as named tensors."""
        return {**self.state, "count": torch.tensor(self.count)}

    def load_state_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up a state that ``state_tensors`` gave."""
        self.state = {
            name: value.clone().to(next(iter(self.parameters.values())).device)
            for name, value in tensors.items()
            if name != "count"
        }
        self.count = int(tensors["count"])
