"""Chooses the device and the number format that a model runs in.

By default on CUDA: bfloat16 where the hardware has it (it has float32's range, so nothing
overflows), else float16. On a CPU and on Apple's MPS: float32, because the half formats are slow
there or give black pictures.
"""

from typing import TYPE_CHECKING, Any

from sdlab.errors import MemoryLimitError, ModelError, unknown
from sdlab.models.pipelines import parts
from sdlab.models.quiet import quiet

if TYPE_CHECKING:
    import torch

DTYPES = {
    "float32": "float32",
    "fp32": "float32",
    "float16": "float16",
    "fp16": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float64": "float64",
    "fp64": "float64",
}
DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(device: "str | torch.device | None" = None) -> "torch.device":
    """Return the device to run on: the one asked for, or the best there is.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps", a ``torch.device``; None or "auto" for the best.

    Raises:
        ValueError: If the word is none of these.
        ModelError: If the device is not there on this machine.
    """
    import torch

    if device is None or device == "auto":
        return torch.device(available()[0])
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(unknown("device", device, DEVICES)) from None
    if chosen.type not in DEVICES:
        raise ValueError(unknown("device", str(device), DEVICES))
    if str(chosen) not in available() and chosen.type not in available():
        raise ModelError(
            f"Device {str(device)!r} is not here: torch {torch.__version__} sees"
            f" {', '.join(available())}. Leave device out, or install the torch build for it."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"Device {str(device)!r} is not here: there are {torch.cuda.device_count()} CUDA"
            " devices, counted from cuda:0."
        )
    return chosen


def choose_dtype(dtype: "str | torch.dtype | None", device: "torch.device") -> "torch.dtype":
    """Return the number format to run in: the one asked for, or the best for the device.

    Args:
        dtype: "float32", "float16", "bfloat16", "float64", their short forms ("fp16"), a
            ``torch.dtype``; None or "auto" for the best.
        device: The device it will run on.

    Raises:
        ValueError: If the format is none of these.
    """
    import torch

    if dtype is None or dtype == "auto":
        if device.type != "cuda":
            return torch.float32
        half = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if half else torch.float16
    word = str(dtype).removeprefix("torch.")
    if word not in DTYPES:
        raise ValueError(unknown("dtype", word, DTYPES))
    named: torch.dtype = getattr(torch, DTYPES[word])
    return named


def move(pipeline: Any, device: "torch.device") -> Any:
    """Return the pipeline after moving it to a device.

    Raises:
        MemoryLimitError: If it does not fit there; then it is back on the CPU.
    """
    import torch

    if all(part.device == device for part in parts(pipeline).values()):
        return pipeline
    with quiet():
        try:
            return pipeline.to(device)
        except torch.OutOfMemoryError as error:
            pipeline.to("cpu")
            raise MemoryLimitError(
                f"The model does not fit on {device}: {str(error).splitlines()[0]} Close what else"
                " uses it, pass dtype='float16', offload='model' or device='cpu'."
            ) from error


def available() -> list[str]:
    """Return the kinds of device that torch sees here, best first; "cpu" is always the last."""
    import torch

    found = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]
