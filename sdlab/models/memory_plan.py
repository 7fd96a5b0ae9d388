"""What a pipeline takes on a device, and which ways of running it fit: from configs alone.

Weights are counted exactly (``footprint``), what is at work beside them is estimated
(``activations``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlab.models import pipelines
from sdlab.models.activations import decoding_bytes, network_bytes, text_bytes
from sdlab.models.footprint import Footprint
from sdlab.models.memory import BASE_BYTES, USABLE, readable

if TYPE_CHECKING:
    import pandas as pd

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
        if self.best.name == TILED:
            said += " Load it so: load(..., tiled=True)."
        if self.best.name in (OFFLOAD, SEQUENTIAL):
            word = self.best.name.split()[0]
            said += (
                f" The weights, {total}, stay in the machine's own memory: load(offload={word!r})."
            )
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
    module, item, pipeline = found.modules[name], found.dtype.itemsize, found.pipeline
    if name in _texts(found):
        return text_bytes(module, _text_positions(found), item)
    if name in VAES:
        return decoding_bytes(module, size[0] * size[1], found.dtype, tiled)
    if name not in _networks(found):
        return 0
    factor = 8 if pipeline is None else pipelines.vae_factor(pipeline)
    channels = 0 if pipeline is None else pipelines.latent_channels(pipeline)
    shape = (channels, size[1] // factor, size[0] // factor)
    return samples * network_bytes(module, shape, item, _text_positions(found))


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
