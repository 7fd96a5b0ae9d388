"""Loads a diffusers pipeline folder, checked first so that an error can name what is missing.

Nothing here uses the network, and nothing is unpickled.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError, unknown
from sdlab.models.components import (
    INDEX,
    OWN_SCHEDULERS,
    Component,
    absent,
    components,
    left_out,
    pipeline_class,
)
from sdlab.models.families import check_scheduler, check_words_only
from sdlab.models.loading_stages import Tell, nobody, parts_told
from sdlab.models.quiet import building
from sdlab.models.weights import CONVERT, PICKLED, check_complete, read_header

if TYPE_CHECKING:
    import torch

CONFIGS: Mapping[str, tuple[str, ...]] = {
    "module": ("config.json",),
    "scheduler": ("scheduler_config.json",),
    "tokenizer": (
        "vocab.json",
        "tokenizer.json",
        "spiece.model",
        "tokenizer.model",
        "vocab.txt",
        "sentencepiece.bpe.model",
    ),
    "processor": ("preprocessor_config.json", "processor_config.json", "image_processor.json"),
    "guider": ("guider_config.json",),
}
"""Which of these files must be there, by kind of component."""
_FOLDERS = ("scheduler", "text_encoder", "tokenizer", "unet or transformer", "vae")
# A shard's number stands after the variant, or before it (transformers, and diffusers once).
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)"
    r"(?:(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?|-\d+-of-\d+\.(?P<later>\w+))\.safetensors"
)


def load_folder(
    folder: Path, dtype: "torch.dtype", variant: str | None = None, tell: Tell = nobody
) -> Any:
    """Return the pipeline of a folder, on the CPU.

    Args:
        folder: Holds ``model_index.json`` and a folder for each component.
        dtype: What to keep the weights in.
        variant: Which of several weight files, for example "fp16". If None, the plain ones, or
            the only variant there is.
        tell: Called as each part begins to be read.

    Raises:
        ModelError: If the folder is no pipeline of the installed diffusers, or is broken.
        ValueError: If there is no such variant.
    """
    parts, chosen = check_folder(folder, variant)
    modules = [part for part in parts if part.kind == "module"]
    keys = {part.name: _keys(folder, part, chosen) for part in modules}
    sizes = {part.name: _bytes(folder / part.name, chosen) for part in modules}
    pipeline = _from_pretrained(folder, dtype, chosen, partial(parts_told, sizes, tell))
    for part in modules:
        place = folder / part.name
        there = chosen if chosen in _variants(place) else None
        check_complete(getattr(pipeline, part.name), keys[part.name], f"{place}", place, there)
    return pipeline


def check_folder(folder: Path, variant: str | None = None) -> tuple[list[Component], str | None]:
    """Check a folder by its configs and file names; return its components and variant to read.

    Raises:
        ModelError: If the folder is no pipeline of the installed diffusers, or lacks files.
        ValueError: If there is no such variant.
    """
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else None
    if index is None:
        raise ModelError(_no_pipeline(folder))
    parts = components(index, str(folder))
    check_configs(folder, parts)
    if (folder / "unet" / "config.json").is_file():
        unet = read_json(folder / "unet" / "config.json")
        check_words_only(index["_class_name"], unet, str(folder))
    return parts, choose_variant(folder, parts, variant)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        ModelError: If it cannot be read or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object, not a {type(value).__name__}.")
    return value


def check_configs(folder: Path, parts: Iterable[Component]) -> None:
    """Raise unless a folder has every component's config, the schedulers' within their bounds.

    Raises:
        ModelError: If one is missing, with what was looked for, if a scheduler's entry is not
            within its bounds, or if a component asks for code that comes with it.
    """
    missing = [
        f"{part.name}/{' or '.join(CONFIGS[part.kind])}"
        for part in parts
        if not any((folder / part.name / name).is_file() for name in CONFIGS[part.kind])
    ]
    if missing:
        names = ", ".join(part.name for part in parts)
        raise ModelError(
            f"{folder} is no whole pipeline; it lacks {', '.join(missing)}. This one has {INDEX}"
            f" and the folders {names}, each with its config."
        )
    for part in parts:
        if part.kind == "scheduler":
            config = read_json(folder / part.name / CONFIGS["scheduler"][0])
            check_scheduler(config, str(folder))
        elif part.cls.__name__.startswith("Auto"):
            _check_own_code(folder / part.name)


def choose_variant(
    folder: Path, parts: Iterable[Component], variant: str | None = None
) -> str | None:
    """Return which weight files to load: None for the plain ones, else a variant's name.

    Raises:
        ModelError: If a component has no safetensors weights, or it is not clear which.
        ValueError: If ``variant`` is not there.
    """
    found = {part.name: _variants(folder / part.name) for part in parts if part.kind == "module"}
    for name, names in found.items():
        if not names:
            raise ModelError(no_weights(folder / name))
    named = sorted({name for names in found.values() for name in names if name})
    if variant is not None:
        if variant not in named:
            raise ValueError(unknown(f"variant of {folder}", variant, named))
        return variant
    if all(None in names for names in found.values()):
        return None
    if len(named) == 1:
        return named[0]
    raise ModelError(
        f"{folder} has weights in the variants {', '.join(named)}; choose one with variant=..."
    )


def has_weights(part: Path) -> bool:
    """Return whether a component's folder has safetensors weights.

    Raises:
        ModelError: If it has weights, and only pickled ones.
    """
    if _variants(part):
        return True
    if any(path.suffix.lower() in PICKLED for path in part.glob("*")):
        raise ModelError(no_weights(part))
    return False


def load_part(folder: Path, part: Component, dtype: "torch.dtype") -> Any:
    """Return one model of a pipeline folder, on the CPU.

    Raises:
        ModelError: If its weights are incomplete, or it is not clear which to read.
    """
    variant = choose_variant(folder, [part])
    place = folder / part.name
    cls: Any = part.cls
    number = "dtype" if cls.__module__.startswith("transformers.") else "torch_dtype"
    options: dict[str, Any] = {number: dtype, "variant": variant, "use_safetensors": True}
    with building():
        loaded = cls.from_pretrained(place, local_files_only=True, **options)
    check_complete(loaded, _keys(folder, part, variant), f"{place}", place, variant)
    return loaded


def own_scheduler(folder: Path) -> dict[str, Any]:
    """Return a scheduler of this package, if that is what the folder has; else nothing.

    Given one, diffusers looks for none, nor for code of that name in the folder.
    """
    index = read_json(folder / INDEX)
    if index.get("scheduler") not in OWN_SCHEDULERS:
        return {}
    parts = components(index, str(folder))
    (cls,) = [part.cls for part in parts if part.name == "scheduler"]
    path = folder / "scheduler" / CONFIGS["scheduler"][0]
    try:
        return {"scheduler": cls.from_config(read_json(path))}  # type: ignore[attr-defined]
    except ValueError as error:  # a plug-in that is not here, an option of another version
        raise ModelError(f"{path}: {error}") from error


def _variants(part: Path) -> set[str | None]:
    return {variant for _, variant in _weights(part)}


def _weights(part: Path) -> list[tuple[Path, str | None]]:
    """Return (file, variant) of a component's weight files, as diffusers names them."""
    matches = [(path, _WEIGHTS.fullmatch(path.name)) for path in sorted(part.glob("*"))]
    return [(path, match["variant"] or match["later"]) for path, match in matches if match]


def _keys(folder: Path, part: Component, variant: str | None) -> set[str]:
    """Return the keys of a component's weight files; several ControlNets have a folder each."""
    place = folder / part.name
    if not part.cls.__name__.startswith("Multi"):
        return _folder_keys(place, variant)
    places = [place]
    while (further := Path(f"{place}_{len(places)}")).is_dir():
        places.append(further)
    numbered = enumerate(places)
    return {f"nets.{n}.{key}" for n, one in numbered for key in _folder_keys(one, variant)}


def _folder_keys(place: Path, variant: str | None) -> set[str]:
    wanted = variant if variant in _variants(place) else None
    keys: set[str] = set()
    for path, name in _weights(place):
        if name == wanted:
            keys.update(read_header(path)[0])
    return keys


def _check_own_code(place: Path) -> None:
    for path in sorted(place.glob("*config.json")):
        if "auto_map" in read_json(path):
            raise ModelError(
                f"{path} asks for code that comes with the model; it is never run, so this"
                " component cannot be loaded."
            )


def _bytes(place: Path, variant: str | None) -> int:
    """Return the bytes of a component's weight files that are read."""
    wanted = variant if variant in _variants(place) else None
    return sum(path.stat().st_size for path, name in _weights(place) if name == wanted)


def _from_pretrained(
    folder: Path,
    dtype: "torch.dtype",
    variant: str | None,
    watched: Callable[[], AbstractContextManager[None]],
) -> Any:
    with building(), watched():
        index = read_json(folder / INDEX)
        cls = pipeline_class(index, str(folder))
        given = {**absent(index, cls), **own_scheduler(folder), **left_out(cls)}
        try:
            return cls.from_pretrained(
                str(folder),
                dtype=dtype,
                variant=variant,
                use_safetensors=True,
                local_files_only=True,
                **given,
            )
        except Exception as error:  # whatever the libraries make of a broken folder
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(f"{folder} cannot be loaded: {reason[0]}") from error


def no_weights(part: Path) -> str:
    """Return in words that a component has no weights that are read, and what it has."""
    names = sorted(path.name for path in part.glob("*"))
    pickled = [name for name in names if Path(name).suffix.lower() in PICKLED]
    others = [name for name in names if name.lower().endswith(".safetensors")]
    if others:
        return (
            f"{part} has no weights under a name that is looked for: diffusion_pytorch_model or"
            " model, then .VARIANT or -NUMBER-of-NUMBER if there is one, then .safetensors. It has"
            f" {', '.join(others[:8])}; rename what should be loaded."
        )
    if pickled:
        return (
            f"{part} has its weights only pickled ({', '.join(pickled)}); opening such a file can"
            f" run any code, so only .safetensors is read. {CONVERT}"
        )
    return f"{part} has no weights: no *.safetensors file in it."


def _no_pipeline(folder: Path) -> str:
    # Only names that have to do with models: the reader may not be the folder's owner.
    known = (*_FOLDERS, "model_index.json")
    kinds = (".safetensors", ".json", ".bin", ".ckpt", ".pt", ".pth")
    names = sorted(path.name for path in folder.iterdir())
    there = [name for name in names if name in known or name.lower().endswith(kinds)][:12]
    message = f"{folder} is no pipeline folder: it has no {INDEX}."
    single = [name for name in there if name.lower().endswith(".safetensors")]
    if (folder.parent / INDEX).is_file():
        message += f" It is one component of the pipeline {str(folder.parent)!r}; load that."
    elif single:
        message += f" If you mean the checkpoint in it, load {str(folder / single[0])!r}."
    inside = [path.parent for path in sorted(folder.glob(f"*/{INDEX}"))]
    if inside:
        message += f" There is one inside it: {str(inside[0])!r}."
    wanted = f" Looked for {INDEX} and the folders that it names, such as {', '.join(_FOLDERS)}."
    return message + wanted + f" It holds of models: {', '.join(there) or 'nothing'}."
