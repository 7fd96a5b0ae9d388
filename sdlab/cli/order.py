"""The command ``sdlab order``."""

from typing import Annotated, Any

import typer

from sdlab.cli.options import Fields
from sdlab.cli.registry import command
from sdlab.cli.terminal import show
from sdlab.experiment.experiment import Experiment

CURVE = "curve curve_options solver_options"


@command()
def order(
    solver: Annotated[list[str], typer.Argument(help="Names of `sdlab schedulers`.")],
    spec: Annotated[dict[str, Any], Fields(Experiment, CURVE, curve="karras")],
    problem: Annotated[str, typer.Option(help="gaussian, mixture_2d, ...")] = "gaussian",
    steps: Annotated[str, typer.Option(help="Step counts.")] = "16,32,64,128,256,512",
    end: Annotated[str, typer.Option(help="zero keeps the last jump, to sigma 0.")] = "sigma_min",
    path: Annotated[str, typer.Option(help="vp, or flow for flow matching's.")] = "vp",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, without the orders.")] = False,
) -> None:
    """Measure a solver's errors on data with a known truth, and its order of convergence."""
    from sdlab import bench

    if not all(text.strip().isdigit() for text in steps.split(",")):
        raise ValueError(f"--steps must be whole numbers such as 16,32,64, got {steps!r}.")
    options = spec.pop("solver_options", {})
    table = bench.errors(
        solver,
        problem=problem,
        steps=[int(text) for text in steps.split(",")],
        options={name: options for name in solver},
        end=end,
        path=path,
        **spec,
    )
    if csv:
        show(table, csv)
        return
    shown = ["solver", "curve", "num_steps", "nfe", "error", "floor", "end", "seconds", "note"]
    figures = {name: table[name].map("{:.3g}".format) for name in ("error", "floor", "end")}
    figures["seconds"] = table["seconds"].map("{:.2f}".format)
    show(table.assign(**figures)[shown], csv)
    for row in bench.orders(table).itertuples():
        typer.echo(f"{row.solver}: {bench.sentence(row)}")
