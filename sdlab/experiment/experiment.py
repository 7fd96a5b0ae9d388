"""The experiment: everything that decides a picture, frozen, hashable and JSON.

Two experiments with equal fields give the same picture on the same machine, so the hash of an
experiment's canonical JSON names its run. What can be checked without a model is checked here, when
the experiment is made; what needs one (steps of the schedule, memory) is checked by ``plan``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from sdlab.bounds import MAX_STEPS
from sdlab.errors import shown
from sdlab.experiment.picture import Picture
from sdlab.experiment.record import Record
from sdlab.experiment.spec import (
    OPTIONS,
    Options,
    Spec,
    canonical,
    check_integer,
    check_text,
    options_of,
    real,
)
from sdlab.shipped import EMBEDDED

SEED_MAX = 2**64 - 1
MAX_PROMPT = 10_000
MAX_JSON = 500_000
SIDE_MAX = 2**16
PICTURES = {"image": "RGB", "mask_image": "L", "control_image": "RGB"}
"""Fields that hold pictures, and the mode that each is kept in."""

FURTHER_PROMPTS = ("prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3")
REQUIRED_TEXTS = ("prompt", "negative_prompt", "solver", "model")
NEEDS = {
    "strength": "image",
    "mask_image": "image",
    "controlnet_conditioning_scale": "control_image",
}
"""Fields that mean nothing without another."""

OTHER_NAMES = {
    "num_inference_steps": "num_steps",
    "timesteps": "curve",
    "sigmas": "curve",
    "generator": "seed",
}
"""Arguments of a pipeline's call that are fields under another name."""


@dataclass(frozen=True)
class Experiment(Spec):
    """One picture to make: its prompt, its start noise, and the solver between them.

    Attributes:
        prompt: What to draw. Words past CLIP's 77 tokens are cut (the tokens table shows them).
        negative_prompt: What to steer away from; used when ``guidance_scale`` > 1.
        seed: 0 ... 2**64 - 1, as in ``torch.Generator().manual_seed``.
        solver: A solver's short name ("heun") or a diffusers class ("HeunDiscreteScheduler").
        solver_options: Arguments of that solver or scheduler class, by name.
        curve: How sigma falls: a name of ``sdlab.curves.names()`` such as "karras"; "formula",
            "sigmas" or "points" for your own; None for what the model's scheduler config says.
        curve_options: Arguments of that curve, for example ``{"rho": 7.0}``, or
            ``{"formula": "sigma_max * (sigma_min / sigma_max) ** u"}``.
        num_steps: Solver steps, 1 to 10,000 and at most the model's training timesteps.
        guidance_scale: uncond + s (cond - uncond); 1 or less means conditional only.
        guidance_rescale: 0 ... 1, Lin et al. 2023 (arXiv 2305.08891), section 3.4.
        eta: 0 ... 1, the share of injected noise, for solvers that take it; None for the solver's
            own default (0 for DDIM, 1 for ancestral ones).
        width: Pixels, a multiple of 8; None for the model's own size.
        height: Pixels, a multiple of 8; None for the model's own size.
        model: The name under which the model was loaded.
        record: What to keep of the tensors.
        fast: Whether the U-Net of a float32 model computes in bfloat16: quicker where the
            hardware has it, but a slightly different picture (benchmarks/compare.py measures how
            different), which also depends on what else is in the batch. Left out of the JSON when
            False.
        image: The picture to start from, or to change; a Pillow image, an array, a path or a
            ``Picture``. This field and those below are left out of the JSON while None, and a
            model takes those that its pipeline has.
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
        ValueError: If a field is out of range; the message names field, value and fix.
    """

    CALLED: ClassVar[str] = "experiment field"
    LATER: ClassVar[tuple[str, ...]] = (
        "fast",
        *("image", "strength", "mask_image", "control_image", "controlnet_conditioning_scale"),
        *("prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3"),
        *("true_cfg_scale", "max_sequence_length", "pipeline_options"),
    )

    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    solver: str = "ddim"
    solver_options: Mapping[str, Any] | Options = ()
    curve: str | None = None
    curve_options: Mapping[str, Any] | Options = ()
    num_steps: int = 25
    guidance_scale: float = 4.0
    guidance_rescale: float = 0.0
    eta: float | None = None
    width: int | None = None
    height: int | None = None
    model: str = EMBEDDED
    record: Record = field(default_factory=Record)
    fast: bool = False
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
        for name in ("prompt", "negative_prompt", "solver", "model", "curve", *FURTHER_PROMPTS):
            if name in REQUIRED_TEXTS or getattr(self, name) is not None:
                check_text(name, getattr(self, name))
        for name in OPTIONS:
            self._set(name, options_of(name, getattr(self, name)))
        check_integer("seed", self.seed, low=0, high=SEED_MAX)
        check_integer("num_steps", self.num_steps, low=1, high=MAX_STEPS)
        self._set("guidance_scale", real("guidance_scale", self.guidance_scale))
        self._set("guidance_rescale", real("guidance_rescale", self.guidance_rescale, 0.0, 1.0))
        if self.eta is not None:
            self._set("eta", real("eta", self.eta, 0.0, 1.0))
        for name in ("width", "height"):
            if getattr(self, name) is not None:
                _check_side(name, getattr(self, name))
        if isinstance(self.record, Mapping):
            self._set("record", Record.from_dict(self.record))
        if not isinstance(self.record, Record):
            raise ValueError(f"record must be a Record, got {shown(self.record)}.")
        if not isinstance(self.fast, bool):
            raise ValueError(f"fast must be True or False, got {shown(self.fast)}.")
        self._check_pipeline_fields()

    @property
    def pictures(self) -> dict[str, Picture]:
        """The pictures that are set, by their field."""
        found = {name: getattr(self, name) for name in PICTURES}
        return {name: picture for name, picture in found.items() if picture is not None}

    def with_pictures(self, by_hash: Mapping[str, Any]) -> Self:
        """Return the experiment with pixels for those of its pictures that have none.

        Args:
            by_hash: Images, paths or pictures by the hash of the picture; may lack some.

        Raises:
            ValueError: If the pixels are not those of the hash; the message names both.
        """
        found = {
            name: picture.with_pixels(by_hash[picture.hash])
            for name, picture in self.pictures.items()
            if not picture.has_pixels and picture.hash in by_hash
        }
        return self.with_(**found) if found else self

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII, whole numbers without a point.

        Equal experiments have equal JSON, however their numbers were written.
        """
        return canonical(_whole(self.to_dict()))

    def _check_pipeline_fields(self) -> None:
        """Check what pipelines take beyond words, steps and guidance."""
        for name, needed in NEEDS.items():
            if getattr(self, name) is not None and getattr(self, needed) is None:
                what = shown(getattr(self, name)) if name not in PICTURES else "a picture"
                raise ValueError(f"{name} needs {needed}, which is None; got {what}.")
        if self.strength is not None:
            self._set("strength", real("strength", self.strength, 0.0, 1.0))
            if not self.strength:
                raise ValueError("strength must be above 0, got 0; 0 would leave image as it is.")
        scale = self.controlnet_conditioning_scale
        if scale is not None:
            value = real("controlnet_conditioning_scale", scale, 0.0, 10.0)
            self._set("controlnet_conditioning_scale", value)
        if self.true_cfg_scale is not None:
            self._set("true_cfg_scale", real("true_cfg_scale", self.true_cfg_scale))
        if self.max_sequence_length is not None:
            check_integer("max_sequence_length", self.max_sequence_length, low=1, high=4096)
        names = {field.name: field.name for field in fields(self)} | OTHER_NAMES
        for name in dict(self.pipeline_options):
            if name in names:
                raise ValueError(
                    f"pipeline_options has {name!r}, which is the field {names[name]!r} of the"
                    " experiment; set that instead."
                )


def check_size(experiment: Experiment) -> None:
    """Raise for texts so long that they would hold up others; stored runs are not checked.

    Raises:
        ValueError: If a prompt, or the experiment as a whole, is too long.
    """
    for which in ("prompt", "negative_prompt", *FURTHER_PROMPTS):
        length = len(getattr(experiment, which) or "")
        if length > MAX_PROMPT:
            raise ValueError(
                f"{which} must be at most {MAX_PROMPT:,} characters, got {length:,}; of those the"
                " network sees the first 77 tokens."
            )
    length = len(experiment.to_json())
    if length > MAX_JSON:
        raise ValueError(
            f"an experiment must be at most {MAX_JSON:,} characters of JSON, got {length:,};"
            " shorten its options."
        )


def _picture(name: str, value: Any, mode: str) -> Picture | None:
    """Return a field's value as a picture of a mode; a mapping is one without its pixels."""
    if value is None:
        return None
    try:
        picture = Picture.from_dict(value) if isinstance(value, Mapping) else value
        return Picture.of(picture, mode)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_side(name: str, value: object) -> None:
    check_integer(name, value, low=8, high=SIDE_MAX)
    assert isinstance(value, int)
    if value % 8:
        down, up = value // 8 * 8, (value // 8 + 1) * 8
        raise ValueError(f"{name} must be a multiple of 8, got {value}; try {down} or {up}.")


def _whole(value: Any) -> Any:
    """Return JSON values with whole floats as integers, at any depth."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
