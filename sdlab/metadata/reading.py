"""``read_parameters``: how a picture was made, by what the program that made it wrote into it.

sdlab's own pictures hold the whole experiment. AUTOMATIC1111's text is read by ``infotext``; what
ComfyUI, InvokeAI, Fooocus and NovelAI write by the library sd-parsers (``others``).
"""

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from sdlab.image_files import check_size, content_of, open_image
from sdlab.metadata.comfyui_graph import Graph, graph_of
from sdlab.metadata.found import Found, of_dict
from sdlab.metadata.infotext import read_infotext
from sdlab.noise.exchange import read_object
from sdlab.runs.png import KEY, WHOLE

if TYPE_CHECKING:
    from PIL import Image

_EXIF, _USER_COMMENT = 0x8769, 0x9286
_ENCODINGS = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii"}
_UNREADABLE = "The picture's text cannot be read: {}."
_NOTHING = (
    "The file says nothing of how it was made: no parameters of sdlab, AUTOMATIC1111, ComfyUI,"
    " InvokeAI, Fooocus or NovelAI are in it. Sending or editing a picture often takes them away."
)


def read_parameters(source: bytes | str | PathLike[str]) -> Found:
    """Return what a file says of how its picture was made.

    Args:
        source: A picture, a run's ``manifest.json``, a workflow of ComfyUI, or AUTOMATIC1111's
            parameters as text: the file's path, or its bytes.

    Raises:
        ValueError: If it cannot be read, or says nothing; with what was looked for.
    """
    content = content_of(source)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found = _of_picture(content)
    else:
        found = _of_text(text)
    found.note_syntax()
    return found


def texts_of(content: bytes) -> dict[str, str]:
    """Return the texts that a picture's file holds, by key; empty if it holds none.

    Raises:
        ValueError: If it cannot be read as a picture.
    """
    with open_image(content) as image:
        check_size(image)
        try:
            return _texts(image)
        except Exception as error:  # a hostile file makes Pillow raise nearly anything
            raise ValueError(_UNREADABLE.format(error)) from error


def _of_picture(content: bytes) -> Found:
    from sdlab.metadata.others import read_others

    with open_image(content) as image:
        check_size(image)
        try:
            texts = _texts(image)
            found = None if WHOLE in texts else read_others(image)
        except Exception as error:  # a hostile file makes Pillow and parsers raise nearly anything
            raise ValueError(_UNREADABLE.format(error)) from error
    if WHOLE in texts:
        return _of_manifest(read_object(texts[WHOLE], "text in the picture"))
    if found is None and KEY not in texts:
        raise ValueError(_NOTHING)
    return found or read_infotext(texts[KEY])


def _texts(image: "Image.Image") -> dict[str, str]:
    """Return a picture's texts by key, also those behind its pixels."""
    if image.format == "PNG":
        image.load()
        return {str(key): text for key, text in image.info.items() if isinstance(text, str)}
    comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    if not isinstance(comment, bytes):
        return {}
    return {KEY: comment[8:].decode(_ENCODINGS.get(comment[:8], "utf-8"), errors="replace")}


def _of_text(text: str) -> Found:
    if text.lstrip().startswith("{"):
        values = read_object(text, "manifest")
        graph = graph_of(values)
        return _of_graph(graph) if graph or "nodes" in values else _of_manifest(values)
    return read_infotext(text)


def _of_graph(graph: Graph) -> Found:
    from sdlab.metadata.others import of_graph

    found = of_graph(graph)
    if found is None:
        raise ValueError(
            "The workflow has no sampler that is known here: no KSampler, and no BasicScheduler"
            " with a SamplerCustomAdvanced."
        )
    return found


def _of_manifest(facts: Mapping[str, Any]) -> Found:
    """Return what a manifest says, or the JSON of an experiment alone."""
    try:
        found = of_dict(facts.get("experiment", facts))
    except (TypeError, AttributeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"the file holds no valid experiment: {error}") from error
    if not set(found.fields) & set(facts.get("experiment", facts)):
        raise ValueError("the file holds no valid experiment: it has none of its fields.")
    for name, picture in found.experiment.source_pictures.items():
        found.notes.append(f"{name} was the picture {picture.hash}: upload it again.")
    return found
