"""Statistics of latents, compared with the standard normal noise that a run starts from.

Every function takes one image's latents, [C, h, w] or [1, C, h, w], finite, and returns a tidy
table with a row a channel, and a row "all" where it makes sense to pool them.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

ALL = "all"
HISTOGRAM_LIMIT = 5.0


def values(latents: "Tensor | NDArray[Any]") -> pd.DataFrame:
    """Return every value that the channel maps show.

    Returns:
        Columns ``channel``, ``row``, ``column`` (latent pixels, from the top left) and ``value``.
    """
    x = one(latents)
    channel, row, column = (index.reshape(-1) for index in np.indices(x.shape))
    columns = {"channel": channel.astype(str), "row": row, "column": column}
    return pd.DataFrame(columns | {"value": x.reshape(-1)})


def moments(latents: "Tensor | NDArray[Any]") -> pd.DataFrame:
    """Return mean, spread and shape of each channel and of all.

    Returns:
        Columns ``channel``, ``mean``, ``std``, ``skew``, ``kurtosis`` (excess: 0 for a Gaussian),
        ``min``, ``max``. Skew and kurtosis of a constant channel are NaN.
    """
    from scipy import stats

    rows = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, values in _named(latents):
            constant = values.min() == values.max()
            skew = np.nan if constant else float(stats.skew(values))
            kurtosis = np.nan if constant else float(stats.kurtosis(values))
            ends = (float(values.min()), float(values.max()))
            rows.append((name, values.mean(), values.std(), skew, kurtosis, *ends))
    columns = ["channel", "mean", "std", "skew", "kurtosis", "min", "max"]
    return pd.DataFrame(rows, columns=columns)


def histogram(latents: "Tensor | NDArray[Any]", bins: int = 50) -> pd.DataFrame:
    """Return the density of each channel's values, beside that of N(0, 1).

    Args:
        latents: One image's.
        bins: Number of bins, from the smallest to the largest value, and at least from -5 to 5.

    Returns:
        Columns ``channel``, ``low``, ``high`` (the bin), ``density`` and ``normal``, the density
        that N(0, 1) has over the bin.

    Raises:
        ValueError: If ``bins`` is below 1.
    """
    from scipy import stats

    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}.")
    x = one(latents)
    reach = max(HISTOGRAM_LIMIT, float(np.abs(x).max()))
    edges = np.linspace(-reach, reach, bins + 1)
    normal = np.diff(stats.norm.cdf(edges)) / np.diff(edges)
    frames = []
    for name, values in _named(latents):
        density, _ = np.histogram(values, edges, density=True)
        frames.append(
            pd.DataFrame(
                {
                    "channel": name,
                    "low": edges[:-1],
                    "high": edges[1:],
                    "density": density,
                    "normal": normal,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def correlations(latents: "Tensor | NDArray[Any]") -> pd.DataFrame:
    """Return Pearson's correlation of every pair of channels over the pixels.

    Returns:
        Columns ``channel_a``, ``channel_b``, ``correlation``; NaN where a channel is constant.
    """
    x = one(latents)
    count = len(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = x.reshape(count, -1) - x.mean((1, 2))[:, None]
        sizes = np.linalg.norm(deviations, axis=1)
        matrix = (deviations @ deviations.T / np.outer(sizes, sizes)).clip(-1, 1)
    first, second = np.indices((count, count)).reshape(2, -1)
    return pd.DataFrame(
        {
            "channel_a": first.astype(str),
            "channel_b": second.astype(str),
            "correlation": matrix.reshape(-1),
        }
    )


def spectrum(latents: "Tensor | NDArray[Any]") -> pd.DataFrame:
    """Return the radially averaged power spectrum of each channel.

    The power is |FFT|^2 / (h w), so white noise of variance 1 has power 1 at every frequency. The
    mean (frequency 0) is left out. Rings are one step of the shorter side's frequency grid wide.

    Returns:
        Columns ``channel``, ``frequency`` (cycles a latent pixel, to 0.5), ``power``, ``count``
        (Fourier coefficients in the ring).
    """
    x = one(latents)
    height, width = x.shape[1:]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    step = 1 / min(height, width)
    ring = np.round(radius / step).astype(int)
    inside = (ring > 0) & (radius <= 0.5 + step / 2)
    power = np.abs(np.fft.fft2(x)) ** 2 / (height * width)
    counts = np.bincount(ring[inside])
    rings = np.flatnonzero(counts)
    frames = []
    for name, values in [*zip(map(str, range(len(x))), power, strict=True), (ALL, power.mean(0))]:
        sums = np.bincount(ring[inside], values[inside])
        frames.append(
            pd.DataFrame(
                {
                    "channel": name,
                    "frequency": rings * step,
                    "power": sums[rings] / counts[rings],
                    "count": counts[rings],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def shell(latents: "Tensor | NDArray[Any]") -> pd.DataFrame:
    """Return the latents' norm compared with that of noise, which lies on a thin shell.

    The norm of D standard normal values follows the chi distribution with D degrees of freedom:
    mean near sqrt(D - 1/2), spread near 0.71 whatever D.

    Returns:
        One row: ``norm``, ``dimensions`` D, ``expected``, ``expected_std``, ``z`` (the distance
        from the shell in its own spread), ``low`` and ``high`` (95 % of noise lies between).
    """
    from scipy import stats

    x = one(latents).reshape(-1)
    noise = stats.chi(len(x))
    norm, mean, std = float(np.linalg.norm(x)), float(noise.mean()), float(noise.std())
    low, high = (float(end) for end in noise.interval(0.95))
    columns = ["norm", "dimensions", "expected", "expected_std", "z", "low", "high"]
    row = (norm, len(x), mean, std, (norm - mean) / std, low, high)
    return pd.DataFrame([row], columns=columns)


def one(latents: "Tensor | NDArray[Any]") -> NDArray[np.float64]:
    """Return one image's latents as float64 [C, h, w].

    Raises:
        ValueError: If the shape is not that of one image's latents, or a value is not finite.
    """
    plain = latents if isinstance(latents, np.ndarray) else latents.detach().float().cpu().numpy()
    x = np.asarray(plain, dtype=np.float64)
    if x.ndim == 4 and len(x) == 1:
        x = x[0]
    if x.ndim != 3 or not x.size:
        raise ValueError(f"latents must be [C, h, w] or [1, C, h, w], got {list(plain.shape)}.")
    bad = int((~np.isfinite(x)).sum())
    if bad:
        raise ValueError(f"latents must be finite; {bad} of {x.size} values are not.")
    return x


def _named(latents: "Tensor | NDArray[Any]") -> list[tuple[str, NDArray[np.float64]]]:
    """Return (name, values) of each channel, and of all pooled."""
    x = one(latents)
    return [*((str(c), channel.reshape(-1)) for c, channel in enumerate(x)), (ALL, x.reshape(-1))]
