"""A run made again, on the page One run: by sdlab, by diffusers alone, and bit by bit."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, show_error
from dashboard.shell.model_choice import offer_use, say_swap
from dashboard.shell.state import session_id
from dashboard.widgets.downloads import file_button
from dashboard.widgets.run_stage import sameness
from dashboard.widgets.study_panel import study_panel
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.reproducing.snippet import run_snippet

if TYPE_CHECKING:
    from pathlib import Path

    from dashboard.worker.stored_runs import StoredRun
    from sdlab.models.model import Model
    from sdlab.reproducing.rerun import Rerun
    from sdlab.work import Work

ANOTHER = (
    "You work with another model than the one that drew this run, which is needed here. On the "
    "command line it is loaded for it: "
)


def show_again(run: "StoredRun") -> None:
    """Draw the ways to make a stored run again, each in a fold."""
    with st.expander("Make it again in Python", key="run.code"):
        st.code(run_snippet(run.manifest["experiment"], run.manifest["model"]), language="python")
    for label, key, draw in (
        ("Make it again with diffusers alone", "run.script", _script),
        ("Is it still the same, bit for bit?", "run.same", _rerun),
    ):
        place = st.expander(label, key=key, on_change="rerun")
        if place.open:
            with place:
                draw(run)


def _script(run: "StoredRun") -> None:
    """Draw the script that makes the run's picture without sdlab."""
    if not _at_hand(run, "script"):
        return
    experiment = Experiment.from_dict(run.manifest["experiment"])
    try:
        text = lab().ask(
            partial(_written, experiment=experiment), run.manifest["model"]["hash"], session_id()
        )
    except (ValueError, SdlabError) as error:
        show_error(error)
        return
    pictures = experiment.source_pictures
    beside = " and the pictures that it starts from, `input-….png` of the zip," if pictures else ""
    st.caption(
        f"Nothing of sdlab is in it. Keep it{beside} in a folder and run it there: it writes this "
        f"run's picture, on this machine {sameness(run.manifest)}."
    )
    file_button("Script", text.encode(), f"{run.id}.py", "run.script_file")
    st.code(text, language="python", height=420)


def _rerun(run: "StoredRun") -> None:
    """Draw the button that runs it again, and how the new run compares."""
    if not _at_hand(run, "rerun"):
        return
    st.caption(
        "Runs it again, alone, and compares every recorded tensor; nothing is stored. On this "
        f"machine it should come out the same {sameness(run.manifest)}."
    )
    again = partial(_again, run.folder)
    found: Rerun | None = study_panel(
        "run.again", "Run again and compare", (run.id,), again, kind="secondary",
        runs=[Experiment.from_dict(run.manifest["experiment"])],
    )  # fmt: skip
    if found is None:
        return
    if found.same:
        st.success(plain(str(found)), icon=":material/check:")
    else:
        st.warning("  \n".join(map(plain, str(found).splitlines())), icon=":material/difference:")


def _at_hand(run: "StoredRun", command: str) -> bool:
    """Return whether the run's model is in memory; if not, say what to do."""
    model, facts = lab().status().model, run.manifest["model"]
    if model is not None and model.hash == facts["hash"]:
        return True
    say_swap(facts["name"])
    st.info(ANOTHER + f"`sdlab {command} {run.id}`", icon=":material/swap_horiz:")
    offer_use(facts["name"], f"run.{command}")
    return False


def _written(model: "Model", experiment: Experiment) -> str:
    from sdlab.reproducing.script import diffusers_script

    return diffusers_script(model, experiment)


def _again(folder: "Path", model: "Model") -> "Work[Rerun]":
    from sdlab.reproducing.rerun import rerunning
    from sdlab.runs.run_folder import open_run

    return rerunning(open_run(folder), model)
