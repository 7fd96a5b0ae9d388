"""What is shown of a model: its facts, its parts, what it can do and what cannot be read of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.worker.snapshots import ModelView, PartView
from sdlab.models.guidance import guidance_of
from sdlab.shipped import SHIPPED

if TYPE_CHECKING:
    import torch
    from torch import nn

    from sdlab.models.model import Model


def describe(model: "Model", decodes_fast: bool, origin: str = "") -> ModelView:
    """Return the view of a model.

    Args:
        model: The loaded model.
        decodes_fast: Whether its VAE is quick enough for previews.
        origin: Where it came from, of ``origin_of``.
    """
    from sdlab.attention.planning import unread

    config: Any = model.pipeline.scheduler.config
    predicts = "velocity" if model.path == "flow" else "epsilon"
    return ModelView(
        name=model.name,
        family=model.family,
        device=str(model.device),
        device_name=_device_name(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
        parameters=model.parameters,
        memory_bytes=model.memory_bytes,
        hash=model.hash,
        default_size=model.default_size,
        prediction=str(config.get("prediction_type", predicts)),
        decodes_fast=decodes_fast,
        inputs=model.inputs,
        options=model.options,
        pipeline=type(model.pipeline).__name__,
        path=model.path or "",
        plain=model.plain,
        parts=tuple(_part(name, part) for name, part in model.parts.items()),
        draws=model.draws,
        guidance=guidance_of(model),
        unread=unread(model.network) or "",
        levels=_levels(model),
        origin=origin,
    )


def origin_of(source: str, revision: str | None = None) -> str:
    """Return in words where a model came from.

    Args:
        source: By what it was loaded.
        revision: Branch, tag or commit on the hub.
    """
    if source in SHIPPED:
        return "comes with sdlab"
    place = Path(source).expanduser()
    if place.exists():
        return f"{'folder' if place.is_dir() else 'file'} {place.absolute()}"
    return f"Hugging Face hub, {source}" + (f" at {revision}" if revision else "")


def _levels(model: "Model") -> tuple[float, float]:
    """Return the range of noise levels, (0, 0) for a config that gives none."""
    try:
        if model.path == "vp":
            return model.schedule.sigma_min, model.schedule.sigma_max
        return (1 / model.schedule.num_timesteps, 1.0) if model.path == "flow" else (0.0, 0.0)
    except ValueError:
        return 0.0, 0.0  # a run says what is wrong with it


def _part(name: str, part: "nn.Module") -> PartView:
    weights = list(part.parameters())
    first = weights[0] if weights else None
    places = sorted({str(weight.device) for weight in weights})
    return PartView(
        name=name,
        kind=type(part).__name__,
        parameters=sum(weight.numel() for weight in weights),
        memory_bytes=sum(weight.numel() * weight.element_size() for weight in weights),
        dtype="" if first is None else str(first.dtype).removeprefix("torch."),
        device=", ".join("offloaded" if place == "meta" else place for place in places),
    )


def _device_name(device: "torch.device") -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type.upper()
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"
