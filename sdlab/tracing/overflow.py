"""Notices when a pipeline's VAE overflows, which leaves black in the picture without an error."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def noticing(pipe: Any, found: list[str]) -> Iterator[None]:
    """Watch a pipeline's decoder; add what is found, and warn of all found at the end.

    The pipeline's picture is not mended: recording never changes a result.

    Args:
        pipe: A diffusers pipeline; one without a VAE's decoder is not watched.
        found: Sentences, to which others may add.
    """
    import torch

    def look(_: Any, args: tuple[Any, ...], pixels: Any) -> None:
        if not all(isinstance(x, torch.Tensor) for x in (pixels, *args[:1])) or not args:
            return
        if args[0].isfinite().all() and not pixels.isfinite().all():
            dtype = str(pixels.dtype).removeprefix("torch.")
            note = f"The pipeline's VAE overflows in {dtype}: its picture is black or has holes."
            if pixels.dtype in (torch.float16, torch.bfloat16):
                note += " Load its VAE in float32, or set force_upcast where the pipeline minds it."
            if note not in found:
                found.append(note)

    decoder = getattr(getattr(pipe, "vae", None), "decoder", None)
    hook = decoder.register_forward_hook(look) if decoder is not None else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()
    for note in found:
        warnings.warn(note, stacklevel=2)
