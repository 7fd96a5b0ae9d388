"""What pipelines take beyond words, steps and guidance: pictures, further prompts, options.

``Experiment`` and ``Comparison`` have these fields, by diffusers' own names. At their default they
are left out of the JSON, so that what came before them keeps its id.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from sdlab.errors import shown
from sdlab.experiment.picture import Picture
from sdlab.experiment.spec import Options, Spec, check_integer, check_text, options_of, real

PICTURES = {"image": "RGB", "mask_image": "L", "control_image": "RGB"}
"""Fields that hold pictures, and the mode that each is kept in."""

FURTHER_PROMPTS = ("prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3")
NEEDS = {
    "strength": "image",
    "mask_image": "image",
    "controlnet_conditioning_scale": "control_image",
}
"""Fields that mean nothing without another."""

RANGES = {
    "strength": (0.0, 1.0),
    "controlnet_conditioning_scale": (0.0, 10.0),
    "true_cfg_scale": (-math.inf, math.inf),
}

OTHER_NAMES = {
    "num_inference_steps": "num_steps",
    "timesteps": "curve",
    "sigmas": "curve",
    "generator": "seed",
}
"""Arguments of a pipeline's call that are fields under another name."""


@dataclass(frozen=True, kw_only=True)
class PipelineFields(Spec):
    """The fields that a pipeline takes, or does not.

    Attributes:
        image: The picture to start from, or to change; a Pillow image, an array, a path or a
            ``Picture``. A model takes those of these fields that its pipeline
            has.
        strength: Above 0 to 1, how much of ``image`` is drawn anew; None for the pipeline's own.
        mask_image: Where ``image`` is painted anew: white; a picture like ``image``, kept in grey.
        control_image: The picture that a ControlNet follows, such as edges or a pose.
        controlnet_conditioning_scale: 0 ... 10, the ControlNet's weight; None for the pipeline's
            own.
        prompt_2: The second text encoder's prompt; None for the same as ``prompt``.
        prompt_3: The third text encoder's prompt; None for the same as ``prompt``.
        negative_prompt_2: The second text encoder's; None for the same as ``negative_prompt``.
        negative_prompt_3: The third text encoder's; None for the same as ``negative_prompt``.
        true_cfg_scale: Guidance by a second evaluation for distilled models, whose
            ``guidance_scale`` is an input of the network; None for the pipeline's own.
        max_sequence_length: 1 ... 4096, tokens that a T5 or a language model reads; None for the
            pipeline's own.
        pipeline_options: Further arguments of the pipeline's call, by name.

    Raises:
        ValueError: If a field is out of range, or lacks the one that it needs.
    """

    LATER: ClassVar[tuple[str, ...]] = (
        *("image", "strength", "mask_image", "control_image", "controlnet_conditioning_scale"),
        *("prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3"),
        *("true_cfg_scale", "max_sequence_length", "pipeline_options"),
    )

    image: Picture | Any = None
    strength: float | None = None
    mask_image: Picture | Any = None
    control_image: Picture | Any = None
    controlnet_conditioning_scale: float | None = None
    prompt_2: str | None = None
    prompt_3: str | None = None
    negative_prompt_2: str | None = None
    negative_prompt_3: str | None = None
    true_cfg_scale: float | None = None
    max_sequence_length: int | None = None
    pipeline_options: Mapping[str, Any] | Options = ()

    def __post_init__(self) -> None:
        for name, mode in PICTURES.items():
            self._set(name, _picture(name, getattr(self, name), mode))
        super().__post_init__()
        for name in FURTHER_PROMPTS:
            if getattr(self, name) is not None:
                check_text(name, getattr(self, name))
        self._check_needs()
        self._check_numbers()
        self._set("pipeline_options", options_of("pipeline_options", self.pipeline_options))
        self._check_options()

    @property
    def source_pictures(self) -> dict[str, Picture]:
        """The pictures that are set, by their field."""
        found = {name: getattr(self, name) for name in PICTURES}
        return {name: picture for name, picture in found.items() if picture is not None}

    @property
    def of_pipeline(self) -> dict[str, Any]:
        """All of these fields, by name."""
        return {name: getattr(self, name) for name in PipelineFields.LATER}

    def with_pictures(self, by_hash: Mapping[str, Any]) -> Self:
        """Return a copy with pixels for those of its pictures that have none.

        Args:
            by_hash: Images, paths or pictures by the hash of the picture; may lack some.

        Raises:
            ValueError: If the pixels are not those of the hash; the message names both.
        """
        found = {
            name: picture.with_pixels(by_hash[picture.hash])
            for name, picture in self.source_pictures.items()
            if not picture.has_pixels and picture.hash in by_hash
        }
        return self.with_(**found) if found else self

    def _check_needs(self) -> None:
        for name, needed in NEEDS.items():
            if getattr(self, name) is not None and getattr(self, needed) is None:
                what = "a picture" if name in PICTURES else shown(getattr(self, name))
                raise ValueError(
                    f"{name} needs {needed}, which is None; got {what}. Give {needed}, or leave"
                    f" {name} out."
                )

    def _check_numbers(self) -> None:
        for name, (low, high) in RANGES.items():
            if getattr(self, name) is not None:
                self._set(name, real(name, getattr(self, name), low, high))
        if self.strength == 0:
            raise ValueError("strength must be above 0, got 0; 0 would leave image as it is.")
        if self.max_sequence_length is not None:
            check_integer("max_sequence_length", self.max_sequence_length, low=1, high=4096)

    def _check_options(self) -> None:
        names = {field.name: field.name for field in fields(self)} | OTHER_NAMES
        for name, _ in self.pipeline_options:  # type: ignore[str-unpack]
            if name in names:
                raise ValueError(
                    f"pipeline_options has {name!r}, which is the {self.CALLED} {names[name]!r};"
                    " set that instead."
                )


def _picture(name: str, value: Any, mode: str) -> Picture | None:
    """Return a field's value as a picture of a mode; a mapping is one without its pixels."""
    if value is None:
        return None
    try:
        if not isinstance(value, Mapping):
            return Picture.of(value, mode)
        picture = Picture.from_dict(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if picture.mode != mode:
        raise ValueError(f"{name} must be of mode {mode!r}, got {picture.mode!r}.")
    return picture
