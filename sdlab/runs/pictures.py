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


def file_name(picture_hash: str) -> str:
    """Return the name of the file that holds a picture."""
    return f"input-{picture_hash}.png"


def save_pictures(spec: "PipelineFields", folder: Path) -> None:
    """Write those of an experiment's pictures that have pixels to a folder, each once."""
    for picture in set(spec.source_pictures.values()):
        if picture.has_pixels:
            (folder / file_name(picture.hash)).write_bytes(png_bytes(picture.image))


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
        for folder in places:
            try:
                found[picture.hash] = read_picture(folder / file_name(picture.hash))
                break
            except FileNotFoundError:
                continue
            except (OSError, StoreError) as error:
                trouble = f"The picture that this run starts from is damaged: {error}"
        if picture.hash not in found:
            notes.append(f"{trouble.rstrip('.')}. The run cannot be made again without it.")
    return spec.with_pictures(found), sorted(notes)


def read_picture(path: Path) -> "Picture":
    """Return the picture of a file ``input-<hash>.png``, checked by that hash.

    Raises:
        FileNotFoundError: If there is no such file.
        StoreError: If it is no plain file, larger than any picture, no PNG, or another picture.
        OSError: If it cannot be read.
    """
    from PIL import Image

    from sdlab.experiment.picture import Picture

    data = read_file(path, PICTURE_LIMIT)
    png_size(path)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            picture = Picture.of(image, "L" if image.mode == "L" else "RGB")
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all of them
        raise StoreError(f"{path} cannot be read as a PNG: {error}.") from error
    if path.name != file_name(picture.hash):
        raise StoreError(f"{path} holds another picture, {picture.hash}.")
    return picture


def folders_with(root: Path, hashes: Iterable[str]) -> list[Path]:
    """Return the run folders under ``root`` that have a picture of one of the hashes."""
    return [path.parent for name in hashes for path in sorted(root.glob(f"*/{file_name(name)}"))]
