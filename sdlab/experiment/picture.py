"""A picture that an experiment starts from: named by its pixels, which it holds beside its fields.

The JSON of an experiment says which picture, by a hash; the pixels lie in the run's folder. So a
picture made from JSON has none until somebody brings them.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sdlab.errors import shown, unknown
from sdlab.experiment.spec import Spec, check_integer

if TYPE_CHECKING:
    from PIL import Image

MODES = ("RGB", "L")
HASH_DIGITS = 16
SIDE_MAX = 20_000


@dataclass(frozen=True)
class Picture(Spec):
    """A picture by its content. ``Picture.of`` makes one.

    Attributes:
        hash: 16 hex digits of SHA-256 over mode, size and pixels; how a file packs them is
            nothing to it.
        width: Pixels.
        height: Pixels.
        mode: "RGB", or "L" for a mask: one 8-bit channel.

    Raises:
        ValueError: If a field is out of range.
    """

    CALLED: ClassVar[str] = "field of a picture"

    hash: str
    width: int
    height: int
    mode: str = "RGB"

    def __post_init__(self) -> None:
        super().__post_init__()
        digits = isinstance(self.hash, str) and set(self.hash) <= set("0123456789abcdef")
        if not digits or len(self.hash) != HASH_DIGITS:
            raise ValueError(
                f"hash must be {HASH_DIGITS} hex digits in small letters, got {shown(self.hash)}."
            )
        for name in ("width", "height"):
            check_integer(name, getattr(self, name), low=1, high=SIDE_MAX)
        if self.mode not in MODES:
            raise ValueError(unknown("mode of a picture", self.mode, MODES))

    @classmethod
    def of(cls, source: Any, mode: str = "RGB") -> Self:
        """Return the picture of an image, an array, a file or another picture.

        Args:
            source: A Pillow image, a uint8 array [h, w], [h, w, 3] or [h, w, 4], a path, a file's
                bytes, or a ``Picture``. It is turned upright by its EXIF orientation, its
                transparent parts are laid on white.
            mode: "RGB", or "L" to make one channel of it.

        Raises:
            ValueError: If it is none of these, or cannot be read.
        """
        if mode not in MODES:
            raise ValueError(unknown("mode of a picture", mode, MODES))
        if isinstance(source, cls):
            return source if source.mode == mode else cls.of(source.image, mode)
        image = _opened(source).convert(mode)
        picture = cls(_hash(image), image.width, image.height, mode)
        picture._set("_image", image)
        return picture

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the picture of ``to_dict``'s values, without its pixels.

        Raises:
            ValueError: If a value is missing or not valid, or is none of a picture's.
        """
        missing = {"hash", "width", "height"} - set(cls.known(values))
        if missing:
            raise ValueError(f"a picture must have {', '.join(sorted(missing))}.")
        return super().from_dict(values)

    @property
    def has_pixels(self) -> bool:
        """Whether its pixels are at hand."""
        return getattr(self, "_image", None) is not None

    @property
    def image(self) -> "Image.Image":
        """A copy of its pixels as a Pillow image.

        Raises:
            ValueError: If they are not at hand.
        """
        if not self.has_pixels:
            raise ValueError(
                f"The pixels of picture {self.hash} ({self.width} x {self.height}, {self.mode}) are"
                " not at hand: JSON holds its hash only. Open the run by its folder, or bring them"
                " by Experiment.with_pictures({hash: image})."
            )
        copy: Image.Image = self._image.copy()  # type: ignore[attr-defined]
        return copy

    def with_pixels(self, source: Any) -> Self:
        """Return this picture with its pixels, taken from an image, a file or a picture.

        Raises:
            ValueError: If they are another picture's.
        """
        picture = self.of(source, self.mode)
        if picture != self:
            raise ValueError(
                f"The pixels of picture {self.hash} ({self.width} x {self.height}, {self.mode}) are"
                f" needed; these are of {picture.hash} ({picture.width} x {picture.height})."
            )
        return picture


def _hash(image: "Image.Image") -> str:
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:HASH_DIGITS]


def _opened(source: Any) -> "Image.Image":
    """Return an image, an array, a path or a file's bytes as 8-bit RGB."""
    if isinstance(source, (str, bytes, os.PathLike)):
        from sdlab.image_files import read_image

        return read_image(source).image
    from PIL import Image

    from sdlab.image_files import plain_image

    if getattr(source, "ndim", 0) in (2, 3) and hasattr(source, "__array_interface__"):
        if source.dtype != "uint8" or (source.ndim == 3 and source.shape[2] not in (1, 3, 4)):
            raise ValueError(
                "an array must be uint8 of [h, w], [h, w, 3] or [h, w, 4], got"
                f" {source.dtype} {list(source.shape)}."
            )
        if not source.size:
            raise ValueError(f"an array must have pixels, got {list(source.shape)}.")
        source = Image.fromarray(source[..., 0] if source.shape[2:] == (1,) else source)
    if not isinstance(source, Image.Image):
        raise ValueError(f"a picture must be an image, an array or a path, got {shown(source)}.")
    return plain_image(source).image
