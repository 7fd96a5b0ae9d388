"""A model that the operator of a server offers to everybody, and how it is loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from dashboard.worker.snapshots import ModelRequest
from sdlab.errors import shown, unknown
from sdlab.experiment.spec import Spec, check_text

DTYPES = ("float32", "float16", "bfloat16")
OFFLOADS = ("model", "sequential")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ListedModel(Spec):
    """One entry of the operator's list; arguments of ``sdlab.load``.

    Attributes:
        source: A folder or a .safetensors file, by its whole path, or a hub id. It is the model's
            name in menus and in the runs that it made.
        revision: Of a hub id: the commit, 40 hex digits, so that it stays the same model.
        variant: Weight variant such as "fp16".
        dtype: "float32", "float16", "bfloat16"; "" for what suits the device.
        device: Such as "cuda:1"; "" for the best there is.
        config: Folder of configs for a .safetensors file.
        offload: "model" or "sequential": weights wait in memory for their turn on the device.
        tiled: Whether large pictures are decoded in tiles.
    """

    CALLED: ClassVar[str] = "setting of a model"

    source: str = ""
    revision: str = ""
    variant: str = ""
    dtype: str = ""
    device: str = ""
    config: str = ""
    offload: str = ""
    tiled: bool = False

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: If one is of another type than it takes, a path is not whole, or a hub id
                has no commit.
        """
        super().__post_init__()
        for field in fields(self):
            if field.name != "tiled":
                check_text(field.name, getattr(self, field.name))
        if not isinstance(self.tiled, bool):
            raise ValueError(f"tiled must be true or false, got {shown(self.tiled)}.")
        for name, allowed in (("dtype", DTYPES), ("offload", OFFLOADS)):
            value = getattr(self, name)
            if value and value not in allowed:
                raise ValueError(unknown(name, value, allowed))
        if self.is_hub_id and not _COMMIT.fullmatch(self.revision):
            raise ValueError(
                f"revision of {self.source!r} must be its commit, 40 hex digits, got"
                f" {shown(self.revision)}. The model's page on the hub has it: Files, History."
            )
        if not self.is_hub_id and not self.source.startswith(("/", "~")):
            raise ValueError(
                f"source must be a whole path, as /models/sd15, or a hub id, organisation/model;"
                f" got {shown(self.source)}."
            )
        if self.revision and not self.is_hub_id:
            raise ValueError(f"revision is only for a hub id; {self.source!r} is a path.")

    @property
    def is_hub_id(self) -> bool:
        """Whether it is to be found on the hub."""
        return bool(_HUB_ID.fullmatch(self.source))

    @property
    def request(self) -> ModelRequest:
        """How the worker is asked for it."""
        return ModelRequest(
            self.source,
            revision=self.revision or None,
            variant=self.variant or None,
            dtype=self.dtype or None,
            device=self.device or None,
            config=self.config or None,
            offload=self.offload or None,
            tiled=self.tiled,
        )


def listed_models(told: object) -> tuple[ListedModel, ...]:
    """Return the operator's list of what a file holds.

    Args:
        told: Tables, one for each model.

    Raises:
        ValueError: If it is no list of tables, one is not valid, or a model is listed twice.
    """
    if not isinstance(told, tuple) or not all(
        isinstance(one, (Mapping, ListedModel)) for one in told
    ):
        raise ValueError('models must be tables: [[models]], source = "...", for each.')
    models: list[ListedModel] = []
    for place, one in enumerate(told, start=1):
        try:
            model = one if isinstance(one, ListedModel) else ListedModel.from_dict(one)
        except ValueError as error:
            raise ValueError(f"model {place} of models: {error}") from None
        if model.source in {other.source for other in models}:
            raise ValueError(f"model {place} of models: {model.source!r} is listed already.")
        models.append(model)
    return tuple(models)
