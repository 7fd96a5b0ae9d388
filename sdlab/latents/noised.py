"""A picture at the noise levels that a sampler visits, in latents or in pixels.

Only the forward process, no network but the VAE, with the same eps at every level: VP,
x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps, or VE, x0 + sigma eps, or flow matching's,
(1 - t) x0 + t eps. VE values grow without bound, so for display they are rescaled to the mean and
spread of x0; the signal-to-noise ratio is the same in all, and only the contrast differs. At t = 1,
where sigma is infinite, flow's and VP's are the noise alone.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from sdlab.errors import unknown
from sdlab.noise.forward import add_noise, snr_db

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.course import Course

VIEWS = ("vp", "ve", "flow")


def visited(course: "Course", most: int = 26) -> pd.DataFrame:
    """Return the noise levels at the start of each solver step and at the end of the last one.

    Args:
        course: Of a solver or scheduler; see ``sdlab.course``.
        most: Rows at most, 2 or more; of more steps an even selection is kept, with both ends.

    Returns:
        Columns ``step`` (``num_steps`` for the end), ``timestep`` (NaN at the end), ``sigma``,
        ``alpha_bar``, ``log_snr`` and ``snr_db`` (inf where sigma is 0); of flow matching also
        ``flow_time``.

    Raises:
        ValueError: If ``most`` is below 2.
    """
    if most < 2:
        raise ValueError(f"most must be at least 2, got {most}.")
    rows = course.table().drop_duplicates("step").drop(columns="evaluation")
    if len(rows) > most:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    rows = rows.assign(snr_db=snr_db(rows["sigma"].to_numpy()))
    columns = ["step", "timestep", "sigma", "alpha_bar", "log_snr", "snr_db"]
    columns += [name for name in ("flow_time",) if name in rows]
    return rows[columns].reset_index(drop=True)


def start_noise(shape: tuple[int, ...], seed: int) -> "Tensor":
    """Return the standard normal noise of a seed, float32, as a run of that seed starts with."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def noised(x0: "Tensor", noise: "Tensor", sigma: float, view: str = "vp") -> "Tensor":
    """Return x_t of latents or pixels at a noise level, in the shape and dtype of ``x0``.

    Args:
        x0: [1, C, h, w].
        noise: Standard normal, in the shape of ``x0``.
        sigma: 0 or more; infinite too but for "ve".
        view: "vp", "flow", or "ve" rescaled to the mean and standard deviation of ``x0``.

    Raises:
        ValueError: If the view is unknown, or as ``add_noise`` raises.
    """
    if view not in VIEWS:
        raise ValueError(unknown("view", view, VIEWS))
    x = add_noise(x0, noise, sigma, view)
    if view != "ve":
        return x
    spread = x.std() / x0.std().clamp(min=1e-6)
    return (x - x.mean()) / spread.clamp(min=1e-6) + x0.mean()


def to_pixels(image: Image.Image) -> "Tensor":
    """Return an RGB picture as float32 [1, 3, H, W] in [-1, 1]."""
    import torch

    values = torch.from_numpy(np.array(image.convert("RGB"))).float()
    return values.movedim(-1, 0)[None] / 127.5 - 1


def to_picture(pixels: "Tensor") -> Image.Image:
    """Return the picture of pixels [1, 3, H, W]; what lies outside [-1, 1] is clipped."""
    values = ((pixels[0].clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(values.movedim(0, -1).cpu().numpy())
