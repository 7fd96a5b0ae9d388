"""Safetensors files of a folder: headers are read at once, each tensor when it is first used.

Whatever bits of its file are, a tensor can be read; so the header has a checksum of each, CRC-32,
which is compared on reading. Files of before 0.7 have none.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor

CHECKSUMS = "crc32"
"""Entry of the header: JSON, the checksum of each tensor's bytes by its name."""
IN_MEMORY = 2**20
"""Bytes of tensors up to which a file is made in memory: safetensors itself takes longer."""


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
            tensor = read_tensors(self._path, lambda file: tensor_of(file, name))
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


def tensor_of(file: Any, name: str) -> "Tensor":
    """Return a tensor of an open safetensors file.

    Raises:
        KeyError: If there is none of that name, or its bytes have changed since it was written.
    """
    tensor: Tensor = file.get_tensor(name)
    try:
        known = json.loads((file.metadata() or {}).get(CHECKSUMS, "{}")).get(name)
    except (ValueError, AttributeError, RecursionError):
        raise KeyError("its header's checksums cannot be read") from None
    if known is not None and known != _checksum(tensor):
        raise KeyError(f"the bytes of {name} are not those that were written")
    return tensor


def checksums(tensors: "Mapping[str, Tensor]") -> dict[str, str]:
    """Return the entry of a safetensors file's header by which its tensors are checked.

    Args:
        tensors: Contiguous, on the CPU.
    """
    return {CHECKSUMS: json.dumps({name: _checksum(tensors[name]) for name in tensors})}


def _checksum(tensor: "Tensor") -> int:
    import torch

    return zlib.crc32(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)


def write_tensors(tensors: "Mapping[str, Tensor]", path: Path) -> None:
    """Write a safetensors file, with the checksums of its tensors.

    Args:
        tensors: In memory, each contiguous.
        path: Of the file.

    Raises:
        OSError: If it cannot be written.
        SafetensorError: Likewise.
    """
    from safetensors.torch import save, save_file

    if sum(tensor.nbytes for tensor in tensors.values()) > IN_MEMORY:
        save_file(dict(tensors), path, metadata=checksums(tensors))
    else:
        path.write_bytes(save(dict(tensors), metadata=checksums(tensors)))
