"""The command ``sdlab dashboard``: Streamlit started on the pages, wherever they are."""

import importlib.util
import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from sdlab.cli.registry import command
from sdlab.errors import SdlabError

# Within the package where a wheel was installed, at the top of the repository otherwise.
_ENTRIES = ("entry/streamlit_app.py", "../streamlit_app.py")


@command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dashboard(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Where it answers: http://localhost:PORT.")] = 8501,
    address: Annotated[
        str | None, typer.Option(help="The address it listens on; this machine's own unless told.")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
) -> None:
    """Start the dashboard; Ctrl+C ends it. Streamlit's own flags may follow.

    It answers this machine alone, unless --address says otherwise; docs/serving.md has more.
    Runs are kept in SDLAB_RUNS, or in runs/ of the folder that it is started in.
    """
    flags = ["--server.port", str(port)]
    flags += ["--server.address", address] if address else []
    flags += ["--server.headless", "true"] if headless else []
    sys.argv = ["streamlit", "run", str(entry()), *flags, *context.args]
    # In this process, so that signals reach it; by name, as the library needs no Streamlit.
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


def entry() -> Path:
    """Return the script that Streamlit runs.

    Raises:
        SdlabError: If the dashboard or Streamlit is not installed.
    """
    _folder("streamlit")
    here = _folder("dashboard")
    for place in _ENTRIES:
        if (here / place).is_file():
            return (here / place).resolve()
    raise SdlabError(
        f"{here} is no dashboard of sdlab; start it elsewhere, or pip install sdlab's wheel anew."
    )


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SdlabError(f"{package} is not installed; pip install sdlab's wheel anew, whole.")
    return Path(next(iter(spec.submodule_search_locations)))
