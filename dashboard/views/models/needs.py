"""What a model would take in memory: asked of the worker, which answers when it is idle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dashboard.shell.lab import lab
from dashboard.worker.snapshots import LabView, ModelRequest
from sdlab.models.components import INDEX
from sdlab.models.memory import USABLE, available_bytes, readable
from sdlab.models.memory_plan import AS_IS, OFFLOAD, SEQUENTIAL, TILED

_WAYS = {OFFLOAD: "model", SEQUENTIAL: "sequential"}
Ways = Sequence[tuple[str, int]]
"""Ways of running a model and the bytes that each takes, the quickest first."""


@dataclass(frozen=True)
class Needs:
    """What is known of a model's memory before it is loaded.

    Attributes:
        text: In words; "" while nothing is known.
        request: How to load it so that it fits.
        fits: Whether it does; None if that is not known.
    """

    text: str
    request: ModelRequest
    fits: bool | None = None


def needs(request: ModelRequest, configs: Path | None, view: LabView, free: int) -> Needs:
    """Return what a model would take, as far as it is known by now.

    Args:
        request: How it is to be loaded.
        configs: The folder with its configs; None if there is none.
        view: The laboratory: its model says on what device the next one would be.
        free: Bytes that are free there.
    """
    if configs is None and any(held.name == request.source for held in view.held):
        return Needs("", request)
    if configs is None:
        return Needs("what it takes shows once it is loaded", request)
    if view.model is None:
        return Needs("", request)
    device = view.model.device
    try:
        age = (configs / INDEX).stat().st_mtime_ns
    except OSError:
        return Needs("", request)
    measure = partial(measured, configs, request.dtype, device)
    asked = lab().in_spare_time(f"needs {configs} {age} {request.dtype} {device}", measure)
    if asked.state == "done":
        return judged(asked.result, request, free)
    if asked.live:
        return Needs("what it takes is told when nothing runs" if view.running else "", request)
    return Needs(f"what it takes is not known: {asked.error}", request)


def judged(ways: Ways, request: ModelRequest, free: int) -> Needs:
    """Return whether a model fits, and how.

    Args:
        ways: From ``measured``.
        request: How it is to be loaded; what it says of offloading and tiles stays.
        free: Bytes that are free.
    """
    own = next((way for way, word in _WAYS.items() if word == request.offload), "")
    own = own or (TILED if request.tiled else "")
    open_ways = [(way, count) for way, count in ways if own in ("", way)]
    room = f"{readable(free)} free"
    for way, count in open_ways:
        if count <= USABLE * free:
            said = "" if way == AS_IS else f" with {way.removeprefix('VAE in ')}"
            chosen = replace(
                request,
                offload=_WAYS.get(way, request.offload),
                tiled=request.tiled or way == TILED,
            )
            return Needs(f"takes {readable(count)} of {room}{said}", chosen, True)
    if not open_ways:
        return Needs("", request)
    least = min(count for _, count in open_ways)
    return Needs(f"does not fit: takes {readable(least)}, {room}", request, False)


def measured(configs: Path, dtype: str | None, device: str) -> Ways:
    """Return what the ways of running a model take, from its configs; only for the worker.

    Raises:
        SdlabError: If its parts cannot be built from them.
    """
    import torch

    from sdlab.models.devices import choose_dtype
    from sdlab.models.footprint import footprint
    from sdlab.models.memory_plan import memory_plan

    place = torch.device(device)
    found = footprint(configs, choose_dtype(dtype, place))
    plan = memory_plan(found, offload=place.type != "cpu")
    return tuple((way.name, way.bytes) for way in plan.ways)


def free_bytes(view: LabView) -> int:
    """Return what is free where models compute, once those in memory have gone; 0 if unknown."""
    if view.model is None:
        return 0
    import torch

    device = view.model.device
    held = sum(one.memory_bytes for one in view.held if one.device == device)
    return available_bytes(torch.device(device)) + held
