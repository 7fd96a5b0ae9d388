"""The experiment: everything that decides a picture, frozen, hashable and JSON.

Two experiments with equal fields give the same picture on the same machine, so the hash of an
experiment's canonical JSON names its run. What can be checked without a model is checked here, when
the experiment is made; what needs one (steps of the schedule, memory) is checked by ``plan``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sdlab.bounds import MAX_STEPS
from sdlab.errors import shown
from sdlab.experiment.picture import Picture
from sdlab.experiment.pipeline_fields import FURTHER_PROMPTS, PipelineFields
from sdlab.experiment.record import Record
from sdlab.experiment.spec import (
    OPTIONS,
    Options,
    canonical,
    check_integer,
    check_text,
    options_of,
    real,
)
from sdlab.sampler_names import translated
from sdlab.shipped import EMBEDDED

SEED_MAX = 2**64 - 1
MAX_PROMPT = 10_000
MAX_JSON = 500_000
SIDE_MAX = 2**16


@dataclass(frozen=True)
class Experiment(PipelineFields):
    """One picture to make: its prompt, its start noise, and the solver between them.

    It also has the fields of ``PipelineFields``: pictures, further prompts, pipeline options.

    Attributes:
        prompt: What to draw. Words past the tokenizer's limit, 77 tokens with CLIP, are cut; the
            tokens table shows them.
        negative_prompt: What to steer away from; used when ``guidance_scale`` > 1.
        seed: 0 ... 2**64 - 1, as in ``torch.Generator().manual_seed``.
        solver: A solver's short name ("heun") or a diffusers class ("HeunDiscreteScheduler"). A
            name of ``sdlab.sampler_names.NAMES`` ("DPM++ 2M Karras") is taken as the solver, curve
            and options that it means.
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

    Raises:
        ValueError: If a field is out of range; the message names field, value and fix.
    """

    CALLED: ClassVar[str] = "experiment field"
    LATER: ClassVar[tuple[str, ...]] = ("fast", *PipelineFields.LATER)

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

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("prompt", "negative_prompt", "solver", "model", "curve"):
            if name != "curve" or self.curve is not None:
                check_text(name, getattr(self, name))
        for name in OPTIONS:
            self._set(name, options_of(name, getattr(self, name)))
        solver, curve, options = translated(self.solver, self.curve, dict(self.solver_options))
        self._set("solver", solver)
        self._set("curve", curve)
        self._set("solver_options", options_of("solver_options", options))
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

    @property
    def pictures(self) -> dict[str, Picture]:
        """The pictures that it starts from, by their field."""
        return self.source_pictures

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII, whole numbers without a point.

        Equal experiments have equal JSON, however their numbers were written.
        """
        return canonical(_whole(self.to_dict()))


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
                " network sees the first tokens only, 77 with CLIP."
            )
    length = len(experiment.to_json())
    if length > MAX_JSON:
        raise ValueError(
            f"an experiment must be at most {MAX_JSON:,} characters of JSON, got {length:,};"
            " shorten its options."
        )


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
