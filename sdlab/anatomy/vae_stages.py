"""The stages of a VAE, from a picture to its latents and from latents to the picture.

Each stage of the encoder halves the picture's sides and widens the channels; the decoder goes the
same way back. What a latent channel carries is seen by changing it and decoding.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdlab.anatomy.features import FeatureMaps
from sdlab.anatomy.watching import picture_in, watching
from sdlab.errors import ModelError
from sdlab.latents.edit import shift
from sdlab.latents.image import encode
from sdlab.work import Work

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

    from sdlab.models.model import Model

SHIFTS = (-2.0, -1.0, 1.0, 2.0)
"""What is added to a latent channel, in standard deviations of the network's latents, near 1."""


def encoder_stages(model: "Model", picture: "Image.Image") -> tuple[FeatureMaps, ...]:
    """Return what each stage of the encoder puts out.

    Args:
        model: Whose VAE.
        picture: RGB, both sides multiples of ``model.vae_factor``.

    Raises:
        ModelError: If the VAE has no stages under the names that diffusers gives them.
        ValueError: If a side does not fit.
    """
    return _stages(model, "encoder", lambda: encode(model, picture))


def decoder_stages(model: "Model", latents: "Tensor") -> tuple[FeatureMaps, ...]:
    """Return what each stage of the decoder puts out, of latents [1, C, h, w].

    Raises:
        ModelError: If the VAE has no stages under the names that diffusers gives them.
    """
    return _stages(model, "decoder", lambda: model.decode(latents))


def shifting_channels(
    model: "Model", latents: "Tensor", shifts: Sequence[float] = SHIFTS
) -> "Work[list[list[Image.Image]]]":
    """Return the pictures of latents with each channel shifted, a list of them for each channel.

    Args:
        model: Whose VAE decodes.
        latents: [1, C, h, w], in the network's scale.
        shifts: What is added to the channel.
    """
    rows: list[list[Image.Image]] = []
    total = latents.shape[1] * len(shifts)
    for channel in range(latents.shape[1]):
        row = []
        for amount in shifts:
            row.append(model.decode(shift(latents, channel, amount)))
            yield len(rows) * len(shifts) + len(row), total
        rows.append(row)
    return rows


def _stages(model: "Model", half: str, compute: Any) -> tuple[FeatureMaps, ...]:
    own = model.vae.own
    part = getattr(own, half, None)
    stages = {} if part is None else stages_of(part, half)
    if not any("block" in name for name in stages):
        raise ModelError(
            f"The {type(own).__name__} of this model has no {half} with stages that are known here."
        )
    found: dict[str, FeatureMaps] = {}

    def take(name: str, inputs: tuple[Any, ...], output: Any) -> None:
        picture = picture_in(output, (0, 0))
        if picture is not None:
            values = picture[-1].detach().to("cpu", copy=True).float()
            found[name] = FeatureMaps(name, 0, values)

    with watching(stages, take):
        compute()
    return tuple(found.values())


def stages_of(part: "nn.Module", half: str) -> "dict[str, nn.Module]":
    """Return the stages of a VAE's half by their names in the VAE: ``decoder.up_blocks.0``."""
    from torch import nn

    found: dict[str, nn.Module] = {}
    for name, child in part.named_children():
        if isinstance(child, nn.ModuleList):
            found |= {f"{half}.{name}.{number}": one for number, one in child.named_children()}
        elif name in ("conv_in", "mid_block", "conv_out"):
            found[f"{half}.{name}"] = child
    return found
