"""Makings of settings alone: a scheduler_config.json, or a model's folder with its components."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdlab.errors import SdlabError, shown
from sdlab.explaining.making import Levels, Making
from sdlab.models.scheduler_config import parameters
from sdlab.noise.exchange import read_object
from sdlab.passports.passport import passport

STEPS = 20
"""Steps over which a config's levels are laid out where nothing says how many."""
_MARKS = {"_class_name", "beta_schedule", "shift", "flow_shift"}
_BLOCKS, _BLOCK = 64, 65_536
_WEIGHTS = (".safetensors", ".bin", ".ckpt", ".gguf")


def is_config(values: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a scheduler config."""
    return bool(_MARKS & set(values))


def of_config(values: Mapping[str, Any], name: str, num_steps: int = STEPS) -> Making:
    """Return the making of a scheduler config: its entries, and the levels diffusers lays out.

    Args:
        values: Of the file.
        name: The file's.
        num_steps: Over how many steps.
    """
    levels, refused = _laid(values, num_steps)
    return Making(
        name,
        "diffusers",
        "config",
        {},
        entries(values),
        levels,
        refused,
        no_experiment="A config says nothing of seed, words and steps.",
        config=values,
    )


def entries(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a config's entries as text, those that it leaves out by its class's defaults."""
    from sdlab.solvers.from_diffusers import scheduler_classes

    cls = scheduler_classes().get(str(config.get("_class_name")))
    usual = parameters(cls) if cls is not None else {}
    whole = {**usual, **config}
    kept = {key: value for key, value in whole.items() if key in usual or not key.startswith("_")}
    named = {"class": config.get("_class_name"), **kept}
    return {key: _text(value) for key, value in named.items()}


def of_folder(folder: Path) -> Making:
    """Return the making of a model's folder: classes, configs and fingerprints of the weights.

    Raises:
        ValueError: If it is no folder of a diffusers pipeline or scheduler.
    """
    places = [folder / "scheduler_config.json", folder / "scheduler" / "scheduler_config.json"]
    config = next((place for place in places if place.is_file()), None)
    index = folder / "model_index.json"
    if not index.is_file() and config is None:
        raise ValueError(
            f"{shown(str(folder))} is neither a run's folder (manifest.json) nor a model's"
            " (model_index.json, scheduler_config.json)."
        )
    values = read_object(config.read_bytes(), "scheduler config") if config else {}
    made = of_config(values, folder.name) if config else None
    found = {f"scheduler.{key}": value for key, value in (made.entries if made else {}).items()}
    if index.is_file():
        found |= dict(_components(folder, read_object(index.read_bytes(), "model index")))
    return Making(
        folder.name,
        "diffusers",
        "folder",
        {},
        found,
        made.levels if made else None,
        made.no_levels if made else "It has no scheduler.",
        no_experiment="A model's folder says nothing of seed, words and steps.",
        config=values or None,
    )


def with_steps(made: Making, num_steps: int) -> Making:
    """Return a config's making with its levels laid out over another number of steps."""
    if made.config is None:
        return made
    levels, refused = _laid(made.config, num_steps)
    return replace(made, levels=levels, no_levels=refused)


def _laid(values: Mapping[str, Any], num_steps: int) -> tuple[Levels | None, str]:
    try:
        made = passport("diffusers", dict(values), None, num_steps)
    except (ValueError, SdlabError) as error:
        return None, str(error)
    return Levels(made.path, made.sigmas, made.evaluations, made.noise_scale, made.source), ""


def _components(folder: Path, index: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "pipeline", str(index.get("_class_name"))
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or not value[-1]:
            continue
        yield f"{name}.class", str(value[-1])
        place = folder / name
        config = place / "config.json"
        if config.is_file():
            values = read_object(config.read_bytes(), f"{name}/config.json")
            for key, entry in values.items():
                if not key.startswith("_") and key != "transformers_version":
                    yield f"{name}.{key}", _text(entry)
        for file in sorted(place.glob("*")) if place.is_dir() else []:
            if file.suffix in _WEIGHTS and file.is_file():
                yield f"{name}.{file.name}", fingerprint(file)


def fingerprint(path: Path) -> str:
    """Return a hash of a file's size and of blocks at even distances of it; quick for gigabytes."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for place in range(_BLOCKS):
            file.seek(place * max(size - _BLOCK, 0) // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return f"{digest.hexdigest()[:12]} of {size:,} bytes"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
