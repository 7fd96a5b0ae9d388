"""The playground's network: point and embedded time in, three hidden layers, a point out.

The time can be told in three ways:

    sinusoids  cos and sin of 1000 t at frequencies from 1 to 1 / 10000 (Ho et al. 2020, after
               Vaswani et al. 2017, arXiv 1706.03762): what Stable Diffusion does
    fourier    cos and sin of 2 pi f t at fixed random frequencies f (Tancik et al. 2020, arXiv
               2006.10739; Song et al. 2021, arXiv 2011.13456)
    scalar     2 t - 1 itself
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sdlab.errors import unknown

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "SiLU": nn.SiLU,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "Mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
EMBEDDINGS = ("sinusoids", "fourier", "scalar")
FREQUENCIES = 32
SPREAD = 2.0
"""Standard deviation of the random frequencies, in turns over the whole of time."""


class TimeEmbedding(nn.Module):
    """Times [B] in 0 ... 1 -> [B, width].

    Args:
        kind: One of ``EMBEDDINGS``.
        generator: Of the random frequencies.

    Raises:
        ValueError: If the kind is unknown.
    """

    frequencies: Tensor

    def __init__(self, kind: str, generator: torch.Generator) -> None:
        super().__init__()
        if kind not in EMBEDDINGS:
            raise ValueError(unknown("time embedding", kind, EMBEDDINGS))
        self.kind = kind
        self.width = 1 if kind == "scalar" else 2 * FREQUENCIES
        drawn = SPREAD * torch.randn(FREQUENCIES, generator=generator)
        fixed = 1000 * torch.exp(-math.log(10_000) * torch.arange(FREQUENCIES) / FREQUENCIES)
        self.register_buffer("frequencies", fixed if kind == "sinusoids" else 2 * math.pi * drawn)

    def forward(self, t: Tensor) -> Tensor:
        """Return the embedding of times, [B, width]."""
        if self.kind == "scalar":
            return 2 * t[:, None] - 1
        angle = t[:, None] * self.frequencies
        return torch.cat((angle.cos(), angle.sin()), 1)


class PointNetwork(nn.Module):
    """Noisy points [B, 2] and times [B] -> a prediction [B, outputs].

    Args:
        activation: One of ``ACTIVATIONS``.
        embedding: One of ``EMBEDDINGS``.
        generator: Of the start weights; torch's usual ones, U(-1, 1) / sqrt(inputs).
        outputs: 2; 4 where it also learns a variance.
        width: Of the hidden layers.

    Raises:
        ValueError: If activation or embedding is unknown.
    """

    def __init__(
        self,
        activation: str,
        embedding: str,
        generator: torch.Generator,
        outputs: int = 2,
        width: int = 128,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", activation, ACTIVATIONS))
        self.embed = TimeEmbedding(embedding, generator)
        act = ACTIVATIONS[activation]
        self.layers = nn.Sequential(
            *(nn.Linear(2 + self.embed.width, width), act()),
            *(nn.Linear(width, width), act()),
            *(nn.Linear(width, width), act()),
            nn.Linear(width, outputs),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                reach = layer.in_features**-0.5
                for parameter in layer.parameters():
                    nn.init.uniform_(parameter, -reach, reach, generator=generator)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the prediction at points ``x`` [B, 2] and times ``t`` [B]."""
        out: Tensor = self.layers(torch.cat((x, self.embed(t)), 1))
        return out
