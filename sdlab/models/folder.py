"""Loads a diffusers pipeline folder, checked first so that an error can name what is missing.

Nothing here uses the network, and nothing is unpickled.
"""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError, unknown
from sdlab.models.families import check_class, check_scheduler, check_unet
from sdlab.models.quiet import quiet
from sdlab.models.weights import CONVERT, PICKLED, check_complete, read_header

if TYPE_CHECKING:
    import torch

INDEX = "model_index.json"
CONFIGS = {
    "scheduler": ("scheduler_config.json",),
    "text_encoder": ("config.json",),
    "tokenizer": ("vocab.json", "tokenizer.json"),
    "unet": ("config.json",),
    "vae": ("config.json",),
}
NETWORKS = ("text_encoder", "unet", "vae")
LIBRARIES = ("diffusers", "transformers", "stable_diffusion", None)
# A scheduler of this package, made by as_diffusers_scheduler, as save_pretrained writes it.
OWN_SCHEDULER = ["sdlab.solvers.as_diffusers", "SolverScheduler"]
# A picture needs none of these; left out, diffusers neither loads them nor warns of them.
LEFT_OUT: dict[str, Any] = {
    "safety_checker": None,
    "feature_extractor": None,
    "image_encoder": None,
    "requires_safety_checker": False,
}
# A shard's number stands after the variant, or before it (transformers, and diffusers once).
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)"
    r"(?:(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?|-\d+-of-\d+\.(?P<later>\w+))\.safetensors"
)


def load_folder(folder: Path, dtype: "torch.dtype", variant: str | None = None) -> Any:
    """Return the ``StableDiffusionPipeline`` of a folder, on the CPU.

    Args:
        folder: Holds ``model_index.json`` and a folder for each component.
        dtype: What to keep the weights in.
        variant: Which of several weight files, for example "fp16". If None, the plain ones, or
            the only variant there is.

    Raises:
        ModelError: If the folder is no pipeline, is broken, or is of a family we do not run.
        ValueError: If there is no such variant.
    """
    chosen = check_folder(folder, variant)
    keys = {part: _keys(folder / part, chosen) for part in NETWORKS}
    pipeline = _from_pretrained(folder, dtype, chosen, _own_scheduler(folder))
    for part in NETWORKS:
        check_complete(getattr(pipeline, part), keys[part], f"{folder / part}")
    return pipeline


def check_folder(folder: Path, variant: str | None = None) -> str | None:
    """Check a folder by its configs and file names; return the variant to read.

    Raises:
        ModelError: If the folder is no pipeline, lacks files, or is of a family we do not run.
        ValueError: If there is no such variant.
    """
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else None
    if index is None:
        raise ModelError(_no_pipeline(folder))
    own = index.get("scheduler") == OWN_SCHEDULER
    check_index({**index, "scheduler": ["diffusers", "own"]} if own else index, str(folder))
    check_configs(folder)
    check_unet(read_json(folder / "unet" / "config.json"), str(folder))
    return choose_variant(folder, variant)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        ModelError: If it cannot be read or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object, not a {type(value).__name__}.")
    return value


def check_index(index: dict[str, Any], name: str) -> None:
    """Raise unless a ``model_index.json`` is of our families, its components library classes.

    Raises:
        ModelError: If it is another family's, or needs code that comes with the model.
    """
    check_class(index.get("_class_name", "pipeline without a class name"), name)
    for part in CONFIGS:
        entry = index.get(part)
        if not isinstance(entry, list) or len(entry) != 2 or entry[0] is None:
            raise ModelError(f"{name}: {INDEX} names no {part}, got {entry!r}.")
        if entry[0] not in LIBRARIES:
            raise ModelError(
                f"{name}: {INDEX} takes its {part} from {entry[0]!r}; only components of diffusers"
                " and transformers are loaded, never code that comes with a model."
            )


def check_configs(folder: Path) -> None:
    """Raise unless a folder has every component's config, the scheduler's within its bounds.

    Raises:
        ModelError: If one is missing, with what was looked for, or a scheduler's entry is not
            within its bounds.
    """
    missing = [
        f"{part}/{' or '.join(names)}"
        for part, names in CONFIGS.items()
        if not any((folder / part / name).is_file() for name in names)
    ]
    if missing:
        raise ModelError(
            f"{folder} is no whole pipeline; it lacks {', '.join(missing)}. A pipeline has {INDEX}"
            f" and the folders {', '.join(CONFIGS)}, each with its config."
        )
    check_scheduler(read_json(folder / "scheduler" / "scheduler_config.json"), str(folder))


def choose_variant(folder: Path, variant: str | None) -> str | None:
    """Return which weight files to load: None for the plain ones, else a variant's name.

    Raises:
        ModelError: If a component has no safetensors weights, or it is not clear which.
        ValueError: If ``variant`` is not there.
    """
    found = {part: _variants(folder / part) for part in NETWORKS}
    for part, names in found.items():
        if not names:
            raise ModelError(_no_weights(folder / part))
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


def _variants(part: Path) -> set[str | None]:
    return {variant for _, variant in _weights(part)}


def _weights(part: Path) -> list[tuple[Path, str | None]]:
    """Return (file, variant) of a component's weight files, as diffusers names them."""
    matches = [(path, _WEIGHTS.fullmatch(path.name)) for path in sorted(part.glob("*"))]
    return [(path, match["variant"] or match["later"]) for path, match in matches if match]


def _keys(part: Path, variant: str | None) -> set[str]:
    wanted = variant if variant in _variants(part) else None
    keys: set[str] = set()
    for path, name in _weights(part):
        if name == wanted:
            keys.update(read_header(path)[0])
    return keys


def _own_scheduler(folder: Path) -> dict[str, Any]:
    """Return a scheduler of this package, if that is what the folder has; else nothing.

    Given one, diffusers looks for none, nor for code of that name in the folder.
    """
    if read_json(folder / INDEX).get("scheduler") != OWN_SCHEDULER:
        return {}
    module, name = OWN_SCHEDULER  # by its name, as diffusers finds a class of another library
    scheduler = getattr(import_module(module), name)
    path = folder / "scheduler" / CONFIGS["scheduler"][0]
    try:
        return {"scheduler": scheduler.from_config(read_json(path))}
    except ValueError as error:  # a plug-in that is not here, an option of another version
        raise ModelError(f"{path}: {error}") from error


def _from_pretrained(
    folder: Path, dtype: "torch.dtype", variant: str | None, given: dict[str, Any]
) -> Any:
    with quiet():
        from diffusers import StableDiffusionPipeline

        try:
            return StableDiffusionPipeline.from_pretrained(
                str(folder),
                dtype=dtype,
                variant=variant,
                use_safetensors=True,
                local_files_only=True,
                **given,
                **LEFT_OUT,
            )
        except Exception as error:  # whatever the libraries make of a broken folder
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(f"{folder} cannot be loaded: {reason[0]}") from error


def _no_weights(part: Path) -> str:
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
    known = (*CONFIGS, "model_index.json")
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
    wanted = f" Looked for {INDEX} and the folders {', '.join(CONFIGS)}."
    return message + wanted + f" It holds of models: {', '.join(there) or 'nothing'}."
