"""The command ``sdlab models``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdlab.cli.options import Csv
from sdlab.cli.registry import command
from sdlab.cli.terminal import show

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.models.found import Found


@command()
def models(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="To look through; else the Hugging Face cache, and SDLAB_MODELS if it is set."
        ),
    ] = None,
    csv: Csv = False,
) -> None:
    """List the pipelines and checkpoints on this machine; no weight is read."""
    from sdlab.models.found import below, in_cache, models_root

    found: list[Found] = []
    places: list[str] = []
    if folder is None:
        cache = in_cache()
        found += cache.found
        places.append(str(cache.place))
        for problem in cache.problems:
            typer.echo(f"sdlab: note: {problem}", err=True)
    if root := folder or models_root():
        found += below(root.expanduser())
        places.append(str(root))
    if not found:
        typer.echo(f"sdlab: note: no model in {' or '.join(places)}.", err=True)
    if found or csv:
        show(_table(found, csv), csv)


def _table(found: "list[Found]", csv: bool) -> "pd.DataFrame":
    import pandas as pd

    from sdlab.models.memory import readable

    table = pd.DataFrame(
        {
            "source": [one.source for one in found],
            "family": [one.family for one in found],
            "pipeline": [one.pipeline for one in found],
            "revision": [one.revision for one in found],
            "commit": [one.commit for one in found],
            "variant": [one.variant for one in found],
            "bytes": [one.bytes for one in found],
            "used": pd.to_datetime([one.used for one in found], unit="s"),
            "trouble": [one.trouble for one in found],
        }
    )
    if csv:
        return table
    return table.assign(
        commit=table["commit"].str[:7],
        bytes=[readable(count) for count in table["bytes"]],
        used=table["used"].dt.strftime("%Y-%m-%d"),
    )
