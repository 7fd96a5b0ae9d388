"""The command ``sdlab tokens``."""

from typing import Annotated

import typer

from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, show
from sdlab.shipped import EMBEDDED, SHIPPED


@command(cls=Prompted)
def tokens(
    prompt: Annotated[str, typer.Argument(help="Any text; after -- if it is like an option.")],
    model: Annotated[
        str, typer.Option(help="embedded, embedded-flow, a folder, a file, a hub id.")
    ] = EMBEDDED,
    tokenizer: Annotated[
        str | None, typer.Option(help="Which, of several: tokenizer, tokenizer_2, ...")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also the pads.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, pads and all.")] = False,
) -> None:
    """Show how a model's tokenizer cuts a prompt into tokens, and what does not fit."""
    import sdlab
    from sdlab.errors import unknown
    from sdlab.text.notes import prompt_notes, unseen
    from sdlab.text.parts import tokenizers

    loaded = sdlab.load(model, device="cpu")
    names = {part.replace("text_encoder", "tokenizer"): part for part in tokenizers(loaded)}
    if tokenizer is not None and tokenizer not in names:
        raise ValueError(unknown("tokenizer", tokenizer, names))
    table = sdlab.tokens(loaded, prompt, names[tokenizer] if tokenizer else None)
    if tokenizer is None and len(names) > 1:
        first, *others = names
        typer.echo(f"sdlab: note: by its {first}; it also has {', '.join(others)}.", err=True)
    for note in prompt_notes(prompt, table):
        typer.echo(f"sdlab: note: {note}", err=True)
    if model in SHIPPED:
        table["unseen"] = unseen(table)
    if not every and not csv:
        pads = int((table["kind"] == "pad").sum())
        typer.echo(f"sdlab: note: {pads} pads are not shown; --all shows them.", err=True)
        table = table[table["kind"] != "pad"]
    show(table, csv)
