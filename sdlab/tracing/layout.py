"""How a pipeline lays out its latents, and the same as pictures, [P, C, h, w].

Most are pictures already. Transformers' pipelines may pack them, [P, N, D]: their own
``_unpack_latents`` lays them out again, for the height and width that the call or the network's
places (``img_ids``, ``img_shapes``) say. Of videos the frames lie below each other. Of all others
the numbers of a picture stand in one column, [P, 1, N, 1]: enough for statistics over all of them.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sdlab.models import pipelines
from sdlab.tracing.batch import Unread

if TYPE_CHECKING:
    from torch import Tensor

Unpack = Callable[["Tensor"], "Tensor"]


class LatentLayout:
    """Lays out latents as pictures.

    Args:
        pipe: The pipeline.
        given: The call's arguments by name.
        told: The network's arguments by name.
        sample: Latents as the scheduler is given them.

    Attributes:
        frames: Frames of a video that lie below each other; 1 for a picture.
        known: Whether they are laid out as pictures; else in one column.

    Raises:
        Unread: If there are no latents.
    """

    def __init__(
        self, pipe: Any, given: Mapping[str, Any], told: Mapping[str, Any], sample: "Tensor"
    ) -> None:
        self.frames, self.known = 1, True
        self._shape = tuple(sample.shape)
        self._unpack: Unpack | None = None
        self._channels_at: int | None = None
        if not sample.numel():
            raise Unread("draws nothing beside what it was given; only timesteps are recorded")
        if sample.ndim == 3:
            self._unpack = _unpacking(pipe, given, told, sample)
            sample = sample if self._unpack is None else self._unpack(sample)
        if sample.ndim == 5:
            self._channels_at = _channels_at(pipe, sample)
            self.frames = sample.shape[2 if self._channels_at == 1 else 1]
        elif sample.ndim != 4:
            self.known, self._unpack = False, lambda x: x.flatten(1)[:, None, :, None]

    def pictures(self, x: "Tensor") -> "Tensor":
        """Return latents, or anything laid out as they are, as [P, C, h, w]."""
        if self._unpack is not None:
            x = self._unpack(x.contiguous())
        if self._channels_at is None:
            return x
        return x.movedim(self._channels_at, 1).flatten(2, 3)

    def fits(self, x: "Tensor") -> bool:
        """Return whether a tensor is laid out as the latents are."""
        return tuple(x.shape[1:]) == self._shape[1:]


def _channels_at(pipe: Any, sample: "Tensor") -> int:
    """Return where a video has its channels: [P, C, F, h, w], [P, F, C, h, w], [P, F, h, w, C]."""
    channels = pipelines.latent_channels(pipe)
    return next((dim for dim in (1, 2, 4) if sample.shape[dim] == channels), 1)


def _unpacking(
    pipe: Any, given: Mapping[str, Any], told: Mapping[str, Any], sample: "Tensor"
) -> Unpack | None:
    for unpack in _candidates(pipe, given, told, sample):
        try:
            laid_out = unpack(sample)
        except (RuntimeError, TypeError, ValueError, IndexError):  # of another size
            continue
        if laid_out.ndim in (4, 5) and laid_out.numel() == sample.numel():
            return unpack
    return None


def _candidates(
    pipe: Any, given: Mapping[str, Any], told: Mapping[str, Any], sample: "Tensor"
) -> Iterator[Unpack]:
    method = getattr(pipe, "_unpack_latents", None)
    ids = told.get("img_ids")
    with_ids = getattr(pipe, "_unpack_latents_with_ids", None)
    if with_ids is not None and ids is not None:
        places = ids if ids.ndim == 3 else ids[None]
        places = places[:1, : sample.shape[1]]
        whole = getattr(pipe, "_unpatchify_latents", lambda x: x)
        yield lambda x: whole(with_ids(x, places.expand(len(x), -1, -1)))
    if method is None:
        return
    taken = inspect.signature(method).parameters
    for height, width in _sizes(pipe, given, told, sample.shape[1]):
        known = _options(pipe, given, height, width, video="num_frames" in taken)
        options = {name: value for name, value in known.items() if name in taken}
        yield lambda x, options=options: method(x, **options)  # type: ignore[misc]


def _options(
    pipe: Any, given: Mapping[str, Any], height: int, width: int, video: bool
) -> dict[str, Any]:
    """Return what ``_unpack_latents`` may be called with, by name.

    Args:
        pipe: The pipeline.
        given: The call's arguments.
        height: In pixels.
        width: In pixels.
        video: Whether it takes sides and frames of the latents, as LTX's does, not pixels.
    """
    factor = pipelines.vae_factor(pipe)
    if video:
        pace = getattr(pipe, "vae_temporal_compression_ratio", 1)
        return {
            "num_frames": (int(given.get("num_frames") or 1) - 1) // pace + 1,
            "height": height // factor,
            "width": width // factor,
            "patch_size": getattr(pipe, "transformer_spatial_patch_size", 1),
            "patch_size_t": getattr(pipe, "transformer_temporal_patch_size", 1),
        }
    patch = getattr(getattr(pipe, "transformer", None), "config", {}).get("patch_size")
    return {
        "height": height,
        "width": width,
        "vae_scale_factor": factor,
        "patch_size": patch,
        "layers": given.get("layers"),
    }


def _sizes(
    pipe: Any, given: Mapping[str, Any], told: Mapping[str, Any], places: int
) -> Iterator[tuple[int, int]]:
    """Yield (height, width) in pixels that the latents may be of, the surest first."""
    factor = pipelines.vae_factor(pipe)
    ids, shapes = told.get("img_ids"), told.get("img_shapes")
    if ids is not None and ids.ndim in (2, 3) and ids.shape[-1] >= 2:
        own = (
            (ids if ids.ndim == 2 else ids[0])[:places, -2:]
            if ids.shape[-1] < 4
            else ids[0][:places, 1:3]
        )
        height, width = (int(side) + 1 for side in (own.amax(0) - own.amin(0)).tolist())
        yield 2 * height * factor, 2 * width * factor
    if shapes:
        first = shapes[0]
        first = first[0] if isinstance(first[0], (tuple, list)) else first
        yield 2 * int(first[-2]) * factor, 2 * int(first[-1]) * factor
    if given.get("height") and given.get("width"):
        yield int(given["height"]), int(given["width"])
    width, height = pipelines.default_size(pipe)
    yield height, width
