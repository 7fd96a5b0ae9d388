"""How much memory a run takes, estimated before it starts.

Activations are estimated from the widest feature maps of U-Net and VAE. The factors were fitted to
measured peaks (benchmarks/memory.py) and rounded up.
"""

from typing import TYPE_CHECKING

from sdlab.experiment.record import Record

if TYPE_CHECKING:
    import torch

    from sdlab.models.model import Model

# Feature maps of the first level's width alive at once, per sample.
UNET_MAPS = 44
VAE_MAPS = 16
VAE_WIDTH = 128  # where its config does not say
# A transformer's: rows of its width alive at once, for each of its tokens (patches of 2 x 2 cells).
TOKEN_MAPS, PATCH, WIDTH = 24, 4, 3072
# What a call takes whatever its size: buffers of the convolution library and the allocator.
BASE_BYTES = 64 * 2**20
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
    network = model.network
    config, item = getattr(network, "config", {}), model.dtype.itemsize
    cells = shape[1] * shape[2]
    if config.get("block_out_channels"):
        return int(UNET_MAPS * config["block_out_channels"][0] * cells * item)
    heads, width = config.get("num_attention_heads"), config.get("attention_head_dim")
    inner = heads * width if isinstance(heads, int) and isinstance(width, int) else WIDTH
    return int(TOKEN_MAPS * inner * max(1, cells // PATCH) * item)


def decode_bytes(model: "Model", shape: tuple[int, int, int]) -> int:
    """Return the bytes of activations that decoding one latent needs."""
    vae = getattr(model.pipeline, "vae", None)
    if vae is None:
        return 0
    pixels = shape[1] * shape[2] * model.vae_factor**2
    widths = vae.config.get("block_out_channels") or [vae.config.get("base_dim") or VAE_WIDTH]
    return int(VAE_MAPS * widths[0] * pixels * vae.dtype.itemsize)


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
