"""A comparison: samplers, pictures and costs, frozen, hashable and JSON; and the runs it needs.

Each entrant makes each picture (a prompt with a seed) from the same start noise. A budget is a
number of solver steps, or of network evaluations: then an entrant makes as many steps as the budget
pays for, so Heun makes half as many as Euler. The first budget's runs are recorded in full detail;
those of the others, which only show error against cost, record x0_pred alone.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, ClassVar, NamedTuple

from sdlab.bounds import MAX_STEPS, check_whole
from sdlab.comparing.columns import REFERENCE
from sdlab.comparing.converged import RECORDED, REFERENCE_STEPS, converged
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.entrant_course import entrant_course
from sdlab.errors import shown, unknown
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.half_reference import half_reference
from sdlab.experiment.picture import Picture
from sdlab.experiment.pipeline_fields import PipelineFields
from sdlab.experiment.record import Record
from sdlab.noise.flow import is_flow, path_of
from sdlab.shipped import EMBEDDED

ALIGNMENTS = ("steps", "nfe")
SLACK = 3
"""Evaluations by which a sampler's cost may part from so many a step."""
PREDICTED = Record(tensors=("x0_pred",), statistics=False)  # enough to tell where two part


class Cell(NamedTuple):
    """One run of a comparison.

    Attributes:
        entrant: Label of the entrant.
        prompt: The prompt.
        seed: Of the start noise.
        budget: Steps or evaluations allowed.
        experiment: The run itself.
    """

    entrant: str
    prompt: str
    seed: int
    budget: int
    experiment: Experiment


class Reference(NamedTuple):
    """The runs behind the reference of one picture.

    Attributes:
        prompt: The prompt.
        seed: Of the start noise.
        fine: The reference: Heun over karras at ``reference_steps``.
        coarse: The same at half as many steps, from which its own error is estimated.
    """

    prompt: str
    seed: int
    fine: Experiment
    coarse: Experiment


@dataclass(frozen=True)
class Comparison(PipelineFields):
    """Samplers side by side.

    It also has the fields of ``PipelineFields``, which are those of every run.

    Attributes:
        entrants: At least one, each label once.
        prompts: At least one, each once.
        seeds: At least one, each once; every prompt is made with every seed.
        budget: Solver steps, or evaluations, of the runs looked at in detail; at least 1.
        more_budgets: Further ones for error against cost.
        align: "steps" or "nfe": what a budget counts. A CFG pair is one evaluation; those that
            ``strength`` or ``denoising_end`` leaves out are none.
        curve: How sigma falls for entrants that name no curve, as far as they can follow it; None
            for the spacing of the model's scheduler config.
        negative_prompt: What to steer away from.
        guidance_scale: uncond + s (cond - uncond).
        guidance_rescale: 0 ... 1.
        width: Pixels; None for the model's own size.
        height: Pixels; None for the model's own size.
        model: The name under which the model was loaded.
        reference_steps: Steps of the reference, even, at least 4; 0 for none, which takes a
            fraction of the time and says nothing of distances to the converged picture.
        fast: Whether runs (not the reference) use the engine's fast mode.

    Raises:
        ValueError: If a field is not valid; the message names field, value and fix.
    """

    CALLED: ClassVar[str] = "comparison field"

    entrants: tuple[Entrant, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    budget: int = 20
    more_budgets: tuple[int, ...] = ()
    align: str = "steps"
    curve: str | None = "karras"
    negative_prompt: str = ""
    guidance_scale: float = 4.0
    guidance_rescale: float = 0.0
    width: int | None = None
    height: int | None = None
    model: str = EMBEDDED
    reference_steps: int = REFERENCE_STEPS
    fast: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("entrants", "prompts", "seeds", "more_budgets"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                what = "the text " if isinstance(value, str) else ""
                raise ValueError(f"{name} must be a list, got {what}{shown(value)}.")
            self._set(name, tuple(value))
        self._set("entrants", tuple(map(_entrant, self.entrants)))
        _each_once("entrants", [entrant.label for entrant in self.entrants])
        if any(entrant.label == REFERENCE for entrant in self.entrants):
            raise ValueError(f"entrants: the label {REFERENCE!r} is taken; choose another.")
        _each_once("prompts", self.prompts)
        _each_once("seeds", self.seeds)
        if self.align not in ALIGNMENTS:
            raise ValueError(unknown("align", self.align, ALIGNMENTS))
        for name in ("budget", "more_budgets", "reference_steps"):
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                check_whole(name, number, 0 if name == "reference_steps" else 1, MAX_STEPS)
        if 0 < self.reference_steps < 4 or self.reference_steps % 2:
            raise ValueError(
                "reference_steps must be even and at least 4, or 0 for no reference, got"
                f" {self.reference_steps}."
            )
        for prompt, seed in self.pictures:
            self._experiment(prompt, seed)  # checks all that an experiment checks

    @property
    def budgets(self) -> tuple[int, ...]:
        """All budgets, ascending, each once."""
        return tuple(sorted({self.budget, *self.more_budgets}))

    @property
    def pictures(self) -> tuple[tuple[str, int], ...]:
        """Every prompt with every seed."""
        return tuple(product(self.prompts, self.seeds))

    @property
    def drawn(self) -> Experiment:
        """What decides, beside the sampler, which evaluations are made; without pixels."""
        image = None if self.image is None else Picture.from_dict(self.image.to_dict())
        options = self.pipeline_options
        return Experiment(image=image, strength=self.strength, pipeline_options=options)

    def cells(self, config: Mapping[str, Any], pipeline: type | None = None) -> list[Cell]:
        """Return all runs, those of the first budget first.

        Args:
            config: The model's scheduler config.
            pipeline: The class that draws; None if unknown.

        Raises:
            ValueError: If an entrant takes no number of steps that a budget pays for.
        """
        budgets = (self.budget, *(b for b in self.budgets if b != self.budget))
        return [cell for budget in budgets for cell in self._cells_of(budget, config, pipeline)]

    def references(self, config: Mapping[str, Any] | None = None) -> list[Reference]:
        """Return the runs of the references, one a picture; none if there is to be no reference.

        Args:
            config: The model's scheduler config; for flow matching the levels are its own times.
        """
        if not self.reference_steps:
            return []
        references, flow = [], is_flow(config or {})
        for prompt, seed in self.pictures:
            fine = converged(self._experiment(prompt, seed), flow, self.reference_steps)
            references.append(Reference(prompt, seed, fine, half_reference(fine)))
        return references

    def _cells_of(
        self, budget: int, config: Mapping[str, Any], pipeline: type | None
    ) -> Iterator[Cell]:
        path = path_of(config)
        for entrant in self.entrants:
            num_steps = self.steps_for(entrant, budget, config, pipeline)
            for prompt, seed in self.pictures:
                experiment = self._experiment(prompt, seed).with_(
                    solver=entrant.solver,
                    solver_options=entrant.options(self.curve, path),
                    curve=entrant.follows(self.curve, path),
                    curve_options=entrant.curve_options,
                    eta=entrant.eta,
                    num_steps=num_steps,
                    record=RECORDED if budget == self.budget else PREDICTED,
                    **({"fast": True} if self.fast else {}),
                )
                yield Cell(entrant.label, prompt, seed, budget, experiment)

    def steps_for(
        self,
        entrant: Entrant,
        budget: int,
        config: Mapping[str, Any],
        pipeline: type | None = None,
    ) -> int:
        """Return the most solver steps that a budget pays for.

        Args:
            entrant: Whose.
            budget: Steps or evaluations, as ``align`` says.
            config: The model's scheduler config.
            pipeline: The class that draws; None if unknown.

        Raises:
            ValueError: If one step costs more than the budget.
        """
        if self.align == "steps":
            return budget
        frozen = json.dumps(dict(config), sort_keys=True, default=str)
        drawn = self.drawn

        def cost(num_steps: int) -> int | None:
            return _evaluations(entrant, self.curve, num_steps, frozen, pipeline, drawn)

        most = int(config.get("num_train_timesteps") or 1000)
        num_steps = budget if drawn == Experiment() else _enough(cost, budget, most)
        while num_steps > 0:
            taken = cost(num_steps)
            if taken is not None and taken <= budget:
                return num_steps
            nearer = num_steps if taken is None else num_steps * (budget + SLACK) / (taken + SLACK)
            num_steps = min(num_steps - 1, math.ceil(nearer) + 1)
        raise ValueError(
            f"budget {budget}: {entrant.label} takes no number of steps with so few evaluations;"
            " raise the budget or leave this sampler out."
        )

    def _experiment(self, prompt: str, seed: int) -> Experiment:
        return Experiment(
            prompt=prompt,
            negative_prompt=self.negative_prompt,
            seed=seed,
            guidance_scale=self.guidance_scale,
            guidance_rescale=self.guidance_rescale,
            width=self.width,
            height=self.height,
            model=self.model,
            **self.of_pipeline,
        )


def _enough(cost: Callable[[int], int | None], budget: int, most: int) -> int:
    """Return steps that cost more than a budget though some evaluations are left out."""
    num_steps = min(budget, most)
    while num_steps < most and (cost(num_steps) or 0) <= budget:
        num_steps = min(2 * num_steps, most)
    return num_steps


@cache
def _evaluations(
    entrant: Entrant,
    curve: str | None,
    num_steps: int,
    config: str,
    pipeline: type | None,
    drawn: Experiment,
) -> int | None:
    """Return the evaluations of so many steps, or None if the sampler does not take that number."""
    try:
        return entrant_course(entrant, num_steps, curve, json.loads(config), pipeline, drawn).nfe
    except ValueError:
        return None


def _entrant(value: object) -> Entrant:
    """Return an entrant, also from its fields or from a sampler's name alone."""
    if isinstance(value, Entrant):
        return value
    if isinstance(value, Mapping):
        return Entrant.from_dict(value)
    if isinstance(value, str):
        return Entrant(value)
    raise ValueError(f"entrants must be of Entrant, or names of samplers, got {shown(value)}.")


def _each_once(name: str, values: "list[Any] | tuple[Any, ...]") -> None:
    if not values:
        raise ValueError(f"{name} must hold at least one, got none.")
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{name} must hold each once, got {value!r} twice.")
