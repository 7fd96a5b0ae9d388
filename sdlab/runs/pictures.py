"""The pictures that runs start from, as ``input-<hash>.png`` in the run's folder, lossless.

A picture is checked by its hash when it is read. A run whose picture is missing or damaged can be
opened all the same; only running it again needs the picture.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sdlab.errors import StoreError
from sdlab.runs.png import png_bytes
from sdlab.runs.reading import PICTURE_LIMIT, png_size, read_file

if TYPE_CHECKING:
    from sdlab.experiment.picture import Picture
    from sdlab.experiment.pipeline_fields import PipelineFields

S = TypeVar("S", bound="PipelineFields")
PATTERN = f"input-{'[0-9a-f]' * 16}.png"


def picture_path(folder: Path, picture: "Picture") -> Path:
    """Return where a folder keeps a picture, whether it does or not."""
    return folder / f"input-{picture.hash}.png"


def save_pictures(spec: "PipelineFields", folder: Path) -> None:
    """Write those of an experiment's pictures that have pixels to a folder, each once."""
    for picture in set(spec.source_pictures.values()):
        if picture.has_pixels:
            picture_path(folder, picture).write_bytes(png_bytes(picture.image))


def read_pictures(spec: S, folders: Iterable[Path]) -> tuple[S, list[str]]:
    """Return an experiment with the pixels that are found, and a sentence for each that is not.

    Args:
        spec: An experiment, or a comparison, whose pictures may lack pixels.
        folders: Where to look, one after the other.
    """
    places = list(folders)
    found, notes = {}, []
    for picture in {p for p in spec.source_pictures.values() if not p.has_pixels}:
        trouble = f"Picture {picture.hash}, which this run starts from, is not at hand"
        for path in (picture_path(folder, picture) for folder in places):
            try:
                found[picture.hash] = read_picture(path, picture)
                break
            except FileNotFoundError:
                continue
            except (OSError, StoreError, ValueError) as error:
                trouble = f"The picture that this run starts from is damaged: {error}"
        if picture.hash not in found:
            notes.append(f"{trouble.rstrip('.')}. The run cannot be made again without it.")
    return spec.with_pictures(found), sorted(notes)


def read_picture(path: Path, picture: "Picture") -> "Picture":
    """Return a picture with its pixels from a PNG.

    Raises:
        FileNotFoundError: If there is no such file.
        StoreError: If it is no plain file, or larger than any picture.
        ValueError: If it holds another picture.
        OSError: If it cannot be read, or is no PNG.
    """
    from PIL import Image

    data = read_file(path, PICTURE_LIMIT)
    png_size(path)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            return picture.with_pixels(image)
    except SyntaxError as error:  # which Pillow raises for broken PNGs
        raise StoreError(f"{path} cannot be read as a PNG: {error}.") from error


def folders_with(root: Path, spec: "PipelineFields") -> list[Path]:
    """Return the run folders under ``root`` that have one of an experiment's pictures."""
    names = {picture_path(root, picture).name for picture in spec.source_pictures.values()}
    return [path.parent for name in names for path in sorted(root.glob(f"*/{name}"))]
