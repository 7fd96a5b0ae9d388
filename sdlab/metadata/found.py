"""What was found in a picture or a manifest: an experiment's fields, and what is none of them.

A program's words become fields one by one. A value that no field takes is listed under ``unknown``
as it was written, with a note that says why where that is not plain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdlab.experiment.experiment import Experiment
from sdlab.sampler_names import everyday
from sdlab.text.notes import unparsed_note

SDLAB = "sdlab"
WHOLE = ("seed", "num_steps", "width", "height")
REAL = ("guidance_scale", "guidance_rescale", "eta")


@dataclass
class Found:
    """What a file says of how its picture was made.

    Attributes:
        program: Which wrote it: "sdlab", "AUTOMATIC1111", "ComfyUI", "InvokeAI" and others.
        fields: Fields of ``Experiment`` by name, each valid by itself.
        unknown: What no field takes, by the program's own name.
        notes: Sentences for the user: what was left out and why, what is read otherwise here.
    """

    program: str
    fields: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def experiment(self) -> Experiment:
        """The experiment of the fields; those that were not found have their defaults.

        Raises:
            ValueError: If the fields do not fit together.
        """
        return Experiment(**self.fields)

    def take(self, name: str, value: Any, written: str) -> bool:
        """Set a field, and return whether it took the value; if not, the value is listed.

        Args:
            name: The field's.
            value: Text is read as the field's number.
            written: What the program calls it.
        """
        try:
            made = Experiment(**{name: _read(name, value)})
        except (ValueError, ArithmeticError) as error:
            self.leave(written, value, f"{written}: {error}")
            return False
        self.fields[name] = getattr(made, name)
        return True

    def leave(self, written: str, value: Any, note: str = "") -> None:
        """List a value that no field takes, with a note if there is something to say."""
        self.unknown[written] = str(value)
        self.notes += [note] if note else []

    def take_sampler(self, sampler: str, schedule: str = "") -> None:
        """Set solver and curve from the names that a program has for them.

        Args:
            sampler: Such as "DPM++ 2M Karras", "dpmpp_2m", "k_euler_a".
            schedule: Its name of the curve if it has one apart: "Karras", "sgm_uniform".
        """
        sampler = sampler.removesuffix("_gpu")  # ComfyUI's, whose noise is drawn there
        if sampler.endswith("_k"):  # InvokeAI's word for Karras
            sampler, schedule = sampler.removesuffix("_k"), "karras"
        meant = everyday(f"{sampler} {schedule}") or everyday(sampler)
        if meant is None:
            self.leave("Sampler", f"{sampler} {schedule}".strip(), _no_sampler(sampler))
            return
        if schedule and everyday(f"{sampler} {schedule}") is None:
            self.leave("Schedule type", schedule, f"The schedule {schedule!r} is not known here.")
        self.fields |= {"solver": meant.solver, "curve": meant.curve}
        if meant.options:
            self.fields["solver_options"] = dict(meant.options)

    def take_size(self, width: Any, height: Any) -> None:
        """Set width and height, in pixels."""
        self.take("width", width, "Width")
        self.take("height", height, "Height")

    def take_model(self, name: str, model_hash: str = "") -> None:
        """Say which model drew the picture; its name elsewhere is seldom its name here."""
        said = f"{name} ({model_hash})" if name and model_hash else name or model_hash
        if said:
            self.leave(
                "Model", said, f"The model that drew it is {said}: choose it if you have it."
            )

    def note_syntax(self) -> None:
        """Add a note for each kind of prompt syntax that diffusers does not know."""
        prompts = {"prompt": "prompt", "negative_prompt": "negative prompt"}
        for name, called in prompts.items():
            self.notes += unparsed_note(str(self.fields.get(name, "")), called)


def of_dict(values: Mapping[str, Any], program: str = SDLAB) -> Found:
    """Return what an experiment's JSON says; a field of a newer version is listed, not lost."""
    known = set(Experiment.__dataclass_fields__)
    found = Found(program)
    found.fields = dict(Experiment.from_dict(_only(values, known)).__dict__)
    for name, value in values.items():
        if name not in known:
            found.leave(name, value)
    return found


def _only(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _no_sampler(sampler: str) -> str:
    return f"The sampler {sampler!r} has no counterpart here, so the solver stays as it is."


def _read(name: str, value: Any) -> Any:
    """Return a field's value of what may be text: a number where the field holds one."""
    if not isinstance(value, str):
        return value
    return int(value) if name in WHOLE else float(value) if name in REAL else value
