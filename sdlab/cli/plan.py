"""The command ``sdlab plan``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdlab.cli.options import Csv
from sdlab.cli.registry import command
from sdlab.cli.terminal import show

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.models.memory_plan import MemoryPlan


@command()
def plan(
    source: Annotated[str, typer.Argument(help="embedded, a pipeline folder or a hub id.")],
    width: Annotated[int | None, typer.Option(min=8, help="Pixels; else the model's own.")] = None,
    height: Annotated[int | None, typer.Option(min=8, help="Pixels; else the model's own.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the weights: float32, bfloat16, float16.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; else the best here.")] = None,
    free_gib: Annotated[
        float | None, typer.Option(min=0, help="Free there, if it is another machine's.")
    ] = None,
    csv: Csv = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say what a model takes and how it fits, from its configs; no weight is read."""
    import json

    from sdlab.models.footprint import footprint
    from sdlab.models.memory_plan import memory_plan
    from sdlab.shipped import place_of

    number, free, offload = _device(device, dtype, free_gib)
    place = place_of(source)
    made = memory_plan(footprint(place, number, name=source), width, height, free, offload)
    if as_json:
        typer.echo(json.dumps(_facts(made), indent=2))
    elif csv:
        show(made.parts_table(), True)
    else:
        words = f"{made.width}x{made.height}, {str(number).removeprefix('torch.')}"
        typer.echo(f"{made.footprint.cls.__name__}, {words}\n")
        show(_readable(made.parts_table(), "bytes", "activations"), False)
        typer.echo()
        show(_readable(made.ways_table(), "bytes"), False)
        typer.echo(f"\n{made.verdict}")
    for part in made.footprint.parts:
        if part.quantized:
            note = f"{part.name} is stored quantized and takes less than this."
            typer.echo(f"sdlab: note: {note}", err=True)


def _device(device: str | None, dtype: str | None, gib: float | None) -> tuple[Any, int, bool]:
    """Return the dtype of the weights, the bytes that are free, and whether offload helps."""
    import torch

    from sdlab.models.devices import choose_device, choose_dtype
    from sdlab.models.memory import GIB, available_bytes

    if gib is None:
        place = choose_device(device)
        return choose_dtype(dtype, place), available_bytes(place), place.type != "cpu"
    elsewhere = device is not None and device.startswith("cuda")
    word = dtype or ("bfloat16" if elsewhere else None)
    place = torch.device("cpu") if elsewhere else choose_device(device)
    return choose_dtype(word, place), int(gib * GIB), device != "cpu"


def _readable(table: "pd.DataFrame", *columns: str) -> "pd.DataFrame":
    from sdlab.models.memory import readable

    shown = {column: [readable(count) for count in table[column]] for column in columns}
    if "parameters" in table:
        shown["parameters"] = [f"{count:,}" for count in table["parameters"]]
    return table.assign(**shown)


def _facts(made: "MemoryPlan") -> dict[str, Any]:
    return {
        "class": made.footprint.cls.__name__,
        "dtype": str(made.footprint.dtype).removeprefix("torch."),
        "width": made.width,
        "height": made.height,
        "samples": made.samples,
        "free": made.free,
        "parts": made.parts_table().to_dict("records"),
        "ways": made.ways_table().to_dict("records"),
        "verdict": made.verdict,
    }
