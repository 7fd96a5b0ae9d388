"""What a block puts out at one evaluation, and how much of it three colours can show.

A block with 192 channels gives 192 numbers at each place. Principal components turn them into the
three mixtures that vary most over the places, which are drawn as red, green and blue. How much of
the variance these three carry is told with the picture: what is left, it does not show.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

DEAD = 0.01
"""A channel is dead if it varies over the places less than this share of what the block does."""
SPREAD = 2.5
"""So many standard deviations of a component, to both sides, are its range of colour."""


@dataclass(frozen=True)
class Components:
    """The principal components of feature maps, over the places.

    Attributes:
        maps: The first components, [K, h, w], float64, by descending variance.
        shares: Their shares of the variance over the places, 0 ... 1.
    """

    maps: "np.ndarray"
    shares: tuple[float, ...]

    def image(self) -> Image.Image:
        """Return the first three as red, green and blue; gray is a component's mean."""
        three = np.zeros((3, *self.maps.shape[1:]))
        three[: len(self.maps)] = self.maps[:3]
        spread = three.std(axis=(1, 2), keepdims=True)
        scaled = three / np.where(spread > 0, SPREAD * spread, 1.0)
        rgb = np.clip(0.5 + scaled / 2, 0, 1).transpose(1, 2, 0)
        return Image.fromarray((255 * rgb).round().astype(np.uint8))


@dataclass(frozen=True)
class FeatureMaps:
    """What a block puts out at one evaluation.

    Attributes:
        block: Its name.
        evaluation: Of the run, from 0.
        values: [C, h, w], float32, on the CPU; of the prompt's half where there is guidance.
    """

    block: str
    evaluation: int
    values: "Tensor"

    def components(self, count: int = 3) -> Components:
        """Return the principal components of the channels over the places."""
        x = self.values.double().numpy()
        flat = x.reshape(len(x), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        _, sizes, ways = np.linalg.svd(flat, full_matrices=False)
        total = float((sizes**2).sum())
        maps = sizes[:count, None] * ways[:count]
        # a component's sign means nothing: the place where it is strongest is made light
        strongest = maps[np.arange(len(maps)), np.abs(maps).argmax(axis=1)]
        maps = maps * np.where(strongest < 0, -1.0, 1.0)[:, None]
        shares = sizes[:count] ** 2 / total if total else np.zeros(count)
        return Components(maps.reshape(-1, *x.shape[1:]), tuple(shares.tolist()))

    def channels(self) -> pd.DataFrame:
        """Return one row a channel: mean, std, min, max over its places, and whether it is dead."""
        flat = self.values.double().flatten(1)
        std = flat.std(1, unbiased=False)
        return pd.DataFrame(
            {
                "channel": range(len(flat)),
                "mean": flat.mean(1).tolist(),
                "std": std.tolist(),
                "min": flat.amin(1).tolist(),
                "max": flat.amax(1).tolist(),
                "dead": dead_channels(self.values).tolist(),
            }
        )


def statistics(values: "Tensor") -> dict[str, float]:
    """Return mean, std, min and max of feature maps [C, h, w], and the share of dead channels."""
    x = values.double()
    return {
        "mean": float(x.mean()),
        "std": float(x.std(unbiased=False)),
        "min": float(x.amin()),
        "max": float(x.amax()),
        "dead": float(dead_channels(values).double().mean()),
    }


def dead_channels(values: "Tensor") -> "Tensor":
    """Return which channels of [C, h, w] are dead, [C], bool: see ``DEAD``.

    Such a channel says the same at every place, so it draws nothing, whatever its value is.
    """
    x = values.double()
    return x.flatten(1).std(1, unbiased=False) <= DEAD * x.std(unbiased=False)
