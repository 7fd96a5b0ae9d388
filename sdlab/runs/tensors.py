"""Safetensors files of a folder: headers are read at once, each tensor when it is first used."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor


class StoredTensors(Mapping[str, "Tensor"]):
    """The tensors of a run folder, each loaded when it is first asked for.

    Args:
        path: The safetensors file.
        names: The tensors of it to offer.
    """

    def __init__(self, path: Path, names: list[str]) -> None:
        self._path = path
        self._loaded: dict[str, Tensor | None] = dict.fromkeys(names)

    def __getitem__(self, name: str) -> "Tensor":
        if name not in self._loaded:
            raise KeyError(name)
        tensor = self._loaded[name]
        if tensor is None:
            tensor = read_tensors(self._path, lambda file: file.get_tensor(name))
            self._loaded[name] = tensor
        return tensor

    def __contains__(self, name: object) -> bool:
        return name in self._loaded

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


def read_tensors(path: Path, read: Callable[[Any], Any]) -> Any:
    """Return what ``read`` returns of the open safetensors file.

    Raises:
        StoreError: If the file is no safetensors file, or lacks what is read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return read(file)
    except (SafetensorError, OSError, KeyError) as error:
        raise StoreError(f"{path} is damaged: {error}.") from error
