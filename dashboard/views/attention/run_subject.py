"""A run that the Attention page looks at: made here, or taken from those stored.

One that recorded no attention can be run again with it, which gives the same picture.
"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain, say_ignored_negative, show_error
from dashboard.shell.model_choice import say_model, say_swap
from dashboard.shell.navigation import link_to
from dashboard.shell.state import show_run, shown_run
from dashboard.views.attention.recording import (
    PAGE,
    estimate,
    record_controls,
    usual_self_layers,
)
from dashboard.views.attention.subject import Subject, model_in_memory
from dashboard.widgets.go_button import go_button
from dashboard.widgets.limit_note import within_limits
from dashboard.widgets.pictures import draw_picture, enlarged
from dashboard.widgets.run_facts import facts_line
from dashboard.widgets.run_stage import ask_run, sameness, say_if_from_store, stored_or_progress
from dashboard.widgets.solver_menu import GROUPS, offered
from dashboard.widgets.source_picture import latest_runs, run_gallery
from dashboard.worker.snapshots import ModelView
from dashboard.worker.stored_runs import StoredRun
from sdlab.errors import SdlabError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.models.memory import readable
from sdlab.runs.attention import ATTENTION

if TYPE_CHECKING:
    from sdlab.attention.maps import AttentionMaps


UNSEEN = ":material/visibility_off:"
PROMPT = "a parrot and a red car on a beach"


def run_controls() -> None:
    """Draw the controls that make a run or choose a stored one."""
    model = model_in_memory()
    if model is None:
        return
    catalogue = lab().catalogue()
    if catalogue is None:
        show_error("The list of solvers could not be made; the server's log says why.")
        return
    say_model(model.name)
    experiment = _new_run(offered(catalogue), model)
    if experiment is not None and not within_limits([experiment]):
        experiment = None
    press = go_button(PAGE, "Run and record", ready=experiment is not None)
    if press.wanted(experiment is not None) and experiment is not None:
        show_run(PAGE, ask_run(experiment, press))
        press.end()
    latest = latest_runs()
    if latest:
        with st.popover("A stored run", icon=":material/grid_view:", width="stretch"):
            run_gallery(latest, f"{PAGE}.stored", partial(show_run, PAGE))


def shown_subject() -> Subject | None:
    """Draw the run that the page shows, up to its maps; return it once they can be looked at."""
    run = shown_run(PAGE)
    if not run:
        st.info(
            "Press **Run and record**, or take a stored run: its attention maps appear here.",
            icon=":material/visibility:",
        )
        return None
    found = stored_or_progress(run, PAGE)
    if found is None:
        return None
    with explained():
        return _of_run(found)


def _new_run(solvers: list[str], model: ModelView) -> Experiment | None:
    prompt = bound().text_area("Prompt", PROMPT, key=f"{PAGE}.prompt", height=84)
    negative = bound().text_input(
        "Negative prompt",
        key=f"{PAGE}.negative",
        placeholder="what to steer away from",
    )
    left, right = st.columns(2)
    default = solvers.index("ddim") if "ddim" in solvers else 0
    solver = bound(left).selectbox("Solver", solvers, default, key=f"{PAGE}.solver", help=GROUPS)
    steps = bound(right).number_input("Steps", 1, 1000, 25, key=f"{PAGE}.steps")
    cfg = bound(left).number_input("CFG", 0.0, 20.0, 4.0, 0.5, key=f"{PAGE}.cfg")
    seed = bound(right).number_input("Seed", 0, 2**32 - 1, 7, key=f"{PAGE}.seed")
    say_ignored_negative(negative or "", float(cfg), model.guidance)
    try:
        with st.expander("What to record", key=f"{PAGE}.record"):
            attention = record_controls(model)
        experiment = Experiment(
            prompt=prompt or "",
            negative_prompt=negative or "",
            model=model.name,
            solver=solver,
            num_steps=int(steps),
            guidance_scale=float(cfg),
            seed=int(seed),
            record=Record(attention=attention),
        )
        said, more = estimate(experiment, model)
        st.caption(said, help=more)
    except (ValueError, SdlabError) as error:
        show_error(error)
        return None
    return experiment


def _start(experiment: Experiment) -> None:
    show_run(PAGE, ask_run(experiment))


def _of_run(run: StoredRun) -> Subject | None:
    experiment = Experiment.from_dict(run.manifest["experiment"])
    facts_line(run.manifest["experiment"], run.manifest.get("nfe"))
    say_if_from_store(run)
    if experiment.record.attention is None:
        _without(run, experiment)
        return None
    if not (run.folder / ATTENTION).exists() and run.manifest.get("warnings"):
        said = " ".join(run.manifest["warnings"])
        st.info(plain(f"No attention of this run could be read. {said}"), icon=UNSEEN)
        link_to("run", "This run", id=run.id)
        return None
    changed = run.folder.stat().st_mtime
    maps = open_maps(str(run.folder), changed)
    if not maps.cross_layers:
        st.info(
            "This run recorded self-attention only; words are read in the cross-attention. Record "
            "that too to see them here.",
            icon=UNSEEN,
        )
        _offer_recording(experiment)
        return None
    if maps.facts.truncated:
        st.warning(
            f"The cap of {readable(maps.record.max_bytes)} was reached: attention was kept "
            f"up to evaluation {maps.evaluations[-1]} only.",
            icon=":material/warning:",
        )
    size = (run.manifest["width"], run.manifest["height"])
    picture = enlarged(run.picture)
    model = experiment.model
    # The same experiment is another run once other weights go by the model's name.
    key = f"{run.id} {run.manifest['model'].get('hash')} {changed}"
    flow = _is_of_flow(str(run.folder), changed)
    of = (picture, size, experiment.prompt, model, maps, run.folder, flow)
    made_of = run.manifest["experiment"], run.manifest["model"].get("hash")
    return Subject(key, run.id, *of, *made_of)


def _without(run: StoredRun, experiment: Experiment) -> None:
    draw_picture(enlarged(run.picture), experiment.prompt, 256)
    st.info(
        "This run recorded no attention. Run again with it: recording changes nothing, so alone on "
        f"this machine the picture comes out the same {sameness(run.manifest)}.",
        icon=UNSEEN,
    )
    _offer_recording(experiment)
    link_to("run", "This run", id=run.id)


def _offer_recording(experiment: Experiment) -> None:
    attention = AttentionRecord(self_layers=_usual_self_layers(experiment.model))
    say_swap(experiment.model)
    again = experiment.with_(record=replace(experiment.record, attention=attention))
    st.button(
        "Run again and record",
        key=f"{PAGE}.again_recorded",
        icon=":material/replay:",
        on_click=_start,
        args=(again,),
    )


def _usual_self_layers(name: str) -> tuple[str, ...]:
    """Return the self-attention that a new run records, if the run's model is the one in memory."""
    model = lab().status().model
    if model is None or model.name != name:
        return ()
    with explained():
        return usual_self_layers(model)


@st.cache_resource(max_entries=6, show_spinner=False)
def open_maps(folder: str, changed: float) -> "AttentionMaps":
    """Return the maps of a run folder; ``changed`` is its time, so that a new one is read again.

    Raises:
        StoreError: If they are not there or damaged.
    """
    import sdlab

    return sdlab.open_run(folder).trace.attention


@st.cache_data(max_entries=64, show_spinner=False)
def _is_of_flow(folder: str, changed: float) -> bool:
    import sdlab

    return "flow_time" in sdlab.open_run(folder).steps.columns
