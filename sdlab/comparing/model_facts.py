"""What a comparison needs to know about a model, so that the model itself is not needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdlab.models.pipelines import class_for
from sdlab.noise.schedule import NoiseSchedule
from sdlab.shipped import SHIPPED

if TYPE_CHECKING:
    from sdlab.experiment.pipeline_fields import PipelineFields
    from sdlab.models.model import Model


class UnknownPipeline:
    """Stands for a class that is not diffusers': nothing is known of how it draws."""

    def __call__(self) -> None:
        """Draw."""


@dataclass(frozen=True)
class ModelFacts:
    """What a comparison needs to know of a model.

    Attributes:
        name: The name under which it was loaded.
        hash: Of its weights; a run made with others is not used.
        config: Its scheduler config.
        pipeline: The name of its pipeline's class; "" for none: a scheduler's own times.
        cls: That class, if it is at hand; else diffusers' one of the name.
    """

    name: str
    hash: str
    config: Mapping[str, Any] = field(repr=False, hash=False)
    pipeline: str = ""
    cls: type | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, model: "Model") -> "ModelFacts":
        """Return what it needs to know of a loaded model."""
        kind = type(model.pipeline)
        return cls(model.name, model.hash, model.scheduler_config, kind.__name__, kind)

    @property
    def schedule(self) -> NoiseSchedule:
        """Its noise schedule."""
        return NoiseSchedule.from_config(self.config)

    def drawn_by(self, asked: "PipelineFields") -> type | None:
        """Return the class that draws what is asked; None if there is none.

        ``UnknownPipeline`` where there is one, but it is not at hand.

        Args:
            asked: A comparison or an experiment.
        """
        import diffusers

        if not self.pipeline:
            return None
        own = self.cls or getattr(diffusers, self.pipeline, None)
        if not isinstance(own, type):
            return UnknownPipeline
        source, mask = asked.image is not None, asked.mask_image is not None
        try:
            return class_for(own, image=source, mask=mask)
        except ValueError:
            return None  # each run says so, as it fails

    @property
    def judged(self) -> bool:
        """Whether the checker of the embedded models' world can judge its pictures."""
        return self.name in SHIPPED
