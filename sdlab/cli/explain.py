"""The command ``sdlab explain``."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.cli.options import Csv, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import progress, show

if TYPE_CHECKING:
    from sdlab.explaining.explain import Explanation
    from sdlab.explaining.making import Making
    from sdlab.explaining.measured import Measured


@command()
def explain(
    a: Annotated[
        str,
        typer.Argument(
            help="A run's id, or a file: picture, workflow, parameters, manifest,"
            " scheduler_config.json; or a model's folder."
        ),
    ],
    b: Annotated[str, typer.Argument(help="Another of these.")],
    model: Annotated[
        str | None, typer.Option(help="What the model is: sd15, sdxl ...; else by its name there.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run both here: what each difference costs.")
    ] = False,
    on: Annotated[
        str | None, typer.Option(help="Model to measure on: a folder, file, hub id; else embedded.")
    ] = None,
    root: Root = None,
    csv: Csv = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say why two pictures differ: cause by cause, the largest effect first, and what to change."""
    import sdlab

    found = sdlab.explain(a, b, root=root, model=model)
    measured = _measured(found, on) if measure else None
    if as_json:
        typer.echo(json.dumps(_facts(found, measured), indent=2))
    elif csv:
        show(found.table() if measured is None else measured.table(), True)
    else:
        _say(found)
        if measured is not None:
            _say_measured(measured)


def _measured(found: "Explanation", on: str | None) -> "Measured":
    import sdlab
    from sdlab.explaining.measured import measuring
    from sdlab.shipped import EMBEDDED
    from sdlab.work import finish

    loaded = sdlab.load(None if on in (None, EMBEDDED) else on)
    with progress() as advance:
        return finish(measuring(found, loaded), advance)


def _facts(found: "Explanation", measured: "Measured | None") -> dict[str, Any]:
    facts = found.to_dict()
    if measured is not None:
        table = measured.table()
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        facts["measured"] = {
            "sentence": measured.sentence,
            "own_error": measured.own_error,
            "parting": measured.parting and measured.parting._asdict(),
            "costs": rows,
            "notes": list(measured.notes),
        }
    return facts


def _say(found: "Explanation") -> None:
    typer.echo(f"{found.a.title}, {found.b.title}: {found.sentence}")
    for place, one in enumerate(found.differences, 1):
        typer.echo(f"\n{place}. {one.cause.title} ({one.effect}). {one.message}")
        typer.echo(f"   {one.cause.explanation}\n   Fix: {one.cause.fix}")
    for label, titles in (("The same", found.same), ("Not said by both", found.unsaid)):
        if titles:
            typer.echo(f"\n{label}: {', '.join(titles)}.")
    for side in (found.a, found.b):
        if not side.levels:
            typer.echo(f"\nThe noise levels of {side.title} are not known: {side.no_levels}")
        if side.kind != "run" and side.program != "sdlab":
            _say_ours(side)


def _say_ours(side: "Making") -> None:
    """Say which experiment of ours comes nearest to another program's picture, or why none does."""
    if side.experiment is None:
        typer.echo(f"\nNo experiment of ours makes {side.title}. {side.no_experiment}")
        return
    fields = {k: v for k, v in side.experiment.to_dict().items() if k != "record"}
    typer.echo(f"\nThe experiment of ours that comes nearest to {side.title}:")
    typer.echo(json.dumps(fields))
    for sentence in side.short:
        typer.echo(f"- {sentence}")


def _say_measured(measured: "Measured") -> None:
    typer.echo(f"\n{measured.sentence}")
    for note in measured.notes:
        typer.echo(note)
    table = measured.table()
    for name in ("distance", "in_own_error"):
        table[name] = table[name].map(lambda value: f"{value:.3g}" if value == value else "")
    show(table, False)
