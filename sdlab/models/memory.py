"""How much memory a run takes, estimated before it starts.

What computing takes is estimated by ``activations``.
"""

from typing import TYPE_CHECKING

from sdlab.experiment.record import Record
from sdlab.models.activations import decoding_bytes, network_bytes

if TYPE_CHECKING:
    import torch

    from sdlab.models.model import Model

# What a call takes whatever its size: buffers of the convolution library and the allocator.
BASE_BYTES = 64 * 2**20
GIB = 2**30
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Share of the free memory that a run may use; the rest is left to others.
USABLE = 0.9


def record_bytes(record: Record, nfe: int, shape: tuple[int, int, int], guided: bool) -> int:
    """Return the bytes of the tensors that a run keeps.

    Args:
        record: What is kept.
        nfe: Evaluations of the run.
        shape: (C, h, w) of the latents.
        guided: Whether there is an unconditional half to keep.
    """
    names = [n for n in record.tensors if guided or n != "output_uncond"]
    kept = sum(record.keeps(e, nfe) for e in range(nfe))
    channels, height, width = shape
    return kept * len(names) * channels * height * width * BYTES[record.dtype]


def sample_bytes(model: "Model", shape: tuple[int, int, int]) -> int:
    """Return the bytes of activations that one sample of a network call needs."""
    return network_bytes(model.network, shape, model.dtype.itemsize)


def decode_bytes(model: "Model", shape: tuple[int, int, int]) -> int:
    """Return the bytes of activations that decoding one latent needs."""
    vae = getattr(model.pipeline, "vae", None)
    if vae is None:
        return 0
    return decoding_bytes(vae, shape[1] * shape[2] * model.vae_factor**2, vae.dtype)


def available_bytes(device: "torch.device") -> int:
    """Return the bytes that can still be allocated on a device."""
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    import psutil

    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out, on any device."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    words = ("out of memory", "alloc_failed", "allocate memory")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def release(error: BaseException) -> None:
    """Free what a failed computation held, and the device's cache.

    The traceback of an exception keeps the tensors of its frames alive.
    """
    import torch

    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        seen = seen.__context__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def readable(count: float) -> str:
    """Return a byte count with its unit, such as '1.5 GiB'."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
