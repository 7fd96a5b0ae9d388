"""Command-line options made from the fields of a dataclass: their names, types and help.

A command's parameter ``Annotated[dict[str, Any], Fields(Experiment)]`` takes one option for every
field. Its type and default are the field's, its help is the field's line under "Attributes" in the
dataclass's docstring; so a new field is a new option of every such command. ``TYPED`` holds the
exceptions: options that are spelled or read differently from the field.
"""

import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import typer

from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.runs.search import Search

Texts = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Again for another.")]
Root = Annotated[Path | None, typer.Option(help="Folder of all runs; else SDLAB_RUNS, else runs.")]
Ids = Annotated[list[str], typer.Argument(help="Ids of runs, or how they begin.")]
Kind = Annotated[
    str,
    typer.Option(
        "--of", help="run, comparison, sweep or grid, whose ids are whole; curve, by its name."
    ),
]
"""What ids are of, where a command takes more than runs."""
Names = list[str] | None
Words = Annotated[
    list[str] | None, typer.Argument(help="Words that prompt, note, id ... must have.")
]
FILTERS = "solver model tag star since until"
"""The fields of a search that are options: `Annotated[dict[str, Any], Fields(Search, FILTERS)]`."""
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    Attributes:
        device: cpu, cuda, cuda:1, mps.
        dtype: float32, float16, bfloat16.
        revision: Of a hub id.
        variant: Of a folder or hub id.
        config: Folder of configs for a file.
        offload: model or sequential: weights wait in the machine's memory for their turn.
        tiled: Decode large pictures in tiles.
    """

    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    variant: str | None = None
    config: Path | None = None
    offload: str | None = None
    tiled: bool = False


class Typed(NamedTuple):
    """How a field is typed.

    Attributes:
        name: The option's, as Python spells it; "" for the field's own.
        help: What it means; "" for what the dataclass's docstring says.
        kind: Its type on the command line; None for the field's own.
        read: Makes the field's value of what was typed.
        argument: Whether it is typed without its name.
    """

    name: str = ""
    help: str = ""
    kind: Any = None
    read: Callable[[Any], Any] | None = None
    argument: bool = False


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


TYPED = {
    (Experiment, "prompt"): Typed(
        help="What to draw; after -- if it looks like an option.", argument=True
    ),
    (Experiment, "solver"): Typed(
        help="A name of `sdlab schedulers`, or such as 'DPM++ 2M Karras'."
    ),
    (Experiment, "fast"): Typed(help="Compute in bfloat16: quicker, a little different."),
    (Experiment, "image"): Typed(help="File of the picture to start from.", kind=Path),
    (Experiment, "mask_image"): Typed(
        help="File of the mask: where --image is painted anew it is white.", kind=Path
    ),
    (Experiment, "control_image"): Typed(
        help="File of the picture that a ControlNet follows.", kind=Path
    ),
    (Experiment, "model"): Typed(help="embedded, embedded-flow, a folder, a file, a hub id."),
    (Record, "tensors"): Typed(
        "record",
        help="Tensor to keep, or none. Again for another.",
        read=lambda names: tuple(name for name in names if name != "none"),
    ),
    (Record, "every"): Typed(help="Keep one evaluation in so many, and the last one always."),
    (Record, "statistics"): Typed("statistics"),
    (AttentionRecord, "layers"): Typed(
        help="Cross-attention to keep: all, 16x16, 1/2, up_blocks.1. Again for another."
    ),
    (AttentionRecord, "self_layers"): Typed(
        "attention_self", help="Self-attention to keep, named likewise; none unless named."
    ),
    (AttentionRecord, "steps"): Typed(kind=str, read=_number),
    (AttentionRecord, "max_bytes"): Typed(
        "attention_limit",
        help="MiB that the maps of one picture may take; 1024.",
        kind=int,
        read=lambda mib: mib * 2**20,
    ),
    (Search, "solver"): Typed(help="Only of this solver. Again for another."),
    (Search, "model"): Typed(help="Only of this model. Again for another."),
    (Search, "tag"): Typed(help="Only with this tag. Again: with both."),
    (Search, "star"): Typed(help="Only those with a star."),
    (Search, "since"): Typed(help="Only since this day or time, UTC.", kind=datetime),
    (Search, "until"): Typed(help="Only before this day or time, UTC.", kind=datetime),
}


class Fields:
    """Marks a command's parameter that gets a dict: the values of a dataclass's fields by name.

    Args:
        of: The dataclass.
        names: Of the fields, in a row with spaces; "" for all that are no dataclass themselves
            or are in ``TYPED``.
        prefix: What the options begin with.
        given: Whether the dict holds only what was typed; else also the defaults.
        defaults: Other defaults than the dataclass's; what None means is left out of their help.
    """

    def __init__(
        self, of: type, names: str = "", *, prefix: str = "", given: bool = False, **defaults: Any
    ) -> None:
        hints = get_type_hints(of)
        meanings = _meanings(of)
        self._reads: dict[str, tuple[str, Callable[[Any], Any] | None]] = {}
        self.parameters: list[inspect.Parameter] = []
        for field in sorted(fields(of), key=lambda field: bool(field.kw_only)):
            kinds = (hints[field.name], *get_args(hints[field.name]))
            if field.name not in (names.split() or hints):
                continue
            if any(map(is_dataclass, kinds)) and (of, field.name) not in TYPED:
                continue
            default = None if given else defaults.get(field.name, field.default)
            typed = _typed(of, field.name, hints[field.name], prefix, meanings)
            if default is not None and field.default is None:
                typed = typed._replace(help=re.sub(r"; without it,.*", ".", typed.help))
            self._reads[typed.name] = field.name, typed.read
            self.parameters.append(_parameter(typed, default))

    def read(self, typed: dict[str, Any]) -> dict[str, Any]:
        """Take what was typed out of ``typed`` and return the fields' values.

        What was not typed and is None by default is left out.
        """
        values = {option: typed.pop(option) for option in self._reads}
        return {
            self._reads[option][0]: read(value) if (read := self._reads[option][1]) else value
            for option, value in values.items()
            if value is not None
        }


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with an option for each field in the place of its ``Fields``."""
    signature = inspect.signature(command)
    groups: dict[str, Fields] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        marks = [mark for mark in get_args(parameter.annotation) if isinstance(mark, Fields)]
        if marks:
            groups[name] = marks[0]
            parameters += marks[0].parameters
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def wrapped(**typed: Any) -> None:
        given = {name: group.read(typed) for name, group in groups.items()}
        command(**typed, **given)

    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapped


def asked(words: Names, filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a search that were typed: words, and options of ``FILTERS``."""
    fields = {"text": " ".join(words or ()), **filters}
    return {name: value for name, value in fields.items() if value}


def pairs(name: str, texts: list[str] | None) -> dict[str, Any]:
    """Return NAME=VALUE texts as a dict; a value that is JSON is taken as such.

    Raises:
        ValueError: If a text is not NAME=VALUE; ``name`` says whose.
    """
    out = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"--{name} must be NAME=VALUE, got {text!r}.")
        try:
            out[key] = json.loads(value)
        except ValueError:
            out[key] = value
    return out


def _typed(of: type, name: str, hint: Any, prefix: str, meanings: Mapping[str, str]) -> Typed:
    """Return how a field is typed: as ``TYPED`` says, the rest by its type."""
    typed = TYPED.get((of, name), Typed())
    option = typed.name or prefix + name
    kinds = {get_origin(kind) or kind for kind in (hint, *get_args(hint))}
    kind: Any = hint
    read: Callable[[Any], Any] | None = None
    if any(isinstance(kind, type) and issubclass(kind, Mapping) for kind in kinds):
        option = option.removesuffix("s")
        kind, read = Texts, functools.partial(pairs, option.replace("_", "-"))
    elif tuple in kinds:
        kind, read = list[str] | None, tuple
    return Typed(
        option, typed.help or meanings[name], typed.kind or kind, typed.read or read, typed.argument
    )


def _parameter(typed: Typed, default: Any) -> inspect.Parameter:
    kind = typed.kind
    names = ("--" + typed.name.replace("_", "-"),) if default is False else ()
    default = None if isinstance(default, tuple) else default
    if get_origin(kind) is not Annotated:
        info = typer.Argument if typed.argument else typer.Option
        kind = Annotated[kind | None, info(*names, help=typed.help)]
    way = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(typed.name, way, default=default, annotation=kind)


def _meanings(of: type) -> dict[str, str]:
    """Return the first sentence that a dataclass's docstring has about each of its fields."""
    found: list[tuple[str, str]] = []
    for base in reversed(of.__mro__):
        listed = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2]
        found += re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", listed, re.MULTILINE)
    meanings = dict.fromkeys((field.name for field in fields(of)), "")
    for name, text in found:
        sentence = re.split(r"(?<=\.)\s+(?=[A-Z])", " ".join(text.split()))[0]
        meanings[name] = sentence.replace("``", "`").replace("None for", "without it,")
    return meanings
