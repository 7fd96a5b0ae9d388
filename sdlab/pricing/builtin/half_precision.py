"""Fewer bits for each number: bfloat16, float16, and autocast."""

from sdlab.denoisers.network import check_fast
from sdlab.errors import ModelError
from sdlab.models.model import Model
from sdlab.pricing.copies import with_dtype
from sdlab.pricing.speedup import Changed, speedup

WEIGHTS = "PyTorch's half precision, as diffusers' torch_dtype= loads it"


@speedup("bfloat16", "All weights and numbers in bfloat16: 8 bits of mantissa.", source=WEIGHTS)
def bfloat16(model: Model) -> Changed:
    """Return the model in bfloat16."""
    import torch

    return Changed(with_dtype(model, torch.bfloat16))


@speedup("float16", "All weights and numbers in float16: 11 bits of mantissa.", source=WEIGHTS)
def float16(model: Model) -> Changed:
    """Return the model in float16.

    Raises:
        ModelError: On a processor, which computes float16 many times slower than float32.
    """
    import torch

    if model.device.type == "cpu":
        raise ModelError(
            "A processor computes float16 many times slower than float32; take bfloat16, or a GPU."
        )
    return Changed(with_dtype(model, torch.float16))


@speedup(
    "autocast",
    "The network's matrix products in bfloat16, the rest in float32.",
    source="PyTorch's autocast; sdlab's option fast",
)
def autocast(model: Model) -> Changed:
    """Return the model, to be run fast.

    Raises:
        ValueError: If it does not compute in float32.
    """
    check_fast(model)
    return Changed(model, fields={"fast": True})
