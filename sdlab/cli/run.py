"""The command ``sdlab run``."""

from typing import Annotated, Any

import typer

from sdlab.cli.options import Fields, Loading, Root
from sdlab.cli.registry import command
from sdlab.cli.terminal import Prompted, progress
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.runs import runs_root


@command(cls=Prompted)
def run(
    *,
    spec: Annotated[dict[str, Any], Fields(Experiment)],
    record: Annotated[dict[str, Any], Fields(Record, prefix="record_")],
    attention: Annotated[
        bool, typer.Option(help="Keep attention maps; so do those below.")
    ] = False,
    maps: Annotated[dict[str, Any], Fields(AttentionRecord, prefix="attention_", given=True)],
    loading: Annotated[dict[str, Any], Fields(Loading)],
    root: Root = None,
) -> None:
    """Run an experiment, save its run folder and print the folder's path."""
    import sdlab

    kept = AttentionRecord(**maps) if attention or maps else None
    experiment = Experiment(**spec, record=Record(**record, attention=kept))
    loaded = sdlab.load(experiment.model, **loading)
    with progress(sdlab.plan(loaded, experiment).nfe) as advance:
        done = sdlab.run(loaded, experiment, lambda job: advance(job.evaluation))
    for warning in done.manifest.get("warnings", ()):
        typer.echo(f"sdlab: warning: {warning}", err=True)
    typer.echo(str(done.save(root or runs_root())))
