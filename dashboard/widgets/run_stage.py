"""A run on a page: its settings, its progress, then its picture and the scrubber.

Tables need pandas, which takes half a second to import, so they are read only when they are drawn
and the first page is shown before.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.clock import clock_time
from dashboard.shell.lab import find, lab
from dashboard.shell.messages import explained, plain, show_error
from dashboard.shell.model_asker import choose
from dashboard.shell.model_choice import in_words
from dashboard.shell.navigation import link_to
from dashboard.shell.presses import Press
from dashboard.shell.state import come_back, note_run, session_id
from dashboard.shell.visitor import visitor
from dashboard.widgets.job_panel import job_panel
from dashboard.widgets.pictures import draw_picture, enlarged, png
from dashboard.widgets.run_facts import SOURCES, facts_line
from dashboard.widgets.run_film import HOME, WAYS, run_film
from dashboard.widgets.run_states import evaluations_of, why_evaluations
from dashboard.widgets.run_ways import change_button, run_ways
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.stored_runs import StoredRun
from sdlab.columns import TABLES
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.runs.manifest import calls_in_words, was_shared

if TYPE_CHECKING:
    import pandas as pd

_FROM_STORE = "from_store"  # of the session: the run asked for last, if it was stored already
Fields = dict[str, str | list[str]]
ONCE_A_STEP = ("euler", "dpmpp_2m")
"""What a solver that asks more often is held against, of first and of second order."""
SHARED = (
    "Other runs shared its network calls. The picture is the same as that of the run alone up to "
    "rounding (latents about 3e-4 apart), not bit for bit. To have it bit for bit, run its "
    "experiment again: it is then made alone, in its place."
)


def stored_or_progress(run: str, page: str) -> StoredRun | None:
    """Return a run once it is stored; draw its progress until then, or say that there is none.

    Args:
        run: The run's id.
        page: For the widget keys: the page's name.
    """
    found = find(run)
    if found is None:
        say_unknown_run(run)
        return None
    if not isinstance(found, StoredRun):
        facts_line(found.experiment.to_dict())
        job_panel(run, page)
        return None
    return found


def show_stage(run: str, page: str) -> StoredRun | None:
    """Draw a run's picture and scrubber, or its progress; return it once it is stored.

    Args:
        run: The run's id.
        page: For the widget keys: the page's name.
    """
    found = stored_or_progress(run, page)
    if found is None:
        return None
    try:
        _done(found, page)
    except (ValueError, SdlabError) as error:
        show_error(error)
        experiment = Experiment.from_dict(found.manifest["experiment"])
        with st.container(horizontal=True):
            change_button(run, experiment, page)
            link_to("runs", "All runs")
        st.stop()
    return found


def say_unknown_run(run: str) -> None:
    """Say that a run is not stored here, and which ways there are."""
    st.info(
        f"No run {plain(repr(run[:40]))} is stored here. It may have been made on another "
        "computer, or its folder was removed.",
        icon=":material/search_off:",
    )
    with st.container(horizontal=True):
        link_to("runs", "All runs")
        link_to("experiment", "Make one")


def ask_run(experiment: Experiment, press: Press | None = None) -> str:
    """Ask for a run, watch it and return its id; one that is stored is not made again.

    Args:
        experiment: What to run.
        press: Of the button that asks for it, if one does.
    """
    choose(experiment.model)
    who, session = visitor().id, session_id()
    with explained():
        run = (press or Press()).begin(lambda: lab().submit(experiment, owner=who, session=session))
    come_back(run)
    note_run(run)
    st.session_state[_FROM_STORE] = run if lab().known_runs.get(run) is None else ""
    return run


def say_if_from_store(run: StoredRun) -> None:
    """Say of a run that was just asked for, but was stored already, when it was made."""
    if st.session_state.get(_FROM_STORE) == run.id:
        st.caption(
            f":material/inventory_2: **From the store**, made on "
            f"{clock_time(run.manifest['created'])}: the same experiment gives the same picture, "
            "so nothing was computed again."
        )


def sameness(facts: dict[str, Any]) -> str:
    """Return how closely a stored run comes out again, alone and on the same machine.

    Args:
        facts: Its manifest.
    """
    shared = "within rounding, since it was made in shared calls"
    return shared if was_shared(facts) else "bit for bit"


def _done(run: StoredRun, page: str) -> None:
    facts = run.manifest
    facts_line(facts["experiment"], facts.get("nfe"))
    if page != HOME:
        _why_evaluations(Experiment.from_dict(facts["experiment"]), facts.get("nfe"))
    for warning in facts.get("warnings", ()):
        st.warning(warning, icon=":material/warning:")
    tables = read_tables(run)
    _cut_words(tables["tokens"])
    run.check()
    frames = _viewer(run, page, tables["steps"])
    say_if_from_store(run)
    made = " · ".join(filter(None, (_made(facts), frames)))
    st.caption(made, help=SHARED if was_shared(facts) else None)
    _sources(facts["experiment"])


def _why_evaluations(asked: Experiment, nfe: int | None) -> None:
    """Say why steps and evaluations differ, and draw the way to whether that is worth it."""
    if nfe in (None, asked.num_steps) or evaluations_of(asked) != nfe:
        return
    samplers = list(dict.fromkeys((asked.solver, *ONCE_A_STEP)))
    st.markdown(f"**Why {nfe} evaluations?** {plain(why_evaluations(asked))}")
    with st.container(horizontal=True):
        fields: Fields = {"compare.samplers": samplers, "compare.budget": str(nfe)}
        words: Fields = {"compare.prompts": asked.prompt} if asked.prompt else {}
        link_to("compare", "Is it worth it, on this model?", **fields, **words)
        bench: Fields = {"bench.solvers": samplers, "bench.at": str(nfe)}
        link_to("solver_bench", "And where the truth is known?", **bench)


def _sources(experiment: dict[str, Any]) -> None:
    """Draw the pictures that the run started from."""
    there = {name: label for name, label in SOURCES.items() if name in experiment}
    for place, (name, label) in zip(st.columns(max(3, len(there))), there.items(), strict=False):
        picture = lab().pictures.find(experiment[name]["hash"])
        if picture is None:
            st.warning(
                f"The {label} of this run is missing or damaged. The run cannot be made again "
                "without it.",
                icon=":material/broken_image:",
            )
            continue
        image, words = enlarged(png(picture.image)), f"{label[0].upper()}{label[1:]}"
        with place:
            draw_picture(image, words)
        place.caption(words)


def _made(facts: dict[str, Any]) -> str:
    seconds = facts.get("total_ms", 0) / 1000
    model, name = facts["model"], plain(in_words(facts["experiment"]["model"]))
    return (
        f"{facts['width']} x {facts['height']} px · {seconds:.3g} s on {model['device']} "
        f"({model['dtype']}) · {name} · {clock_time(facts['created'])}"
        f" · {calls_in_words(facts)}"
    )


def _cut_words(tokens: "pd.DataFrame") -> None:
    several = "tokenizer" in tokens
    by = ["prompt", "tokenizer"] if several else ["prompt"]
    for (prompt, *which), rows in tokens.groupby(by):
        cut = rows[rows["cut"].astype(bool)]
        if cut.empty:
            continue
        pieces = cut["piece"].str.replace(r"</w>|^\u2581|^\u0120", " ", regex=True)
        text = "".join(pieces).strip().replace("`", " ")
        name = "The negative prompt" if str(prompt).startswith("negative") else "The prompt"
        count = len(rows) - len(cut)
        limit = f"the {count} tokens of {which[0]}" if several else f"CLIP's {count} tokens"
        st.warning(
            f"{name} is longer than {limit}; these {len(cut)} pieces were cut off: `{text[:300]}`",
            icon=":material/content_cut:",
        )


def _viewer(run: StoredRun, page: str, steps: "pd.DataFrame") -> str:
    """Draw a run's film; return how its frames were drawn, where no more is to be said."""
    sheet = lab().frames.sheet(run.id)
    if sheet is None or not sheet.best:
        lab().frames.want(run.id)
    waiting = lab().frames.busy_with(run.id)
    run_film(page, run, sheet, steps)
    if page != HOME:
        run_ways(run.id, Experiment.from_dict(run.manifest["experiment"]), page)
    if waiting:
        ticking_panel(lambda: _await_frames(run.id, sheet is None))
    elif sheet is None:
        st.caption("This run kept no tensors, so there is nothing to scrub through.")
    elif sheet.how == "decoded":
        return WAYS["decoded"] if page != HOME else ""
    else:
        st.caption(WAYS.get(sheet.how, sheet.how))
        if sheet.how == "linear":
            offer_decoding(run.id, run.manifest)
    return ""


def offer_decoding(run: str, facts: dict[str, Any]) -> None:
    """Offer to decode the frames of a run of the model in memory, between other network calls.

    Args:
        run: The run's id.
        facts: Its manifest.
    """
    from dashboard.widgets.study_panel import study_panel

    model = lab().status().model
    if model is not None and model.hash == facts["model"]["hash"]:
        about = run, facts["created"]
        study_panel(
            "run.frames", "Decode all frames", about, lab().frames.decoding(run), kind="secondary"
        )


def _await_frames(run: str, first: bool) -> bool:
    if not lab().frames.busy_with(run) or (first and lab().frames.sheet(run) is not None):
        return False
    word = "Drawing the evaluations" if first else "Decoding them for a finer view"
    st.caption(f":material/hourglass_top: {word} …")
    return True


def read_tables(run: StoredRun) -> dict[str, "pd.DataFrame"]:
    """Return the tables of a stored run.

    Raises:
        StoreError: If a table is missing or damaged.
    """
    return _read(str(run.folder), run.folder.stat().st_mtime)


@st.cache_data(max_entries=64, show_spinner=False)
def _read(folder: str, changed: float) -> dict[str, "pd.DataFrame"]:
    """Return the tables of a run folder; ``changed`` is its age, so that a new one is read anew."""
    from sdlab.runs.run_folder import read_table

    return {name: read_table(Path(folder), name) for name in TABLES}
