"""Per-channel statistics of each evaluation, reduced on the device.

Everything that the ``steps`` and ``channels`` tables hold follows from eleven numbers a channel
(moments of x_t and x0_pred, inner products of the two noise predictions) and two for the path
(inner products of successive displacements). They stay on the device, in float64 where it has
it, until the tables are made: one transfer a run, no waiting before.

What is not known of an evaluation is missing: both noise predictions where a pipeline's halves
cannot be told, all of it where not even the noise level is known.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MOMENTS = ("mean", "std", "min", "max")
Columns = dict[str, NDArray[np.float64]]


@dataclass
class Statistics:
    """Collects one run's statistics; ``columns`` and ``channel_columns`` read them out.

    Attributes:
        flow: Whether the path is that of flow matching, whose points are x_t themselves.
    """

    flow: bool = False
    _rows: "list[Tensor | None]" = field(default_factory=list)  # each [C, 11]
    _paths: "list[Tensor | None]" = field(default_factory=list)  # each [C, 2]
    _begun: bool = False
    _point: "Tensor | None" = None
    _displacement: "Tensor | None" = None
    _guided: list[bool] = field(default_factory=list)

    def add(
        self,
        x_t: "Tensor",
        sigma: float,
        x0_pred: "Tensor",
        eps_cond: "Tensor | None",
        eps_uncond: "Tensor | None",
    ) -> None:
        """Add one evaluation; all tensors [1, C, h, w], those not known None."""
        import torch

        dtype = _wide(x_t)
        self._guided.append(eps_uncond is not None)
        pair = torch.stack([x_t.to(dtype), x0_pred.to(dtype)]).flatten(3)[:, 0]  # [2, C, P]
        std, mean = torch.std_mean(pair, dim=-1, correction=0)
        low, high = torch.aminmax(pair, dim=-1)
        moments = torch.stack([mean, std, low, high], dim=-1)  # [2, C, 4]
        gram = _gram(eps_cond, eps_uncond, moments[0, :, :3])
        self._rows.append(torch.cat([moments[0], moments[1], gram], dim=-1))
        self._move(pair[0] if self.flow else pair[0] * (1.0 + sigma**2) ** 0.5)

    def add_unknown(self) -> None:
        """Add one evaluation of which nothing is known."""
        self._guided.append(False)
        self._rows.append(None)
        self._move(None)

    def finish(self, latents: "Tensor | None") -> None:
        """Add the final latents, [1, C, h, w]; None if they are not known."""
        self._move(None if latents is None else latents.to(_wide(latents)).flatten(2)[0])

    def columns(self) -> Columns:
        """Return the statistics over all channels, each column [evaluations]."""
        rows, paths = self._read()
        square = rows[:, :, [0, 4]] ** 2 + rows[:, :, [1, 5]] ** 2
        out: Columns = {}
        for k, name in enumerate(("x_t", "x0_pred")):
            mean = rows[:, :, 4 * k].mean(1)
            out[f"{name}_mean"] = mean
            out[f"{name}_std"] = np.sqrt(np.maximum(square[:, :, k].mean(1) - mean**2, 0.0))
            out[f"{name}_min"] = rows[:, :, 4 * k + 2].min(1)
            out[f"{name}_max"] = rows[:, :, 4 * k + 3].max(1)
        return {**out, **self._relations(rows[:, :, 8:].sum(1), paths.sum(1))}

    def channel_columns(self) -> Columns:
        """Return the statistics by channel, each column [evaluations, C]."""
        rows, paths = self._read()
        out: Columns = {}
        for k, name in enumerate(("x_t", "x0_pred")):
            for m, moment in enumerate(MOMENTS):
                out[f"{name}_{moment}"] = rows[:, :, 4 * k + m]
        return {**out, **self._relations(rows[:, :, 8:], paths)}

    def _move(self, point: "Tensor | None") -> None:
        """Go to a point, [C, P]; None for one that is not known."""
        import torch

        if not self._begun:
            self._begun = True
        elif self._point is None or point is None:
            self._paths.append(None)
        else:
            displacement = point - self._point
            before = displacement if self._displacement is None else self._displacement
            pair = torch.stack([displacement, before], dim=1)  # [C, 2, P]
            self._paths.append((pair @ displacement[:, :, None])[:, :, 0])
            self._displacement = displacement
        self._point = point

    def _read(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows, and the paths, which are not known of an evaluation before the next."""
        rows, paths = _stacked(self._rows, 11), _stacked(self._paths, 2)
        known = np.full((*rows.shape[:2], 2), np.nan)
        known[: len(paths)] = paths
        return rows, known

    def _relations(self, gram: NDArray[np.float64], paths: NDArray[np.float64]) -> Columns:
        """Return norms and angles from inner products; arrays [..., 3] and [..., 2]."""
        cc, cu, uu = (gram[..., i] for i in range(3))
        length = np.sqrt(paths[..., 0])
        cosine_path = np.full_like(length, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine_path[1:] = paths[1:, ..., 1] / (length[1:] * length[:-1])
            cosine = np.clip(cu / np.sqrt(cc * uu), -1.0, 1.0)
            angle = np.degrees(np.arccos(np.clip(cosine_path, -1.0, 1.0)))
        guided = np.array(self._guided).reshape(-1, *[1] * (cc.ndim - 1))
        return {
            "eps_cond_norm": np.sqrt(cc),
            "eps_uncond_norm": np.where(guided, np.sqrt(uu), np.nan),
            "guidance_norm": np.where(guided, np.sqrt(np.maximum(cc + uu - 2 * cu, 0.0)), np.nan),
            "cosine": np.where(guided, cosine, np.nan),
            "displacement": length,
            "angle_deg": angle,
        }


def _gram(cond: "Tensor | None", uncond: "Tensor | None", like: "Tensor") -> "Tensor":
    """Return the inner products cc, cu, uu of each channel, [C, 3]; NaN where cond is not known."""
    import torch

    if cond is None:
        return torch.full_like(like, torch.nan)
    eps = torch.stack([cond, cond if uncond is None else uncond]).to(like.dtype)
    eps = eps.flatten(3)[:, 0].movedim(0, 1)  # [C, 2, P]
    return (eps @ eps.mT).flatten(1)[:, [0, 1, 3]]


def _stacked(rows: "list[Tensor | None]", width: int) -> NDArray[np.float64]:
    """Return rows of the same shape [C, width] as one array, NaN where there is none."""
    import torch

    known = next((row for row in rows if row is not None), None)
    if known is None:
        return np.full((len(rows), 1, width), np.nan)
    missing = torch.full_like(known, torch.nan)
    return torch.stack([missing if row is None else row for row in rows]).cpu().double().numpy()


def _wide(x: "Tensor") -> "torch.dtype":
    import torch

    return torch.float32 if x.device.type == "mps" else torch.float64
