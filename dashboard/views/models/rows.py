"""The models that are known here, a row each: those loaded before and those found on the disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dashboard.worker.loaded_before import LoadedModel
from dashboard.worker.snapshots import ModelRequest
from sdlab.models.families import label
from sdlab.models.found import MAIN, Found, Listing, found_at

_GONE = "It is no longer in the cache: loading downloads it."
_NOTHING = "No pipeline and no .safetensors file lies there."
_PART = "{} Loading downloads what is missing, if the hub has it."


@dataclass(frozen=True)
class Row:
    """A model that can be loaded, or why it cannot.

    Attributes:
        request: How to load it.
        kind: Its family in words.
        pipeline: Its pipeline's class; "" of a file.
        used: When it was last used, in Unix seconds.
        disk_bytes: What it takes on the disk; 0 if that is not known.
        commit: Of a hub id, as far as it is known.
        configs: The folder with its configs; None if there is none.
        note: What to know before it is loaded, or why it cannot be.
        loadable: Whether it can be.
        loaded: Whether it was before.
    """

    request: ModelRequest
    kind: str
    pipeline: str
    used: float
    disk_bytes: int = 0
    commit: str = ""
    configs: Path | None = None
    note: str = ""
    loadable: bool = True
    loaded: bool = False

    @property
    def words(self) -> str:
        """What a search looks through."""
        return " ".join((self.request.source, self.kind, self.pipeline)).casefold()


def known_rows(past: Sequence[LoadedModel], cache: Listing) -> list[Row]:
    """Return the models loaded before and those in the cache, the last used first.

    Args:
        past: Those loaded before, the latest first; such as are gone from the disk are left out.
        cache: What the hub's cache holds.
    """
    found = {(one.source, one.revision): one for one in cache.found}
    commits = {(one.source, one.commit): one for one in cache.found}
    rows: dict[tuple[str, str | None], Row] = {}
    for model in past:
        asked = model.request
        place = (asked.source, None if asked.revision == MAIN else asked.revision)
        there = found.get(place) or commits.get((asked.source, asked.revision or ""))
        if there is not None:
            place = (there.source, there.revision)
        elif not _is_hub_id(asked.source):
            there = found_at(Path(asked.source))
            if there is None:
                continue
            place = (there.source, None)
        rows.setdefault(place, _loaded(model, there))
    for one in cache.found:
        rows.setdefault((one.source, one.revision), cached_row(one))
    return sorted(rows.values(), key=lambda row: (-row.used, row.request.source))


def offered_rows(
    offered: Sequence[ModelRequest], past: Sequence[LoadedModel], told: bool
) -> list[Row]:
    """Return the models that an operator offers, in their order.

    Args:
        offered: How they are loaded.
        past: Those loaded before.
        told: Whether to say what the disk says of them.
    """
    before = {one.request: one for one in past}
    rows = []
    for request in offered:
        found = None if _is_hub_id(request.source) or not told else found_at(Path(request.source))
        if loaded := before.get(request):
            rows.append(replace(_loaded(loaded, found), note=""))
        elif found:
            rows.append(_row(request, found, found.trouble, not found.trouble))
        else:
            missing = told and not _is_hub_id(request.source)
            rows.append(Row(request, "", "", 0.0, note=_NOTHING if missing else ""))
    return rows


def cached_row(found: Found) -> Row:
    """Return the row of a pipeline in the cache."""
    request = ModelRequest(found.source, revision=found.revision, variant=found.variant)
    note = _PART.format(found.trouble) if found.trouble else ""
    return _row(request, found, note)


def folder_row(found: Found) -> Row:
    """Return the row of a folder or file."""
    return _row(ModelRequest(found.source), found, found.trouble, not found.trouble)


def _row(request: ModelRequest, found: Found, note: str, loadable: bool = True) -> Row:
    return Row(
        request,
        label(found.family),
        found.pipeline,
        found.used,
        found.bytes,
        found.commit,
        found.configs,
        note,
        loadable,
    )


def _loaded(model: LoadedModel, found: Found | None) -> Row:
    """Return the row of a model loaded before, with what the disk says of it."""
    asked = model.request
    configs = None if found is None else found.configs
    return Row(
        asked,
        label(model.family),
        model.pipeline,
        max(model.used, found.used if found else 0.0),
        found.bytes if found else 0,
        found.commit if found else "",
        Path(asked.config).expanduser() if asked.config else configs,
        "" if found else _GONE,
        loaded=True,
    )


def _is_hub_id(source: str) -> bool:
    at_home = source.startswith((".", "/", "~")) or "\\" in source
    file = source.lower().endswith(".safetensors")
    return source.count("/") == 1 and not (at_home or file or Path(source).exists())
