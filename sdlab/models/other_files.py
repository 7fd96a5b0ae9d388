"""Single files of other families than Stable Diffusion 1.x and 2.x, by diffusers' own converters.

diffusers knows from a file's keys what it holds and turns it into its own layout, given the
pipeline's configs. Those come from a folder: one that the user passes, this package's (Stable
Diffusion XL), or what the hub's cache has of the repository that diffusers names for the layout.
Text encoders and VAE that the file lacks are read from that folder, if their weights lie there.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError
from sdlab.models.components import INDEX, Component, absent, components, left_out, pipeline_class
from sdlab.models.file_kinds import FAMILIES, XL, Shapes, kind_of, missing_parts
from sdlab.models.folder import (
    check_configs,
    has_weights,
    load_part,
    own_scheduler,
    read_json,
)
from sdlab.models.pipelines import NETWORKS
from sdlab.models.quiet import building

if TYPE_CHECKING:
    import torch


def place_of_configs(shapes: Shapes, name: str, shipped: Path) -> Path | None:
    """Return the folder of configs for a file of another family; None for 1.x, 2.x and no model.

    Args:
        shapes: The shape of every tensor of the file, by key.
        name: What the file is called in messages.
        shipped: The folder of the configs that come with this package.

    Raises:
        ModelError: If it is of a known family, and its configs are not at hand.
    """
    what = kind_of(shapes)
    if what == XL:
        return shipped / "sdxl"
    if what not in FAMILIES and not missing_parts(shapes):
        return None
    repository = _repository(shapes)
    if repository is None:
        return None  # what it is instead is told by its parts
    cached = _cached(repository)
    if cached is None:
        raise ModelError(
            f"{name} is {what or 'of a layout'} that diffusers knows as {repository!r}, whose"
            " configs are not at hand. Pass config=FOLDER, a folder of that pipeline with its"
            f" {INDEX}, configs and tokenizers, and the text encoders if the file has none."
        )
    return cached


def load_other(
    path: Path, folder: Path, dtype: "torch.dtype", given: Mapping[str, Any] | None = None
) -> Any:
    """Return the pipeline of a file, with the configs of a folder, on the CPU.

    Args:
        path: A .safetensors file that diffusers can convert.
        folder: A pipeline folder; weights are needed only of what the file lacks.
        dtype: What to keep the weights in.
        given: Components by name that come from elsewhere.

    Raises:
        ModelError: If the folder is no pipeline, or the file does not fit it.
    """
    index = read_json(folder / INDEX)
    cls = pipeline_class(index, str(folder))
    own = dict(given or {}) | (own_scheduler(folder) if not given else {})
    wanted = [part for part in components(index, str(folder)) if part.name not in own]
    check_configs(folder, wanted)
    for part in wanted:
        if part.kind == "module":
            has_weights(folder / part.name)
    if not hasattr(cls, "from_single_file"):
        raise ModelError(
            f"{path}: diffusers reads no single file of a {cls.__name__}. Load the whole folder."
        )
    with building(), TemporaryDirectory() as place:
        link = Path(place) / "model.safetensors"  # diffusers goes by the suffix, and its case
        link.symlink_to(path.resolve())
        nothing = {**absent(index, cls), **left_out(cls)}
        while True:
            try:
                return _converted(cls, link, folder, dtype, {**nothing, **own})
            except Exception as error:  # whatever the libraries make of other shapes
                lacked = _lacked(error, [one for one in wanted if one.name not in own])
                if lacked is None or not has_weights(folder / lacked.name):
                    raise misfit(path, folder, error) from error
                own[lacked.name] = load_part(folder, lacked, dtype)


def _converted(
    cls: Any, path: Path, folder: Path, dtype: "torch.dtype", given: dict[str, Any]
) -> Any:
    place: dict[str, Any] = {"config": str(folder), "local_files_only": True}
    return cls.from_single_file(str(path), torch_dtype=dtype, **place, **given)


def _lacked(error: Exception, parts: list[Component]) -> Component | None:
    """Return the component beside the network that diffusers misses in a file, if that it is."""
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    if not isinstance(error, SingleFileComponentError):
        return None
    named = (part for part in parts if f"\n{part.name} = " in str(error))
    return next((part for part in named if part.name not in NETWORKS), None)


def misfit(path: Path, folder: Path, error: Exception) -> ModelError:
    """Return the error of a file that does not fit the configs of a folder."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    if "meta tensor" in reason[0]:
        reason = ["It lacks weights that they ask for."]
    return ModelError(
        f"{path} does not fit the configs in {folder}: {reason[0]} If it is a model of"
        " another size, pass config=FOLDER with its own configs."
    )


def _repository(shapes: Shapes) -> str | None:
    """Return the hub id whose configs diffusers takes for a layout; None if it knows none."""
    import torch
    from diffusers.loaders import single_file_utils as diffusers_files

    empty = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    try:
        layout = diffusers_files.infer_diffusers_model_type(empty)
    except (KeyError, IndexError):  # half a layout
        return None
    if layout == "v1":  # what it says of anything unknown
        return None
    found = diffusers_files.DIFFUSERS_DEFAULT_PIPELINE_PATHS.get(layout, {})
    repository = found.get("pretrained_model_name_or_path")
    return str(repository) if repository else None


def _cached(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, INDEX)
    return Path(found).parent if isinstance(found, str) else None
