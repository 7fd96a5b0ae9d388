"""The pipelines that are on this machine: in the hub's cache, and in folders.

Names, sizes, ``model_index.json`` and the headers of weight files are read, no weight. A cache that
is not there, or is damaged, is a normal state: what can be read of it is listed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdlab.errors import ModelError
from sdlab.models.components import CHECKERS, INDEX, Component
from sdlab.models.families import LABELS, check_checkpoint, refuse_additions
from sdlab.models.file_kinds import kind_of
from sdlab.models.folder import choose_variant, read_json
from sdlab.models.footprint import CONFIG
from sdlab.models.pipelines import SD2_WIDTH, class_family
from sdlab.models.single_file import CONFIGS, KNOWN
from sdlab.models.weights import read_header

ROOT_VARIABLE = "SDLAB_MODELS"
MAIN = "main"
DEEPEST = 5  # folders below one that is listed with all that it holds


@dataclass(frozen=True)
class Found:
    """A pipeline, or a checkpoint in one file, on this machine's disk.

    Attributes:
        source: What ``sdlab.load`` takes: a hub id, a folder or a file.
        family: Such as "sdxl", see ``families.label``; "" if it is not known.
        pipeline: Its class; "" of a file.
        bytes: What it takes on the disk.
        used: When its weights were read last, or written, as the disk says, in Unix seconds.
        revision: Of a hub id: branch, tag or commit; None for the main branch.
        commit: Of a hub id; "" else.
        variant: Of a hub id: the only variant of its weights that is there; None for plain ones.
        configs: A folder with its configs; None if there is none for a file.
        trouble: Why it cannot be loaded from here as it is; "" if nothing speaks against it.
    """

    source: str
    family: str
    pipeline: str
    bytes: int
    used: float
    revision: str | None = None
    commit: str = ""
    variant: str | None = None
    configs: Path | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Listing:
    """What a place holds.

    Attributes:
        place: The cache, or the folder.
        found: Its pipelines and files.
        folders: Names of the folders in it that are no pipelines.
        problems: What could not be read, a sentence each.
    """

    place: Path
    found: tuple[Found, ...] = ()
    folders: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def models_root() -> Path | None:
    """Return the folder of models that may be looked through: ``SDLAB_MODELS``; None if unset."""
    named = os.environ.get(ROOT_VARIABLE)
    return Path(named).expanduser() if named else None


def in_cache(place: Path | None = None) -> Listing:
    """Return the pipelines in the Hugging Face cache, a revision each, the last used first.

    Args:
        place: The cache; None for the one that huggingface_hub uses.
    """
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    folder = Path(place or constants.HF_HUB_CACHE)
    try:
        cache = scan_cache_dir(folder)
    except CacheNotFound:
        return Listing(folder)
    except (OSError, ValueError) as error:
        return Listing(folder, problems=(str(error),))
    found = [
        _cached(repo.repo_id, revision)
        for repo in cache.repos
        if repo.repo_type == "model"
        for revision in repo.revisions
        if (revision.snapshot_path / INDEX).is_file()
    ]
    found.sort(key=lambda one: (-one.used, one.source, one.commit))
    return Listing(folder, tuple(found), problems=tuple(map(str, cache.warnings)))


def in_folder(root: Path, inside: str = "") -> Listing:
    """Return what a folder below a root holds; nothing outside of the root, by no link either.

    Args:
        root: The folder below which everything lies.
        inside: The way from there, such as "sd/turbo".

    Raises:
        ValueError: If there is no such folder below the root.
    """
    top = root.resolve()
    try:
        place = (top / inside).resolve()
        if not place.is_relative_to(top) or not place.is_dir():
            raise ValueError
        held = sorted(place.iterdir(), key=lambda path: path.name.lower())
    except (OSError, RuntimeError, ValueError):  # no rights, links in a ring, a null byte, too long
        where = f"{inside!r} below {str(root)!r}" if inside else repr(str(root))
        raise ValueError(f"There is no folder {where} that can be read.") from None
    found, folders, problems = [], [], []
    for path in [place, *held]:
        try:
            what = _held(path, top)
        except (OSError, RuntimeError) as error:
            problems.append(f"{path.name} cannot be read: {error}")
            continue
        if isinstance(what, Found):
            found.append(what)
        elif what and path != place:
            folders.append(path.name)
    return Listing(place, tuple(found), tuple(folders), tuple(problems))


def below(root: Path, inside: str = "", deepest: int = DEEPEST) -> Iterator[Found]:
    """Yield what a folder and those in it hold.

    Args:
        root: The folder below which everything lies.
        inside: The way from there to the folder.
        deepest: How many folders deep to look.

    Raises:
        ValueError: If there is no such folder below the root.
    """
    held = in_folder(root, inside)
    yield from held.found
    if deepest and not any(one.source == str(held.place) for one in held.found):
        for name in held.folders:
            if (held.place / name).is_symlink():
                continue  # what it leads to is listed where it lies
            yield from below(root, os.path.join(inside, name), deepest - 1)


def found_at(path: Path) -> Found | None:
    """Return the pipeline or checkpoint of one path, wherever that is; None if there is none."""
    try:
        place = path.expanduser().resolve()
        what = _held(place, Path(place.anchor))
    except (OSError, RuntimeError, ValueError):
        return None
    return what if isinstance(what, Found) else None


def _cached(name: str, revision: Any) -> Found:
    """Return a revision of the cache, with how to load just what is there."""
    refs = sorted(revision.refs)
    folder = revision.snapshot_path
    pipeline, variant, trouble = _looked_at(folder)
    weights = [file for file in revision.files if file.file_name.endswith(".safetensors")]
    return Found(
        name,
        _family(pipeline, folder),
        pipeline,
        revision.size_on_disk,
        max((file.blob_last_accessed for file in weights), default=revision.last_modified),
        None if MAIN in refs else (refs or [revision.commit_hash])[0],
        revision.commit_hash,
        variant,
        folder,
        trouble,
    )


def _held(path: Path, top: Path) -> Found | bool:
    """Return what a path is: a pipeline, a checkpoint, a folder (True), or nothing to list."""
    if path != top and path.name.startswith(".") or not path.resolve().is_relative_to(top):
        return False
    if path.is_file():
        return path.suffix.lower() == ".safetensors" and _file(path)
    if not path.is_dir():
        return False
    return _folder(path, top) if (path / INDEX).is_file() else True


def _folder(folder: Path, top: Path) -> Found:
    files = [path for path in (*folder.glob("*"), *folder.glob("*/*"))]
    if not all(path.resolve().is_relative_to(top) for path in files):
        return Found(str(folder), "", "", 0, 0.0, trouble=f"It has links that lead out of {top}.")
    told = [path.stat() for path in files if path.is_file()]
    pipeline, _, trouble = _looked_at(folder)
    size, used = sum(one.st_size for one in told), max(one.st_mtime for one in told)
    family = _family(pipeline, folder)
    return Found(str(folder), family, pipeline, size, used, configs=folder, trouble=trouble)


def _file(path: Path) -> Found:
    told = path.stat()
    family = trouble = ""
    try:
        shapes, _ = read_header(path)
        refuse_additions(shapes, str(path))
        kind = kind_of(shapes)
        if kind is None:
            family = KNOWN.get(check_checkpoint(shapes, str(path)), ("",))[0]
        else:
            family = next((short for short, name in LABELS.items() if name == kind), kind.lower())
    except ModelError as error:
        trouble = str(error)
    configs = CONFIGS / family if family and (CONFIGS / family).is_dir() else None
    size, used = told.st_size, told.st_mtime
    return Found(str(path), family, "", size, used, configs=configs, trouble=trouble)


def _family(pipeline: str, folder: Path) -> str:
    """Return the family of a folder's pipeline; 2.x has the classes of 1.x and other widths."""
    if not pipeline:
        return ""
    family = class_family(pipeline)
    try:
        unet = read_json(folder / "unet" / CONFIG) if family == "sd1" else {}
    except ModelError:
        unet = {}
    return "sd2" if unet.get("cross_attention_dim") == SD2_WIDTH else family


def _looked_at(folder: Path) -> tuple[str, str | None, str]:
    """Return a pipeline folder's class, the variant of its weights, and what is wrong with it."""
    try:
        index = read_json(folder / INDEX)
    except ModelError as error:
        return "", None, str(error)
    named = index.get("_class_name")
    pipeline = named if isinstance(named, str) else ""
    lists = {name: entry for name, entry in index.items() if isinstance(entry, list)}
    wanted = {
        name: entry[1]
        for name, entry in lists.items()
        if len(entry) == 2
        and all(entry)
        and name not in (*CHECKERS, "_class_name")
        and Path(name).name == name  # no way into another folder
    }
    if absent := [name for name in wanted if not (folder / name).is_dir()]:
        return pipeline, None, f"It lacks {', '.join(absent)}."
    modules = [
        Component(name, object, "module")
        for name, cls in wanted.items()
        if (folder / name / CONFIG).is_file() and "Tokenizer" not in str(cls)
    ]
    try:
        return pipeline, choose_variant(folder, modules), ""
    except ModelError as error:
        return pipeline, None, str(error).replace(f"{folder}{os.sep}", "")
