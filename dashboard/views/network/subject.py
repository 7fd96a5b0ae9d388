"""The run that is looked into, and what its network's blocks do at one evaluation of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.model_choice import offer_use
from dashboard.shell.navigation import link_to
from dashboard.shell.state import session_id
from dashboard.widgets.pictures import draw_picture, enlarged
from dashboard.widgets.source_picture import choose_stored_run, latest_runs
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView
from dashboard.worker.stored_runs import StoredRun, stored_run
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.anatomy.observing import Observed
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.work import Work

NO_RUN = "No run of this model is stored here yet: make one, and look into its network here."


@dataclass(frozen=True)
class Subject:
    """A stored run of the model in memory.

    Attributes:
        stored: The run.
        experiment: What it drew.
        changed: When its folder changed: a run made anew is another.
        evaluations: Those that can be looked at, from 0.
        again: Whether a recorded evaluation can be called once more; else the run is drawn again.
    """

    stored: StoredRun
    experiment: Experiment
    changed: float
    evaluations: tuple[int, ...]
    again: bool

    @property
    def key(self) -> tuple[str, float]:
        """What identifies it."""
        return self.stored.id, self.changed


def choose_run(page: str, model: ModelView) -> Subject | None:
    """Draw the choice of a run and its picture; None while there is none, after saying why.

    Args:
        page: For the widget keys and the address.
        model: The model in memory, whose runs can be looked into.
    """
    own = [row for row in latest_runs() if _is_of(row[0], model)]
    found = choose_stored_run(f"{page}.run", own, NO_RUN)
    if found is None:
        return None
    experiment = Experiment.from_dict(found.manifest["experiment"])
    prompt = experiment.prompt or "(no prompt)"
    draw_picture(enlarged(found.picture), prompt)
    st.caption(plain(prompt))
    if found.manifest["model"].get("hash") != model.hash:
        st.info(
            plain(f"This run was made by another model, {experiment.model}: load that to look into")
            + " its network, or take a run of the model in memory.",
            icon=":material/deployed_code:",
        )
        with st.container(horizontal=True):
            offer_use(experiment.model, page)
            link_to("models")
        return None
    changed = found.folder.stat().st_mtime
    return Subject(found, experiment, changed, *_evaluations(str(found.folder), changed, model))


def choose_evaluation(page: str, subject: Subject) -> int:
    """Draw the choice of an evaluation and return it, from 0."""
    numbers = list(subject.evaluations)
    if len(numbers) == 1:
        return numbers[0]
    middle = numbers[len(numbers) // 2]
    number = bound().select_slider("Evaluation", numbers, middle, key=f"{page}.evaluation")
    return int(number)


def seen_at(page: str, subject: Subject, number: int, block: str, hash: str) -> "Observed | None":
    """Return what the network does at one evaluation; None while that is being computed.

    Args:
        page: For the widget keys.
        subject: The run.
        number: Of the evaluation, from 0.
        block: Whose feature maps are kept; "" for none.
        hash: The model's.
    """
    keep = (block,) if block else ()
    if subject.again:
        return _called_again(subject.stored.id, subject.changed, number, keep, hash, subject)
    make = partial(_drawn_again, subject.experiment, (number,), keep)
    found: Observed | None = study_panel(
        f"{page}.look", "Draw the run again and look", (subject.key, number, block), make,
        runs=[subject.experiment],
    )  # fmt: skip
    return found


def seen_everywhere(page: str, subject: Subject, block: str = "") -> "Observed | None":
    """Return what the network does at every evaluation, or draw how to ask for it.

    Args:
        page: For the widget keys, unique on the page.
        subject: The run.
        block: Whose feature maps are kept; "" for none.
    """
    keep = (block,) if block else ()
    make = partial(_drawn_again, subject.experiment, None, keep)
    found: Observed | None = study_panel(
        page, "Watch the whole run", (subject.key, block), make, kind="secondary",
        runs=[subject.experiment],
    )  # fmt: skip
    return found


def studied(page: str, label: str, about: tuple[Any, ...], make: Callable[..., Any]) -> Any:
    """Return the result of a short study, which starts by itself; None until it is there."""
    return study_panel(page, label, about, make, at_once=True, kind="secondary")


@st.cache_data(max_entries=64, show_spinner="Looking into the network …")
def _called_again(
    run: str, changed: float, number: int, keep: tuple[str, ...], hash: str, _subject: Subject
) -> "Observed":
    opened = _opened(str(_subject.stored.folder), changed)

    def look(model: "Model") -> "Observed":
        from sdlab.anatomy.observing import look_again

        return look_again(model, opened, number, keep)

    return lab().ask(look, hash, session_id())


def _drawn_again(
    experiment: Experiment,
    evaluations: tuple[int, ...] | None,
    keep: tuple[str, ...],
    model: "Model",
) -> "Work[Observed]":
    from sdlab.anatomy.observing import observing

    observed = yield from observing(model, experiment, evaluations, keep)
    return replace(observed, run=None)  # what is remembered is small


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(folder: str, changed: float) -> "Run":
    from sdlab.runs.run_folder import open_run

    return open_run(folder)


@st.cache_data(max_entries=64, show_spinner=False)
def _evaluations(folder: str, changed: float, _model: ModelView) -> tuple[tuple[int, ...], bool]:
    """Return the evaluations of a run that can be looked at, and whether by one call."""
    run = _opened(folder, changed)
    asked = run.experiment
    again = _model.plain and asked.image is None and "x_t" in run.trace.names()
    again = again and asked.record.dtype == "float32" and bool(run.trace.kept)
    if again:
        return tuple(run.trace.kept), True
    return tuple(range(int(run.manifest["nfe"]))), False


@st.cache_data(max_entries=256, show_spinner=False)
def _hash_of(run: str, folder: str, changed: float) -> str:
    found = stored_run(lab().runs, run)
    return "" if found is None else str(found.manifest["model"].get("hash", ""))


def _is_of(run: str, model: ModelView) -> bool:
    folder = lab().runs / run
    return folder.is_dir() and _hash_of(run, str(folder), folder.stat().st_mtime) == model.hash
