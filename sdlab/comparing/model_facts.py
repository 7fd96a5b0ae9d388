"""What a comparison needs to know about a model, so that the model itself is not needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdlab.noise.schedule import NoiseSchedule
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from sdlab.models.model import Model


@dataclass(frozen=True)
class ModelFacts:
    """What a comparison needs to know of a model.

    Attributes:
        name: The name under which it was loaded.
        hash: Of its weights; a run made with others is not used.
        config: Its scheduler config.
    """

    name: str
    hash: str
    config: Mapping[str, Any] = field(repr=False, hash=False)

    @classmethod
    def of(cls, model: "Model") -> "ModelFacts":
        """Return what it needs to know of a loaded model."""
        return cls(model.name, model.hash, model.scheduler_config)

    @property
    def schedule(self) -> NoiseSchedule:
        """Its noise schedule."""
        return NoiseSchedule.from_config(self.config)

    @property
    def judged(self) -> bool:
        """Whether the checker of the embedded model's world can judge its pictures."""
        return self.name == EMBEDDED
