"""The panel that switches something: pictures and x0_pred side by side, the difference measured.

A page says which run is meant and which changes; the worker draws them one after the other.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import causes as charts
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.model_choice import offer_use, say_swap
from dashboard.widgets.causes_work import ShownCauses, ShownOutcome, show_changes
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.study_panel import study_panel
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from dashboard.widgets.causes_work import MakeChanges
    from dashboard.worker.snapshots import ModelView

    SoWhat = Callable[[pd.DataFrame], str]

WIDTH = 152
HOW = (
    "Seed and noise are the same for all; one thing differs. RMS is the root mean square of the "
    "difference over all values of the latents, whose spread is near 1, and of the pixels, 0 to "
    "255. The maps are the same over the channels, place by place, with one scale for all changes. "
    "The run as it is comes out bit for bit as the Experiment page draws it alone, and within "
    "rounding as it draws it in shared calls. Prompt and guidance are changed in the run's fields; "
    "all else is switched inside the network, during these runs' calls alone."
)
EQUATION = (
    r"\mathrm{RMS}(a, b) = \sqrt{\tfrac{1}{n} \sum_i (a_i - b_i)^2}",
    r"\text{map}_{yx} = \mathrm{RMS}(a_{:yx}, b_{:yx})",
)
REACH = "The band of each change is from the least to the greatest of all values."
PATHS = "All start at one noise; a diamond is an end."
NOT_PLAIN = (
    "This run goes by its pipeline's own call, so its network cannot be asked anew at any x_t, "
    "which this needs; that of Stable Diffusion 1.x and 2.x, drawing from words alone, can. Words "
    "of any run are left out on the page Tokens, and parts of any network switched Inside the "
    "network."
)
ANOTHER = "This run was made by another model than you work with: work with that one to switch it."


@dataclass(frozen=True)
class Variations:
    """A run, what is changed of it, and what a page says of that.

    Attributes:
        spec: The plain run.
        about: All that decides the changes, with a telling ``repr``.
        make: (model, run) -> the changes; called in the worker's thread.
        promise: What will be seen, before anything is.
        so_what: Returns in a sentence what follows from the table of differences.
        measure: Of ``charts.MEASURES``, drawn over the evaluations.
        plain: What the plain run is called.
    """

    spec: Experiment
    about: tuple[object, ...]
    make: "MakeChanges"
    promise: str
    so_what: "SoWhat"
    measure: str = "rms"
    plain: str = "as it is"


def can_switch(
    spec: Experiment,
    model_hash: str | None = None,
    model: "ModelView | None" = None,
    *,
    plain_only: bool = True,
) -> bool:
    """Return whether a run can be switched with the model in memory, or say why not.

    Args:
        spec: The run.
        model_hash: Of the weights that made it; None if any will do.
        model: The model in memory; asked for if not given.
        plain_only: Whether the network is to be asked anew at a run's x_t, which is only done of
            Stable Diffusion 1.x and 2.x drawing from words.
    """
    model = model or lab().status().model
    if model is None:
        return True  # the panel says so
    if model.name != spec.model:
        say_swap(spec.model)
        st.info(ANOTHER, icon=":material/swap_horiz:")
        offer_use(spec.model, "causes")
        return False
    if model_hash not in (None, model.hash):
        st.info(ANOTHER, icon=":material/swap_horiz:")
        return False
    if plain_only and (not model.plain or spec.pictures or spec.pipeline_options):
        st.info(NOT_PLAIN, icon=":material/block:")
        return False
    return True


def causes_panel(page: str, label: str, asked: Variations) -> None:
    """Draw a run beside what single changes make of it, or how to start that or how far it is.

    Args:
        page: For the widget keys, unique on the page.
        label: Of the button that starts it.
        asked: The run and its changes.
    """
    work = partial(show_changes, spec=asked.spec, make=asked.make, plain=asked.plain)
    about = (asked.spec.to_json(), asked.plain, *asked.about)
    found = study_panel(f"{page}.causes", label, about, work, kind="secondary", runs=[asked.spec])
    if found is None:
        st.caption(asked.promise)
        return
    with explained():
        _show(page, found, asked)


@st.fragment
def _show(page: str, found: ShownCauses, asked: Variations) -> None:
    middle = found.evaluations[len(found.evaluations) // 2]
    chosen = bound().segmented_control(
        "x0_pred at evaluation", found.evaluations, default=middle, key=f"{page}.causes_at"
    )
    at = found.evaluations.index(chosen)
    with st.container(horizontal=True, gap="small", key=f"{page}_outcomes".replace(".", "_")):
        for outcome in found.outcomes:
            with st.container(width=WIDTH, gap="xsmall"):
                _draw_outcome(outcome, at, chosen)
    st.caption(
        f"Top to bottom: the picture, x0_pred at evaluation {chosen}, and where that differs from "
        "the first column's (light: most)."
    )
    seed = f"of one seed, {asked.spec.seed}"
    st.caption(f"**So what, {seed}:** {plain(asked.so_what(found.table))}")
    drawn = found.course
    if asked.measure == "rms":  # of the plain run it is 0
        drawn = drawn[drawn["change"] != found.outcomes[0].name]
    drawings = [(charts.course(drawn, asked.measure), _most(found, asked.measure))]
    if asked.measure == "spread":
        drawings += [(charts.reach(found.course), REACH), (charts.paths(found.paths), PATHS)]
    with st.grid(len(drawings), min_column_width=290, gap="medium"):
        for chart, seen in drawings:
            with st.container(gap="xsmall"):
                figure(chart, seen)
    why(HOW, *EQUATION, label="What is kept the same, and what is measured")
    about = "How far each picture is from the run as it is."
    csv_table(found.table, "causes", f"{page}.csv_causes", about, shown=False)
    about = "How far each x0_pred is, evaluation by evaluation."
    csv_table(found.course, "causes-course", f"{page}.csv_causes_course", about, shown=False)


def _draw_outcome(outcome: ShownOutcome, at: int, evaluation: int) -> None:
    draw_picture(outcome.picture, f"Picture: {outcome.name}", WIDTH)
    alt = f"x0_pred at evaluation {evaluation}: {outcome.name}"
    draw_picture(outcome.predictions[at], alt, WIDTH)
    alt = f"Where x0_pred differs at evaluation {evaluation}: {outcome.name}"
    draw_picture(outcome.differences[at], alt, WIDTH)
    st.markdown(f"**{plain(outcome.name)}**")
    st.caption(plain(outcome.said))


def _most(found: ShownCauses, measure: str) -> str:
    """Return in a sentence which change is largest and which is least, by the measure drawn."""
    if measure == "spread":
        groups = found.course.groupby("change", sort=False)["spread"]
        ends = [(float(part.iloc[0]), float(part.iloc[-1]), str(name)) for name, part in groups]
        (most, later, one), (least, last, other) = max(ends), min(ends)
        return (
            f"At evaluation 0 x0_pred spreads {most:.2g} with {one} and {least:.2g} with {other}; "
            f"at the end {later:.2g} and {last:.2g}."
        )
    changed = found.table.iloc[1:].sort_values("rms_latents", ascending=False)
    names, moved = changed["change"].tolist(), changed["rms_latents"].tolist()
    if len(changed) == 1:
        return f"The latents end {moved[0]:.2g} (RMS) away."
    return (
        f"The latents end {moved[0]:.2g} (RMS) away in the most, {names[0]}, and {moved[-1]:.2g} "
        f"in the least, {names[-1]}."
    )
