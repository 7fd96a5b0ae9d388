"""The command ``sdlab tokens``."""

from typing import Annotated

import typer

from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, show
from sdlab.shipped import EMBEDDED


@command(cls=Prompted)
def tokens(
    prompt: Annotated[str, typer.Argument(help="Any text; after -- if it is like an option.")],
    model: Annotated[str, typer.Option(help="embedded, a folder, a file, a hub id.")] = EMBEDDED,
    every: Annotated[bool, typer.Option("--all", help="Also the pads.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, pads and all.")] = False,
) -> None:
    """Show how CLIP cuts a prompt into tokens, and what does not fit."""
    import sdlab
    from sdlab.text.notes import prompt_notes, unseen

    table = sdlab.tokens(sdlab.load(model, device="cpu"), prompt)
    for note in prompt_notes(prompt, table):
        typer.echo(f"sdlab: note: {note}", err=True)
    if model == EMBEDDED:
        table["unseen"] = unseen(table)
    if not every and not csv:
        pads = int((table["kind"] == "pad").sum())
        typer.echo(f"sdlab: note: {pads} pads are not shown; --all shows them.", err=True)
        table = table[table["kind"] != "pad"]
    show(table, csv)
