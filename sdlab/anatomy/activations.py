r"""Activation functions with their derivatives, and what really goes into a network's SiLUs.

SiLU(x) = x sigmoid(x) (Hendrycks, Gimpel 2016, arXiv 1606.08415; Elfwing et al. 2018, arXiv
1702.03118), called swish too, is what Stable Diffusion uses. Its derivative is

    SiLU'(x) = sigmoid(x) (1 + x (1 - sigmoid(x))),

negative below x = -1.278: there a larger input makes a smaller output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Numbers = NDArray[np.float64]

TURN = -1.2784645427610738
"""Where SiLU is least and its derivative 0."""
EDGES = np.linspace(-8.0, 8.0, 65)
"""Edges of the histogram's bins; the outermost take what lies beyond."""


@dataclass(frozen=True)
class Activation:
    """A function of one number and its derivative.

    Attributes:
        name: As people call it.
        formula: In LaTeX.
        value: x -> f(x), float64.
        derivative: x -> f'(x), float64.
    """

    name: str
    formula: str
    value: Callable[[Numbers], Numbers]
    derivative: Callable[[Numbers], Numbers]


def _sigmoid(x: Numbers) -> Numbers:
    return 0.5 * (1.0 + np.tanh(x / 2.0))


def _silu_slope(x: Numbers) -> Numbers:
    s = _sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


def _normal_cdf(x: Numbers) -> Numbers:
    from scipy.special import ndtr

    below: Numbers = ndtr(x)
    return below


def _mish_slope(x: Numbers) -> Numbers:
    t = np.tanh(np.logaddexp(0.0, x))
    slope: Numbers = t + x * (1.0 - t**2) * _sigmoid(x)
    return slope


ACTIVATIONS = {
    one.name: one
    for one in (
        Activation("SiLU", r"x\,\sigma(x)", lambda x: x * _sigmoid(x), _silu_slope),
        Activation(
            "ReLU", r"\max(0, x)", lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(float)
        ),
        Activation(
            "GELU",
            r"x\,\Phi(x)",
            lambda x: x * _normal_cdf(x),
            lambda x: _normal_cdf(x) + x * np.exp(-(x**2) / 2.0) / np.sqrt(2.0 * np.pi),
        ),
        Activation(
            "Mish",
            r"x \tanh(\ln(1 + e^x))",
            lambda x: x * np.tanh(np.logaddexp(0.0, x)),
            _mish_slope,
        ),
        Activation("tanh", r"\tanh x", np.tanh, lambda x: 1.0 - np.tanh(x) ** 2),
        Activation(
            "sigmoid",
            r"\sigma(x) = \frac{1}{1 + e^{-x}}",
            _sigmoid,
            lambda x: _sigmoid(x) * (1.0 - _sigmoid(x)),
        ),
    )
}
"""By name."""


def curves(low: float = -6.0, high: float = 6.0, count: int = 241) -> pd.DataFrame:
    """Return every activation and its derivative on a grid.

    Returns:
        Columns ``activation``, ``x``, ``value``, ``derivative``.

    Raises:
        ValueError: If ``low`` is not below ``high``.
    """
    if not low < high:
        raise ValueError(f"low must be below high, got {low} and {high}.")
    x = np.linspace(low, high, count)
    return pd.concat(
        [
            pd.DataFrame(
                {"activation": name, "x": x, "value": one.value(x), "derivative": one.derivative(x)}
            )
            for name, one in ACTIVATIONS.items()
        ],
        ignore_index=True,
    )


class SiluReader:
    """Gathers what the SiLU modules of a network are given, call by call.

    Args:
        network: Whose ``nn.SiLU`` modules.
    """

    def __init__(self, network: "nn.Module") -> None:
        from torch import nn

        self.modules = {
            name: module for name, module in network.named_modules() if isinstance(module, nn.SiLU)
        }
        self._calls: dict[str, int] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}

    def begin(self) -> None:
        """Start a network call."""
        self._calls.clear()
        self._rows.clear()
        self._counts.clear()

    def take(self, name: str, inputs: tuple[Any, ...], output: Any) -> None:
        """Take what one module is given; of several samples the last, the prompt's."""
        import torch

        x = inputs[0].detach()[-1:].float()
        use = self._use(name, x)
        layer = name.removesuffix(".nonlinearity") + (f" {use}" if use else "")
        edges = torch.as_tensor(EDGES[1:-1], dtype=x.dtype, device=x.device)
        counts = torch.bincount(torch.bucketize(x.flatten(), edges), minlength=len(EDGES) - 1)
        self._counts[layer] = counts.cpu().numpy()
        self._rows[layer] = {
            "layer": layer,
            "count": x.numel(),
            "mean": float(x.double().mean()),
            "std": float(x.double().std(unbiased=False)),
            "min": float(x.amin()),
            "max": float(x.amax()),
            "falling": float((x < TURN).double().mean()),
        }

    def table(self) -> pd.DataFrame:
        """Return one row a SiLU and use, of the last call.

        Columns ``layer``, ``count``, ``mean``, ``std``, ``min``, ``max`` of its inputs, and
        ``falling``: the share of them where SiLU's derivative is negative.
        """
        return pd.DataFrame(list(self._rows.values()))

    def histogram(self) -> pd.DataFrame:
        """Return the inputs' histogram: columns ``layer``, ``low``, ``high``, ``share``."""
        frames = [
            pd.DataFrame(
                {
                    "layer": layer,
                    "low": EDGES[:-1],
                    "high": EDGES[1:],
                    "share": counts / max(1, counts.sum()),
                }
            )
            for layer, counts in self._counts.items()
        ]
        columns = ["layer", "low", "high", "share"]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def _use(self, name: str, x: "Tensor") -> str:
        """Return which of a ResBlock's uses of its one SiLU this is."""
        if not name.endswith("nonlinearity"):
            return ""
        if x.ndim == 2:
            return "time"
        self._calls[name] = self._calls.get(name, 0) + 1
        return f"before conv{self._calls[name]}"
