"""What a pipeline takes on a device, and which ways of running it fit: from configs alone.

Weights are counted exactly (``footprint``). Activations are estimated from the widest feature maps:
attention is fused everywhere, so they grow with the number of places, not with its square. The
factors stand above the peaks of real sizes: 16 maps for SDXL's U-Net, 12 for Stable Diffusion 3 and
PixArt, 17 for Flux, 6 for the VAE (tests/models/test_memory_plan.py counts them without computing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlab.models import pipelines
from sdlab.models.footprint import Footprint
from sdlab.models.memory import BASE_BYTES, UNET_MAPS, USABLE, VAE_MAPS, readable

if TYPE_CHECKING:
    import pandas as pd
    import torch

TRANSFORMER_MAPS = 24
"""Maps of a transformer's width alive at once, per token."""
TEXT_MAPS = 32
"""Maps of a text encoder's width alive at once, per token: T5 widens fourfold, in float32 too."""
VAES = ("vae", "vqvae", "movq", "vqgan")
AS_IS = "as it is"
TILED = "VAE in tiles"
OFFLOAD = "model CPU offload"
SEQUENTIAL = "sequential CPU offload"
ABOUT = {
    AS_IS: "all weights on the device",
    TILED: "all weights on the device, the picture decoded tile by tile",
    OFFLOAD: "each part comes to the device when it is its turn; tiles",
    SEQUENTIAL: "each layer comes when it is its turn, much slower; tiles",
}


@dataclass(frozen=True)
class Way:
    """One way of running a pipeline.

    Attributes:
        name: "as it is", "VAE in tiles", "model CPU offload" or "sequential CPU offload".
        bytes: What it takes on the device at most.
        fits: Whether that is free; None if nothing is known of the device.
    """

    name: str
    bytes: int
    fits: bool | None


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """What a pipeline takes, and the ways of running it.

    Attributes:
        footprint: Its weights.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        samples: Of a network call: 2 with guidance.
        activations: Bytes at work by part, beside its weights.
        ways: The ways of running it, the quickest first.
        free: Bytes that are free on the device; None if not known.
    """

    footprint: Footprint
    width: int
    height: int
    samples: int
    activations: dict[str, int]
    ways: tuple[Way, ...]
    free: int | None

    @property
    def best(self) -> Way | None:
        """The quickest way that fits; None if none does, or the device is not known."""
        return next((way for way in self.ways if way.fits), None)

    @property
    def verdict(self) -> str:
        """A sentence: which way fits."""
        total = readable(self.footprint.bytes)
        if self.free is None:
            need = ", ".join(f"{readable(way.bytes)} {way.name}" for way in self.ways)
            return f"{total} of weights. On a device it takes {need}."
        room = f"of {readable(self.free)} free"
        if self.best is None:
            least = min(self.ways, key=lambda way: way.bytes)
            return (
                f"Does not fit: {least.name}, the least, takes {readable(least.bytes)} {room}, and"
                f" {USABLE:.0%} may be used. Lower width and height, or take a smaller dtype."
            )
        said = f"Fits {self.best.name}: {readable(self.best.bytes)} {room}."
        if self.best.name in (OFFLOAD, SEQUENTIAL):
            said += f" The weights, {total}, stay in the machine's own memory."
        return said

    def parts_table(self) -> "pd.DataFrame":
        """Return ``part``, ``class``, ``parameters``, ``bytes``, ``activations``; the sum last."""
        import pandas as pd

        rows = [
            (part.name, part.cls, part.parameters, part.bytes, self.activations[part.name])
            for part in self.footprint.parts
        ]
        count = sum(part.parameters for part in self.footprint.parts)
        most = max(self.activations.values(), default=0)
        rows.append(("all", self.footprint.cls.__name__, count, self.footprint.bytes, most))
        return pd.DataFrame(rows, columns=["part", "class", "parameters", "bytes", "activations"])

    def ways_table(self) -> "pd.DataFrame":
        """Return ``way``, ``bytes``, ``fits`` and ``about``, a row a way."""
        import pandas as pd

        rows = [(way.name, way.bytes, way.fits, ABOUT[way.name]) for way in self.ways]
        return pd.DataFrame(rows, columns=["way", "bytes", "fits", "about"])


def memory_plan(
    found: Footprint,
    width: int | None = None,
    height: int | None = None,
    free: int | None = None,
    offload: bool = True,
) -> MemoryPlan:
    """Return what a picture of a pipeline takes and which ways of running it fit.

    Args:
        found: Its weights, see ``footprint.footprint``.
        width: Pixels; None for the model's own.
        height: Pixels; None for the model's own.
        free: Bytes that are free on the device; None if nothing is known of it.
        offload: Whether weights can wait beside the device: not if it is the CPU itself.
    """
    own = (pipelines.SIDE, pipelines.SIDE)
    if found.pipeline is not None:
        own = pipelines.default_size(found.pipeline)
    size = (width or own[0], height or own[1])
    samples = _samples(found)
    whole = {p.name: _activations(found, p.name, size, samples, tiled=False) for p in found.parts}
    tiled = {p.name: _activations(found, p.name, size, samples, tiled=True) for p in found.parts}
    needs = {
        AS_IS: found.bytes + max(whole.values(), default=0),
        TILED: found.bytes + max(tiled.values(), default=0),
    }
    if offload:
        needs[OFFLOAD] = max((p.bytes + tiled[p.name] for p in found.parts), default=0)
        needs[SEQUENTIAL] = max((p.largest + tiled[p.name] for p in found.parts), default=0)
    ways = tuple(
        Way(name, BASE_BYTES + need, None if free is None else BASE_BYTES + need <= USABLE * free)
        for name, need in needs.items()
    )
    return MemoryPlan(found, *size, samples, whole, ways, free)


def _activations(
    found: Footprint, name: str, size: tuple[int, int], samples: int, *, tiled: bool
) -> int:
    """Return the bytes that a part's work takes beside its weights."""
    module, item = found.modules[name], found.dtype.itemsize
    config = dict(getattr(module, "config", {}) or {}) if name not in _texts(found) else {}
    if name in _texts(found):
        return TEXT_MAPS * _text_positions(found) * _linear_width(module) * item
    if name in VAES:
        return _decoding(module, config, size, found.dtype, tiled)
    if name not in _networks(found):
        return 0
    factor = 8 if found.pipeline is None else pipelines.vae_factor(found.pipeline)
    width, height = (side // factor for side in size)
    if config.get("block_out_channels"):
        return int(UNET_MAPS * config["block_out_channels"][0] * width * height * samples * item)
    tokens = width * height // _packing(found, config) + _text_positions(found)
    return TRANSFORMER_MAPS * tokens * _linear_width(module) * samples * item


def _decoding(
    vae: Any, config: dict[str, Any], size: tuple[int, int], dtype: "torch.dtype", tiled: bool
) -> int:
    item = 4 if config.get("force_upcast") and str(dtype) == "torch.float16" else dtype.itemsize
    pixels = size[0] * size[1]
    side = getattr(vae, "tile_sample_min_size", None) or getattr(vae, "tile_sample_min_height", 0)
    if tiled and side and hasattr(vae, "enable_tiling"):
        pixels = min(pixels, int(side) ** 2)
    widths = [config.get(name) for name in ("block_out_channels", "decoder_block_out_channels")]
    first = next((row[0] for row in widths if row), config.get("base_dim") or 128)
    return int(VAE_MAPS * first * pixels * item)


def _networks(found: Footprint) -> list[str]:
    return [n for n in found.modules if n in pipelines.NETWORKS or n.startswith("controlnet")]


def _texts(found: Footprint) -> list[str]:
    return [name for name in found.modules if name.startswith("text_encoder")]


def _samples(found: Footprint) -> int:
    """Return the samples of a network call: 1 if guidance is an input of the network, else 2."""
    configs = [getattr(found.modules[name], "config", {}) for name in _networks(found)]
    return 1 if any(config.get("guidance_embeds") for config in configs) else 2


def _text_positions(found: Footprint) -> int:
    known = pipelines.call_parameters(found.cls).get("max_sequence_length")
    asked = getattr(known, "default", None)
    own = asked if isinstance(asked, int) else 0
    return own + (77 if len(_texts(found)) != 1 or not own else 0)


def _packing(found: Footprint, config: dict[str, Any]) -> int:
    """Return how many latent pixels make a token: a patch, or latents packed into channels."""
    patch = config.get("patch_size") or 1
    height, width = patch[-2:] if isinstance(patch, Sequence) else (patch, patch)
    channels = config.get("in_channels") or 0
    latent = 0 if found.pipeline is None else pipelines.latent_channels(found.pipeline)
    packed = latent and channels >= 4 * latent
    return int(max(1, height * width * (4 if packed else 1)))


def _linear_width(module: Any) -> int:
    """Return the width of a transformer: what most of its numbers in linear layers read."""
    from torch import nn

    counted: dict[int, int] = {}
    for one in module.modules():
        if isinstance(one, nn.Linear):
            counted[one.in_features] = counted.get(one.in_features, 0) + one.weight.numel()
    return max(counted, key=lambda width: counted[width], default=0)
