"""Latents as files: one safetensors tensor with what it takes to decode it, checked when read.

The tensor ``latents`` is [1, C, h, w] at the U-Net's scale; the metadata names the model's hash
and the VAE's scaling and shift. Nothing is ever unpickled, and a file is checked before it is used:
size, header, dtype, shape, values, model.
"""

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

FORMAT = "sdlab latents 1"
MAX_BYTES = 64_000_000
LARGEST = 10_000.0
"""Values of latents are within some tens; beyond this, decoders and networks overflow."""
_KINDS = ("F16", "BF16", "F32", "F64")


@dataclass(frozen=True)
class LatentsFile:
    """What a latents file holds.

    Attributes:
        latents: float32 [1, C, h, w], finite, at the U-Net's scale.
        model: Name of the model that made them, "" if the file does not say.
        model_hash: Its hash, "" if the file does not say.
        scaling_factor: Of its VAE; None if the file does not say.
        shift_factor: Of its VAE.
        note: The note that was written with them.
    """

    latents: "Tensor"
    model: str = ""
    model_hash: str = ""
    scaling_factor: float | None = None
    shift_factor: float = 0.0
    note: str = ""


def latents_bytes(model: "Model", latents: "Tensor", note: str = "") -> bytes:
    """Return a latents file.

    Args:
        model: Whose latents they are.
        latents: [1, C, h, w] or [C, h, w], finite, at the U-Net's scale.
        note: Kept with them, such as a prompt.

    Raises:
        ValueError: If they cannot be latents of this model.
    """
    from safetensors.torch import save

    one = latents[None] if latents.ndim == 3 else latents
    check_latents(model, one)
    about = {"format": FORMAT, "model": model.name, "model_hash": model.hash}
    if (factor := model.vae.factor) is not None:
        about |= {"scaling_factor": repr(factor[0]), "shift_factor": repr(factor[1])}
    about["note"] = note
    return save({"latents": one.detach().float().cpu().contiguous()}, metadata=about)


def read_latents(
    data: bytes, model: "Model | None" = None, *, any_model: bool = False
) -> LatentsFile:
    """Return the latents of a file's bytes.

    Args:
        data: The whole file.
        model: The model that is to decode them; None to read them whichever model made them.
        any_model: Accept latents of another model with as many channels; if its scaling factor
            differs they are rescaled to this model's.

    Raises:
        ValueError: If it is no safetensors file, has no fitting tensor, values that are not
            finite or beyond ``LARGEST``, or was made by another model; the message says what was
            found.
    """
    header = _header(data)
    _judge(header)
    tensor = _tensor(data)
    _judge_values(tensor)
    found = _described(tensor.float(), header.get("__metadata__") or {})
    if model is not None:
        found = _for_model(found, model, any_model)
        _judge_values(found.latents)  # rescaling may have made them too large
    return found


def _header(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ValueError(
            f"The file has {len(data) / 1e6:,.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read."
        )
    length = int.from_bytes(data[:8], "little")
    try:
        if len(data) < 8 or not 2 <= length <= len(data) - 8:
            raise ValueError("its header does not fit")
        header = json.loads(data[8 : 8 + length])
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
    except (ValueError, RecursionError) as error:
        kind = "a PyTorch or zip archive, which is not opened" if data[:2] == b"PK" else "damaged"
        raise ValueError(
            f"The file ({len(data):,} bytes) is no safetensors file: it is {kind}"
            f" ({str(error)[:80]}). Save latents with sdlab.latents.files.latents_bytes."
        ) from None
    return header


def _judge(header: dict[str, Any]) -> None:
    entry = header.get("latents")
    if not isinstance(entry, dict):
        names = [name for name in header if name != "__metadata__"][:5]
        raise ValueError(
            f"The file has no tensor named 'latents'; it has: {', '.join(names) or 'none'}."
        )
    if entry.get("dtype") not in _KINDS:
        raise ValueError(
            f"The latents must be floating point ({', '.join(_KINDS)}), got {entry.get('dtype')}."
        )
    shape = entry.get("shape")
    sizes = shape if isinstance(shape, list) else []
    whole = all(isinstance(n, int) and n > 0 for n in sizes)
    if not whole or len(sizes) not in (3, 4) or (len(sizes) == 4 and sizes[0] != 1):
        raise ValueError(f"The latents must be [1, C, h, w] or [C, h, w], got {shape}.")


def _judge_values(latents: "Tensor") -> None:
    bad = int((~latents.isfinite()).sum())
    if bad:
        raise ValueError(f"The latents must be finite; {bad} of {latents.numel()} values are not.")
    most = float(latents.abs().max())
    if most > LARGEST:
        raise ValueError(
            f"The latents reach {most:.3g}; at most {LARGEST:,.0f} is taken, for latents lie"
            " within some tens. Were they brought to the U-Net's scale?"
        )


def _tensor(data: bytes) -> "Tensor":
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensor = load(data)["latents"]
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"The file is a damaged safetensors file: {error}.") from error
    return tensor[None] if tensor.ndim == 3 else tensor


def _described(latents: "Tensor", about: dict[str, Any]) -> LatentsFile:
    def number(name: str, default: float | None) -> float | None:
        text = about.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value) or (name == "scaling_factor" and value == 0):
            raise ValueError(f"The file's {name} must be a finite number, got {text!r}.")
        return value

    words = {name: str(about.get(name, ""))[:500] for name in ("model", "model_hash", "note")}
    shift = number("shift_factor", 0.0) or 0.0
    return LatentsFile(latents, scaling_factor=number("scaling_factor", None), shift_factor=shift,
                       **words)  # fmt: skip


def _for_model(found: LatentsFile, model: "Model", any_model: bool) -> LatentsFile:
    channels, own = found.latents.shape[1], model.latent_channels
    if channels != own:
        raise ValueError(
            f"The latents have {channels} channels, those of {model.name} have {own}: they were"
            f" made by another kind of model{f' ({found.model})' if found.model else ''}."
        )
    if found.model_hash == model.hash:
        return found
    if not any_model:
        made = f"{found.model or 'a model'} ({found.model_hash})" if found.model_hash else "?"
        raise ValueError(
            f"The latents were made by {made}, not by {model.name} ({model.hash}); its decoder may"
            " read them wrongly. Load that model, or accept latents of any model."
        )
    return _rescaled(found, model)


def _rescaled(found: LatentsFile, model: "Model") -> LatentsFile:
    from dataclasses import replace

    own, made = model.vae.factor, (found.scaling_factor, found.shift_factor)
    if own is None or found.scaling_factor is None or made == own:
        return found
    scaling, shift = own
    plain = found.latents / found.scaling_factor + found.shift_factor
    return replace(
        found, latents=(plain - shift) * scaling, scaling_factor=scaling, shift_factor=shift
    )


def check_latents(model: "Model", latents: "Tensor") -> None:
    """Raise ``ValueError`` if a tensor cannot be clean latents of this model.

    Raises:
        ValueError: Naming shape, kind or the values that are wrong, and what fits.
    """
    channels = model.latent_channels
    shape = tuple(latents.shape)
    if latents.ndim != 4 or shape[1] != channels or 0 in shape:
        raise ValueError(
            f"latents must be [B, {channels}, h, w] for {model.name}, got {list(shape)}; were they"
            " made by another model?"
        )
    if not latents.is_floating_point():
        raise ValueError(f"latents must be floating point, got {latents.dtype}.")
    bad = int((~latents.isfinite()).sum())
    if bad:
        raise ValueError(f"latents must be finite; {bad} of {latents.numel()} values are not.")
