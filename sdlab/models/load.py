"""``load``: one call for every place a model may come from.

None or "embedded" is the small model that comes with the package, "embedded-flow" the second one; a
folder or a .safetensors file is read without using the network; "organisation/model" is fetched
from the hub; a diffusers pipeline in memory is taken as it is.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError, nearest
from sdlab.models.devices import choose_device, choose_dtype, move
from sdlab.models.folder import check_folder, load_folder
from sdlab.models.hub import check_hub, load_hub
from sdlab.models.in_memory import check_parts, check_runs, check_together
from sdlab.models.loaded_by import noted
from sdlab.models.loading_stages import Stage, Tell, nobody
from sdlab.models.offload import check_way, decode_in_tiles, give_turns
from sdlab.models.quiet import quiet
from sdlab.models.secret import check_token, hidden
from sdlab.models.single_file import load_single_file
from sdlab.models.waiting_weights import offload_of
from sdlab.models.weights import refuse_pickle
from sdlab.shipped import EMBEDDED, SHIPPED

if TYPE_CHECKING:
    import torch

    from sdlab.models.model import Model

_PASS = "Pass a pipeline folder, a .safetensors file, or a hub id (organisation/model)."
MAX_NAME, MAX_PATH = 255, 4095
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load(
    source: Any = None,
    *,
    device: "str | torch.device | None" = None,
    dtype: "str | torch.dtype | None" = None,
    revision: str | None = None,
    variant: str | None = None,
    token: str | bool | None = None,
    config: str | os.PathLike[str] | None = None,
    offload: str | None = None,
    tiled: bool = False,
    on_progress: Tell | None = None,
) -> "Model":
    """Return a model, ready to run.

    Args:
        source: None or "embedded"; "embedded-flow"; a diffusers pipeline folder; a .safetensors
            file in the original layout; a hub id, "organisation/model"; or a diffusers pipeline.
        device: "cpu", "cuda", "cuda:1", "mps" or a ``torch.device``; None for the best there is
            (for a pipeline in memory: where it is).
        dtype: "float32", "float16", "bfloat16", "float64" or a ``torch.dtype``; None for bfloat16
            or float16 on CUDA and float32 elsewhere (for a pipeline in memory: what it is).
        revision: Branch, tag or commit; only for a hub id.
        variant: Which weight files, for example "fp16"; only for a folder or a hub id.
        token: The hub's access token; only for a hub id.
        config: A pipeline folder with the configs to use; only for a .safetensors file.
        offload: How weights wait in the machine's memory until they are needed on the device, for
            models that do not fit there: "model", a part at a time; "sequential", a layer at a
            time, much slower; None for all on the device. ``sdlab plan`` says which is needed.
        tiled: Whether the VAE decodes what is larger than its training size in overlapping tiles,
            which takes less memory and may shift colours a little; offloading does so too.
        on_progress: Called with a ``sdlab.models.loading_stages.Stage`` as each stage and each
            part begins; to end the loading it raises ``LoadingCancelled`` of that module.

    Raises:
        ValueError: If an argument is of no use for this source, or out of its range.
        ModelError: If the model is not there, broken, pickled, or no pipeline of the installed
            diffusers; or if a pipeline in memory cannot be run as it is: the message names what
            was done to it, and the fix.
        MemoryLimitError: If the device has no room for it.
    """
    tell = on_progress or nobody
    tell(Stage("checking"))
    kind = _kind(source, hub=revision is not None or token is not None)
    _check_options(kind, source, revision=revision, variant=variant, token=token, config=config)
    check_token(token)
    if kind == "pipeline":
        if offload is not None or tiled:
            raise ValueError(
                "offload and tiled are not for a pipeline in memory; load its folder with them, or"
                " call pipe.vae.enable_tiling() yourself."
            )
        return _from_memory(source, device, dtype)
    place = choose_device(device)
    number = choose_dtype(dtype, place)
    if offload is not None:
        check_way(offload, place)
    if kind in SHIPPED:
        pipeline = load_folder(SHIPPED[kind], number, tell=tell)
    elif kind == "folder":
        pipeline = load_folder(Path(source).expanduser(), number, variant, tell)
    elif kind == "file":
        folder = None if config is None else Path(config).expanduser()
        first = place if offload is None else choose_device("cpu")
        tell(Stage("reading", total=Path(source).expanduser().stat().st_size))
        pipeline = load_single_file(Path(source).expanduser(), number, first, folder)
    else:
        with hidden(token):
            pipeline = load_hub(str(source), number, revision, variant, token, tell)
    name = kind if kind in SHIPPED else str(source)
    tell(Stage("moving", str(place)))
    if tiled or offload is not None:
        decode_in_tiles(pipeline)
    if offload is not None:
        model = _offloaded(pipeline, name, place, offload)
    else:
        model = _model(move(pipeline, place), name)
    model.loading = noted(
        revision=revision, variant=variant, config=config, offload=offload, tiled=tiled
    )
    return model


def check(
    source: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    token: str | None = None,
    config: str | None = None,
    offload: str | None = None,
    tiled: bool = False,
) -> None:
    """Raise what ``load`` would raise that can be found without reading any weights.

    Args:
        source: A name, as for ``load``; so are the other arguments.
        device: Where to compute.
        dtype: In what precision.
        revision: Branch, tag or commit.
        variant: Which weight files.
        token: The hub's access token.
        config: A pipeline folder with the configs of a .safetensors file.
        offload: How weights wait for their turn.
        tiled: Whether the VAE decodes in tiles; of that nothing is checked.

    Raises:
        ValueError: If an argument is of no use for this source, or out of its range.
        ModelError: If the model is not there, pickled, or no pipeline of the installed diffusers.
    """
    kind = _kind(source, hub=revision is not None or token is not None)
    _check_options(kind, source, revision=revision, variant=variant, token=token, config=config)
    check_token(token)
    place = choose_device(device)
    choose_dtype(dtype, place)
    if offload is not None:
        check_way(offload, place)
    if kind == "folder":
        check_folder(Path(str(source)).expanduser(), variant)
    elif kind == "hub":
        with hidden(token):
            check_hub(str(source), revision, token)


def _kind(source: Any, hub: bool) -> str:
    if source is None:
        return EMBEDDED
    if isinstance(source, str) and source in SHIPPED:
        return source
    if not isinstance(source, (str, os.PathLike)):
        return _kind_of_object(source)
    text = os.fspath(source)
    path = Path(text).expanduser()
    if "\0" in text or not text.strip():
        raise ValueError(f"source must name a folder, a file or a hub id, got {text!r}.")
    if "://" in text:
        raise ValueError(
            f"source is a URL, {text!r}; pass the hub id (organisation/model), or download the file"
            " and pass its path."
        )
    _check_length(path)
    refuse_pickle(path)
    if path.is_dir():
        return "folder"
    if path.is_file():
        if path.suffix.lower() != ".safetensors":
            raise ModelError(f"{path} is no .safetensors file; only those are read.")
        return "file"
    local = path.suffix.lower() == ".safetensors" or (
        path.parent != Path(".") and path.parent.is_dir()
    )
    if isinstance(source, str) and _HUB_ID.fullmatch(text) and (hub or not local):
        return "hub"
    raise ModelError(_absent(path))


def _check_length(path: Path) -> None:
    """Raise for a path too long for any disk, before the system does so less clearly."""
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > MAX_NAME or len(os.fsencode(path)) > MAX_PATH:
        shown = f"{str(path)[:60]}..."
        raise ModelError(
            f"There is no {shown!r}: a path has at most {MAX_NAME} bytes a name and {MAX_PATH} in"
            f" all. {_PASS}"
        )


def _kind_of_object(source: Any) -> str:
    from diffusers import DiffusionPipeline

    if isinstance(source, DiffusionPipeline):
        return "pipeline"
    raise ValueError(
        "source must be None, a folder, a .safetensors file, a hub id or a diffusers pipeline,"
        f" got a {type(source).__name__}: {str(source)[:80]}"
    )


def _check_options(kind: str, source: Any, **options: Any) -> None:
    allowed = {
        "revision": ("hub",),
        "variant": ("folder", "hub"),
        "token": ("hub",),
        "config": ("file",),
    }
    for name, kinds in allowed.items():
        if options[name] is not None and kind not in kinds:
            shown = "..." if name == "token" else repr(options[name])
            raise ValueError(
                f"{name}={shown} is of no use for {source!r} ({kind}); it is only for a"
                f" {' or '.join(kinds)}. Leave it out."
            )
    config = options["config"]
    if config is not None:
        _check_length(Path(config))
    if config is not None and not Path(config).expanduser().is_dir():
        raise ValueError(f"config must be a pipeline folder, got {str(config)!r}.")


def _absent(path: Path) -> str:
    parent = path.parent
    while not parent.is_dir():
        parent = parent.parent
    step = path.relative_to(parent).parts[0]
    names = [entry.name for entry in parent.iterdir()] if os.access(parent, os.R_OK) else []
    close = [str(parent / name) for name in nearest(step, names)]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"There is no {str(path)!r}: {str(parent)!r} has no {step!r}.{hint} {_PASS}"


def _from_memory(pipeline: Any, device: Any, dtype: Any) -> "Model":
    check_parts(pipeline)
    place = pipeline._execution_device if device is None else choose_device(device)
    try:
        if dtype is not None:
            number = choose_dtype(dtype, place)
            with quiet():
                pipeline.to(dtype=number)
        if device is not None:
            move(pipeline, place)
    except ModelError:
        raise
    except (RuntimeError, NotImplementedError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        hint = " Call pipe.remove_all_hooks() first." if offload_of(pipeline) else ""
        raise ModelError(f"This pipeline cannot be moved: {first}{hint}") from error
    check_together(pipeline)
    name = pipeline.config.get("_name_or_path") or type(pipeline).__name__
    model = _model(pipeline, str(name))
    if model.plain:
        check_runs(model)
    return model


def _offloaded(pipeline: Any, name: str, place: "torch.device", way: str) -> "Model":
    model = _model(pipeline, name)
    _ = model.hash  # read while the weights are there
    give_turns(pipeline, place, way)
    return model


def _model(pipeline: Any, name: str) -> "Model":
    from sdlab.models.model import Model

    pipeline.set_progress_bar_config(disable=True)
    return Model(pipeline, name)
