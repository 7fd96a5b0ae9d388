"""The ``attention`` table: every map in eight numbers.

With a the map over the h * w places of a layer, and p = a / sum(a):

    mass     mean of a: the token's share of the layer's attention; over all tokens it sums to 1,
             unless the heads' maximum was kept, of which it is the mean and does not
    entropy  -sum p ln p, in nats: 0 for one place, ln(h w) for all places alike
    x, y     sum p x, sum p y: the centroid, 0 ... 1 from left and top
    spread   sqrt(sum p ((x - centroid_x)^2 + (y - centroid_y)^2)), in sides of the picture
    peak     the greatest share of attention that a place gives to the token
    area     the share of places where a is above a threshold, by default half way between its least
             and greatest value

Of joint transformers, whose places look at words and picture at once, there is also

    text_share  the share of the layer's attention that all tokens together receive; what masses
                sum to there

Where a map is zero everywhere (below what its dtype can hold), the numbers that need p are missing.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sdlab.columns import ATTENTION, JOINT_ATTENTION

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.attention.layers import Layer
    from sdlab.attention.maps import AttentionMaps

AREA_THRESHOLD = 0.5
STATISTICS = ("mass", "entropy", "x", "y", "spread", "peak", "area")


def table(maps: "AttentionMaps", threshold: float = AREA_THRESHOLD) -> pd.DataFrame:
    """Return one row an evaluation, layer, head and token; see ``sdlab.columns``.

    Args:
        maps: The picture's maps; only cross-attention has tokens.
        threshold: What ``area`` counts as inside, as in ``statistics``.

    Returns:
        The ``attention`` table without ``run``; empty where no cross-attention was kept.

    Raises:
        ValueError: If the threshold is not within 0 ... 1.
    """
    parts = [
        _layer(maps, layer, half, threshold) for half in maps.halves for layer in maps.cross_layers
    ]
    shared = JOINT_ATTENTION if any(layer.joint for layer in maps.cross_layers) else ()
    columns = [name for name in (*ATTENTION, *shared) if name != "run"]
    if not parts:
        return pd.DataFrame(columns=columns)
    frame = pd.concat(parts, ignore_index=True)
    order = ["half", "evaluation", "layer_index", "head", "position"]
    frame = frame.sort_values(order, kind="stable", ignore_index=True)
    frame["head"] = frame["head"].astype("Int64")
    if maps.record.heads != "all":
        frame["head"] = frame["head"].where(frame["head"] < 0)
    return frame[columns]


def statistics(maps: "Tensor", threshold: float = AREA_THRESHOLD) -> "dict[str, np.ndarray]":
    """Return the numbers of maps, each float64 [...].

    Args:
        maps: [..., h, w].
        threshold: 0 ... 1; ``area`` counts the places above ``low + threshold (high - low)``, with
            low and high the map's least and greatest value.

    Raises:
        ValueError: If the threshold is not within 0 ... 1.
    """
    import torch

    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be from 0 to 1, a share of the range, got {threshold}.")
    a = maps.double()
    h, w = a.shape[-2:]
    total = a.sum((-2, -1))
    p = a / total[..., None, None].where(total[..., None, None] > 0, torch.nan)
    x = (torch.arange(w, dtype=a.dtype, device=a.device) + 0.5) / w
    y = (torch.arange(h, dtype=a.dtype, device=a.device) + 0.5) / h
    across, down = p.sum(-2), p.sum(-1)
    mean_x, mean_y = across @ x, down @ y
    variance = across @ x.square() - mean_x.square() + down @ y.square() - mean_y.square()
    low, high = a.amin((-2, -1), keepdim=True), a.amax((-2, -1), keepdim=True)
    found = {
        "mass": total / (h * w),
        "entropy": torch.special.entr(p).sum((-2, -1)),
        "x": mean_x,
        "y": mean_y,
        "spread": variance.clamp(min=0).sqrt(),
        "peak": high[..., 0, 0],
        "area": (a > low + threshold * (high - low)).double().mean((-2, -1)),
    }
    return {name: value.cpu().numpy() for name, value in found.items()}


def _layer(maps: "AttentionMaps", layer: "Layer", half: str, threshold: float) -> pd.DataFrame:
    facts, own = maps.facts, maps.maps(layer, half)
    places = maps.places(half=half)
    count, (heads, tokens) = len(places), own.shape[1:3]
    # One evaluation at a time: in float64 all maps would take four times the memory of the record.
    rows = [statistics(own[place], threshold) for place in places]
    words = maps.tokens[half]
    words = words[words["position"].isin(maps.kept_positions(half))].head(tokens)
    each = heads * tokens
    where = {
        name: np.repeat(np.asarray(getattr(facts, f"{name}s"))[places], each)
        for name in ("step", "evaluation", "timestep", "sigma")
    }
    what = {
        name: np.tile(words[name].to_numpy(), count * heads)
        for name in ("position", "piece", "word", "kind")
    }
    head = np.tile(np.repeat(np.arange(heads), tokens), count)
    index = facts.layers.index(layer)
    values = {name: np.concatenate([row[name].reshape(-1) for row in rows]) for name in STATISTICS}
    named = {"half": half, "layer": layer.name, "grid": layer.size, "layer_index": index}
    share = maps.text_share(layer, half)[places].double().mean((2, 3)).reshape(-1).numpy()
    text = {"text_share": np.repeat(share, tokens)}
    return pd.DataFrame({**where, **named, "head": head, **what, **values, **text})
