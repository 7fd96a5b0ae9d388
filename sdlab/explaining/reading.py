"""``making_of``: how a picture was made, read off whatever is given.

A run's id or folder, a picture of sdlab, AUTOMATIC1111, Forge, ComfyUI or InvokeAI, a workflow,
parameters as text, a manifest, a scheduler_config.json, a model's folder, an experiment.
"""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import shown
from sdlab.experiment.experiment import Experiment
from sdlab.explaining.making import Making
from sdlab.explaining.of_config import is_config, of_config, of_folder
from sdlab.explaining.of_program import of_graph, of_invokeai, of_parameters
from sdlab.explaining.of_run import of_experiment, of_manifest, of_run
from sdlab.image_files import content_of
from sdlab.metadata.comfyui_graph import graph_in, graph_of
from sdlab.metadata.reading import texts_of
from sdlab.noise.exchange import read_object
from sdlab.runs import find_run, runs_root
from sdlab.runs.png import KEY, WHOLE

if TYPE_CHECKING:
    from sdlab.runs.run import Run

INVOKEAI = "invokeai_metadata"
_ID = re.compile(r"[0-9a-f]{4,16}")


def making_of(
    source: "Making | Run | Experiment | bytes | str | PathLike[str] | Mapping[str, Any]",
    name: str = "",
    root: str | Path | None = None,
    model: Any = None,
) -> Making:
    """Return how a picture was made.

    Args:
        source: A run's id or how it begins, a path, a file's bytes, a JSON object, a run, an
            experiment, or what this returned before.
        name: What to call it; the file's or the run's own name if not given.
        root: The folder of all runs; None for the usual one.
        model: What another program's model is, by ``sdlab.passport``'s names; None for what its
            name there suggests.

    Raises:
        ValueError: If it cannot be read, or says nothing of how a picture was made.
        StoreError: If no run begins with the id, or it is damaged.
        TypeError: If it is none of these.
    """
    from sdlab.runs.run import Run

    if isinstance(source, Making):
        return source
    if isinstance(source, Run):
        return of_run(source)
    if isinstance(source, Experiment):
        return of_experiment(source, name or "an experiment")
    if isinstance(source, Mapping):
        return _of_object(source, name or "an object", model)
    if isinstance(source, bytes):
        return _of_content(source, name or "a file", model)
    if not isinstance(source, (str, PathLike)):
        raise TypeError(
            "what is to be explained must be a run's id, a path, bytes, a JSON object, a run or an"
            f" experiment, got {type(source).__name__}."
        )
    return _of_path(source, name, root, model)


def _of_path(source: Any, name: str, root: str | Path | None, model: Any) -> Making:
    from sdlab.runs.run_folder import open_run

    path = Path(source).expanduser()
    if path.is_dir():
        return of_run(open_run(path)) if (path / "manifest.json").is_file() else of_folder(path)
    if path.is_file():
        return _of_content(content_of(path), name or path.name, model)
    if _ID.fullmatch(str(source)):
        return of_run(open_run(find_run(root or runs_root(), str(source))))
    raise ValueError(
        f"{shown(str(source))} is neither a file, a folder nor a run's id (4 to 16 digits of 0-9"
        " and a-f; `sdlab runs` lists them)."
    )


def _of_content(content: bytes, name: str, model: Any) -> Making:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _of_picture(content, name, model)
    if text.lstrip().startswith("{"):
        return _of_object(read_object(text, name), name, model)
    return of_parameters(text, name, model=model)


def _of_picture(content: bytes, name: str, model: Any) -> Making:
    texts = texts_of(content)
    if WHOLE in texts:
        return of_manifest(read_object(texts[WHOLE], "text in the picture"), name, content)
    if INVOKEAI in texts:
        values = read_object(texts[INVOKEAI], "metadata")
        return of_invokeai(values, name, content, model)
    if graph := graph_in(texts):
        return of_graph(graph, name, content, model)
    if KEY in texts:
        return of_parameters(texts[KEY], name, content, model)
    raise ValueError(
        f"{name} says nothing of how it was made: no text of sdlab, AUTOMATIC1111, Forge, ComfyUI"
        " or InvokeAI is in it. Sending or editing a picture often takes it away; give its workflow"
        " or its parameters as text instead."
    )


def _of_object(values: Mapping[str, Any], name: str, model: Any) -> Making:
    if graph := graph_of(values):
        return of_graph(graph, name, None, model)
    if "experiment" in values:
        return of_manifest(values, name)
    if is_config(values):
        return of_config(values, name)
    if "scheduler" in values and "steps" in values:
        return of_invokeai(values, name, None, model)
    if set(values) & {"prompt", "solver", "num_steps"}:
        return of_experiment(Experiment.from_dict(dict(values)), name)
    raise ValueError(
        f"{name} is no manifest, workflow, scheduler_config.json or experiment: it has none of"
        " their entries."
    )
