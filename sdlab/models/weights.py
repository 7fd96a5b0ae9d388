"""Weight files: only safetensors, checked by their headers before anything is loaded.

A pickled checkpoint (.ckpt, .bin, .pt) can run any code when it is opened, so it is refused; the
message says how to convert it. A safetensors file starts with a JSON header that names every
tensor, its shape and its place; reading it is quick, and a broken file is found before its weights
are read.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sdlab.errors import ModelError
from sdlab.models.quiet import building

PICKLED = (".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle")
CONVERT = (
    "Convert it once, where you trust the file: load it with torch.load(path, weights_only=True),"
    " write its state dict with safetensors.torch.save_file(state, 'model.safetensors'), and load"
    " that; or look for the same model's .safetensors file."
)
# Names that diffusers and transformers have given to the same weight over time.
_RENAMED = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


def refuse_pickle(path: Path) -> None:
    """Raise if a path is that of a pickled weight file.

    Raises:
        ModelError: If its suffix is that of a pickled file; the message says how to convert it.
    """
    if path.suffix.lower() in PICKLED:
        raise ModelError(
            f"{path} is a pickled weight file ({path.suffix}); opening one can run any code, so"
            f" only .safetensors is read. {CONVERT}"
        )


def read_header(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Return (shape of every tensor by key, metadata) of a safetensors file.

    Raises:
        ModelError: If the file is broken, cut off, or something else under this name.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
            return shapes, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(_broken(path, error)) from None


def _broken(path: Path, error: Exception) -> str:
    if not path.is_file():
        return f"{path} is not a file."
    with path.open("rb") as stream:
        start = stream.read(16)
    size = path.stat().st_size
    if start.startswith(b"version "):
        return f"{path} is a git-lfs pointer ({size} bytes), not weights; run `git lfs pull`."
    if start.startswith((b"PK", b"\x80")):
        return f"{path} is a pickled weight file under another name. {CONVERT}"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"{path} ({size:,} bytes) is no whole safetensors file: {reason}. It is cut off or"
        " damaged; download or copy it again."
    )


def check_complete(
    module: Any,
    keys: Iterable[str],
    name: str,
    folder: Path | None = None,
    variant: str | None = None,
) -> None:
    """Raise unless every weight of a network came from its files.

    diffusers fills a weight that the file lacks with random numbers and only warns; the pictures
    would be wrong without an error. A weight that two names share is written once.

    Args:
        module: The loaded network.
        keys: The keys of its weight files.
        name: What it is called in the message.
        folder: Where they lie: transformers is asked again there, without reading any weights,
            for it knows more old names than are known here.
        variant: Of the files.

    Raises:
        ModelError: If a weight of the network is in none of the files.
    """
    there = {_canonical(key) for key in keys}
    state = module.state_dict()
    places = {tensor.data_ptr() for key, tensor in state.items() if _canonical(key) in there}
    missing = [
        key
        for key, tensor in state.items()
        if _canonical(key) not in there
        and (tensor.data_ptr() not in places or not tensor.numel() or not tensor.data_ptr())
    ]
    if missing and folder is not None and type(module).__module__.startswith("transformers."):
        missing = _missing_by_transformers(module, folder, variant)
    if missing:
        raise ModelError(
            f"{name} lacks {len(missing)} of the network's {len(state)} weights, for"
            f" example {missing[0]!r}. The file is incomplete, or its config is another model's."
        )


def _missing_by_transformers(module: Any, folder: Path, variant: str | None) -> list[str]:
    with building():
        _, found = type(module).from_pretrained(
            folder,
            device_map="meta",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            variant=variant,
        )
    return sorted(found["missing_keys"])


def check_materialized(module: Any, name: str) -> None:
    """Raise if a weight of a network is still an empty placeholder.

    Raises:
        ModelError: If a weight was never filled.
    """
    missing = [key for key, tensor in module.state_dict().items() if tensor.is_meta]
    if missing:
        raise ModelError(
            f"{name} lacks {len(missing)} of the network's {len(module.state_dict())} weights, for"
            f" example {missing[0]!r}. The file is incomplete."
        )


def _canonical(key: str) -> str:
    key = key.removeprefix("text_model.")
    for old, new in _RENAMED.items():
        key = key.replace(old, new)
    return key
