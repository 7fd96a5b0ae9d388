"""The command line: the laboratory's words, typed. ``sdlab --help`` loads neither torch nor pandas.

A wrong argument ends with exit code 2 and one line that names it; trouble with the environment
with exit code 1 and one line that says what to do; anything else is a bug and shows its traceback.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from sdlab.cli.compare import compare
from sdlab.cli.dashboard import dashboard
from sdlab.cli.terminal import Prompted, Root, Texts, any_letter, clean, pairs, progress, show
from sdlab.runs import find_run, runs_root

app = typer.Typer(
    help="The laboratory for Stable Diffusion: run, trace, measure and export every step.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
LAYERS = "Cross-attention to keep: all, 16x16, 1/2, up_blocks.1. Again for another."
SELF_LAYERS = "Self-attention to keep, named likewise; none unless named."


@app.callback()
def everywhere(
    solvers: Annotated[
        Path | None, typer.Option(help="Folder of solver plug-ins; else SDLAB_SOLVERS.")
    ] = None,
) -> None:
    """The laboratory for Stable Diffusion: run, trace, measure and export every step."""
    any_letter()
    if solvers is not None:
        os.environ["SDLAB_SOLVERS"] = str(solvers)


@app.command(cls=Prompted)
@clean
def run(
    prompt: Annotated[
        str, typer.Argument(help="What to draw; after -- if it looks like an option.")
    ] = "",
    negative_prompt: Annotated[str, typer.Option(help="What to steer away from.")] = "",
    seed: Annotated[int, typer.Option(help="0 ... 2**64 - 1.")] = 0,
    solver: Annotated[str, typer.Option(help="A name of `sdlab schedulers`.")] = "ddim",
    solver_option: Texts = None,
    curve: Annotated[str | None, typer.Option(help="How sigma falls, e.g. karras.")] = None,
    curve_option: Texts = None,
    num_steps: Annotated[int, typer.Option(help="Solver steps.")] = 25,
    guidance_scale: Annotated[float, typer.Option(help="1 or less: no guidance.")] = 4.0,
    guidance_rescale: Annotated[float, typer.Option(help="0 ... 1.")] = 0.0,
    eta: Annotated[float | None, typer.Option(help="0 ... 1, for solvers that take it.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")] = None,
    model: Annotated[str, typer.Option(help="embedded, a folder, a file, a hub id.")] = "embedded",
    fast: Annotated[
        bool, typer.Option("--fast", help="Compute in bfloat16: quicker, a little different.")
    ] = False,
    record: Annotated[list[str] | None, typer.Option(help="Tensor to keep, or none.")] = None,
    record_every: Annotated[int, typer.Option(help="Keep each n-th evaluation.")] = 1,
    record_dtype: Annotated[str, typer.Option(help="What tensors are kept in.")] = "float32",
    statistics: Annotated[bool, typer.Option(help="Fill the steps and channels tables.")] = True,
    attention: Annotated[
        bool, typer.Option(help="Keep attention maps; so do those below.")
    ] = False,
    attention_layers: Annotated[list[str] | None, typer.Option(help=LAYERS)] = None,
    attention_self: Annotated[list[str] | None, typer.Option(help=SELF_LAYERS)] = None,
    attention_heads: Annotated[str | None, typer.Option(help="mean, max, all.")] = None,
    attention_tokens: Annotated[str | None, typer.Option(help="prompt, all.")] = None,
    attention_steps: Annotated[str | None, typer.Option(help="all, last, or each n-th.")] = None,
    attention_halves: Annotated[str | None, typer.Option(help="cond, both.")] = None,
    attention_limit: Annotated[int | None, typer.Option(help="MiB they may take; 1024.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16, bfloat16.")] = None,
    revision: Annotated[str | None, typer.Option(help="Of a hub id.")] = None,
    variant: Annotated[str | None, typer.Option(help="Of a folder or hub id.")] = None,
    config: Annotated[Path | None, typer.Option(help="Folder of configs for a file.")] = None,
    root: Root = None,
) -> None:
    """Run an experiment, save its run folder and print the folder's path."""
    import sdlab

    keep = ["x_t", "x0_pred"] if record is None else [name for name in record if name != "none"]
    spec = sdlab.Experiment(
        prompt=prompt,
        negative_prompt=negative_prompt,
        seed=seed,
        solver=solver,
        solver_options=pairs("solver-option", solver_option),
        curve=curve,
        curve_options=pairs("curve-option", curve_option),
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        guidance_rescale=guidance_rescale,
        eta=eta,
        width=width,
        height=height,
        model=model,
        fast=fast,
        record=sdlab.Record(
            tuple(keep),
            record_every,
            record_dtype,
            statistics,
            _attention(
                attention,
                layers=attention_layers,
                self_layers=attention_self,
                heads=attention_heads,
                tokens=attention_tokens,
                steps=_number(attention_steps),
                halves=attention_halves,
                max_bytes=attention_limit and attention_limit * 2**20,
            ),
        ),
    )
    loaded = sdlab.load(
        model, device=device, dtype=dtype, revision=revision, variant=variant, config=config
    )
    plan = sdlab.plan(loaded, spec)
    with progress(plan.nfe) as advance:
        done = sdlab.run(loaded, spec, lambda job: advance(job.evaluation))
    for warning in done.manifest.get("warnings", ()):
        typer.echo(f"sdlab: warning: {warning}", err=True)
    typer.echo(str(done.save(root or runs_root())))


app.command()(clean(compare))
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    clean(dashboard)
)


@app.command()
@clean
def schedulers(
    every: Annotated[bool, typer.Option("--all", help="Also those that do not fit.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with every column.")] = False,
    model: Annotated[str | None, typer.Option(help="Judge for this model.")] = None,
) -> None:
    """List every solver and scheduler and what it supports."""
    import sdlab

    table = sdlab.schedulers(sdlab.load(model) if model else None)
    table = table if every else table[table["compatible"]]
    spelled = {name: table[name].map(" ".join) for name in ("curves", "predictions")}
    if csv:
        show(table.assign(**spelled), csv)
        return
    spelled["curves"] = spelled["curves"].mask(table["custom_sigmas"], "any")
    spelled["noise"] = table["deterministic"].map({True: "no", False: "yes"})
    shown = ["name", "order", "nfe", "noise", "eta", "coordinates", "predictions", "curves"]
    show(table.assign(**spelled)[[*shown, "reason"] if every else shown], csv)


@app.command("check-solver")
@clean
def check_solver(
    name: Annotated[str, typer.Argument(help="A solver's short name, or a Python file with some.")],
) -> None:
    """Check that a solver keeps its contract; exit code 1 if it does not."""
    import sdlab
    from sdlab.solvers.plugins import from_file

    names = from_file(name) if name.endswith(".py") else [name]
    findings = [(which, found) for which in names for found in sdlab.check_solver(which)]
    for which, found in findings:
        typer.echo(f"{which}: {found.rule}: {found.message}")
    if findings:
        raise typer.Exit(1)
    typer.echo(f"{', '.join(names)}: all is well")


@app.command()
@clean
def lint(
    name: Annotated[str, typer.Argument(help="A name of `sdlab schedulers`.")],
    num_steps: Annotated[int, typer.Option(help="Solver steps.")] = 25,
    option: Texts = None,
    curve: Annotated[str | None, typer.Option(help="How sigma falls, e.g. karras.")] = None,
    curve_option: Texts = None,
    eta: Annotated[float | None, typer.Option(help="0 ... 1, for those that take it.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="If it is known.")] = None,
    guidance_rescale: Annotated[float, typer.Option(help="0 ... 1.")] = 0.0,
    config: Annotated[
        Path | None, typer.Option(help="scheduler_config.json of the model; else SD 1.x's.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Say what is wrong or worth knowing about a schedule; exit code 1 if there are errors."""
    import sdlab
    from sdlab.linting.config_file import read_config
    from sdlab.solvers.from_diffusers import SD_CONFIG

    table = sdlab.lint(
        name,
        num_steps,
        config=read_config(_file(config)) if config else SD_CONFIG,
        options=pairs("option", option),
        curve=curve,
        curve_options=pairs("curve-option", curve_option),
        eta=eta,
        guidance_scale=guidance_scale,
        guidance_rescale=guidance_rescale,
    )
    if csv:
        show(table, csv)
    elif table.empty:
        typer.echo("Nothing to say.")
    for row in table.itertuples() if not csv else ():
        typer.echo(f"{row.severity:7}  {row.rule}: {row.message}")
        typer.echo(f"         -> {row.fix}")
    if (table["severity"] == "error").any():
        raise typer.Exit(1)


@app.command()
@clean
def runs(
    root: Root = None, csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False
) -> None:
    """List the stored runs, the newest first."""
    from sdlab.runs.listing import list_runs

    table = list_runs(root)
    if csv:
        show(table, csv)
    elif table.empty:
        typer.echo(f"No runs in {root or runs_root()} yet; `sdlab run PROMPT` makes one.")
    else:
        shown = ["run", "created", "prompt", "solver", "num_steps", "seed", "model", "problem"]
        show(table[shown].assign(created=table["created"].dt.strftime("%Y-%m-%d %H:%M")), csv)


@app.command(cls=Prompted)
@clean
def tokens(
    prompt: Annotated[str, typer.Argument(help="Any text; after -- if it is like an option.")],
    model: Annotated[str, typer.Option(help="embedded, a folder, a file, a hub id.")] = "embedded",
    every: Annotated[bool, typer.Option("--all", help="Also the pads.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, pads and all.")] = False,
) -> None:
    """Show how CLIP cuts a prompt into tokens, and what does not fit."""
    import sdlab
    from sdlab.text.notes import prompt_notes, unseen

    table = sdlab.tokens(sdlab.load(model, device="cpu"), prompt)
    for note in prompt_notes(prompt, table):
        typer.echo(f"sdlab: note: {note}", err=True)
    if model == "embedded":
        table["unseen"] = unseen(table)
    if not every and not csv:
        pads = int((table["kind"] == "pad").sum())
        typer.echo(f"sdlab: note: {pads} pads are not shown; --all shows them.", err=True)
        table = table[table["kind"] != "pad"]
    show(table, csv)


@app.command()
@clean
def export(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    csv: Annotated[Path | None, typer.Option(help="Folder for one CSV file a table.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Folder for the Parquet files.")] = None,
    zip: Annotated[Path | None, typer.Option(help="Folder for one zip of everything.")] = None,
    npz: Annotated[Path | None, typer.Option(help="Folder for the attention maps as npz.")] = None,
    safetensors: Annotated[Path | None, typer.Option(help="Folder for the maps as such.")] = None,
    root: Root = None,
) -> None:
    """Export a stored run's tables, or all of it; print the paths written."""
    from sdlab.runs.export import export_run

    wanted = {"csv": csv, "parquet": parquet, "zip": zip, "npz": npz, "safetensors": safetensors}
    if not any(wanted.values()):
        *flags, last = (f"--{kind}" for kind in wanted)
        raise ValueError(f"Nothing to export: pass {', '.join(flags)} or {last} with a folder.")
    folder = find_run(root or runs_root(), run)
    for kind, directory in wanted.items():
        for path in export_run(folder, kind, directory) if directory else ():
            typer.echo(str(path))


@app.command()
@clean
def order(
    solver: Annotated[list[str], typer.Argument(help="Names of `sdlab schedulers`.")],
    curve: Annotated[str | None, typer.Option(help="How sigma falls.")] = "karras",
    curve_option: Texts = None,
    solver_option: Texts = None,
    problem: Annotated[str, typer.Option(help="gaussian, mixture_2d, ...")] = "gaussian",
    steps: Annotated[str, typer.Option(help="Step counts.")] = "16,32,64,128,256,512",
    end: Annotated[str, typer.Option(help="zero keeps the last jump, to sigma 0.")] = "sigma_min",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, without the orders.")] = False,
) -> None:
    """Measure a solver's errors on data with a known truth, and its order of convergence."""
    from sdlab import bench

    if not all(text.strip().isdigit() for text in steps.split(",")):
        raise ValueError(f"--steps must be whole numbers such as 16,32,64, got {steps!r}.")
    options = pairs("solver-option", solver_option)
    table = bench.errors(
        solver,
        problem=problem,
        steps=[int(text) for text in steps.split(",")],
        curve=curve,
        curve_options=pairs("curve-option", curve_option),
        options={name: options for name in solver},
        end=end,
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


@app.command()
@clean
def doctor(root: Root = None) -> None:
    """Check this machine: versions, device, memory, weights, run folder, dashboard."""
    from sdlab.cli.doctor import examine

    checks = examine(root or runs_root())
    for check in checks:
        typer.echo(f"{check.status:4}  {check.name}: {check.detail}")
        if check.fix:
            typer.echo(f"      -> {check.fix}")
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
@clean
def train(context: typer.Context) -> None:
    """Train the embedded model anew; `sdlab train --help` tells how.

    The exit code is 3 when it was stopped by --minutes or SIGTERM and can go on.
    """
    from sdlab.training.train import main

    code = main(context.args)
    if code:
        raise typer.Exit(code)


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None


def _number(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


def _attention(wanted: bool, **fields: Any) -> Any:
    """Return what to keep of the attention: what is given, the rest as it is by default."""
    given = {name: value for name, value in fields.items() if value is not None}
    if not wanted and not given:
        return None
    from sdlab.experiment.attention_record import AttentionRecord

    return AttentionRecord(**given)
