"""The form of the Experiment page: controls, the Run button, and what is wrong with the input."""

import streamlit as st

from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening, plain, show_error
from dashboard.shell.model_choice import say_no_model, say_swap
from dashboard.shell.presses import Press
from dashboard.shell.state import come_back, note_run, show_run, shown_run
from dashboard.views.experiment.from_file import file_field
from dashboard.views.experiment.grid_form import grid_fields, pictures, say_cost
from dashboard.views.experiment.grid_view import ask_grid, live_pictures, show_grid, shown_grid
from dashboard.widgets.axis_fields import named
from dashboard.widgets.curve_choice import can_follow
from dashboard.widgets.experiment_controls import Choices, experiment_controls
from dashboard.widgets.go_button import go_button
from dashboard.widgets.limit_note import within_limits
from dashboard.widgets.model_facts import facts_in_memory
from dashboard.widgets.run_stage import ask_run
from dashboard.widgets.run_states import evaluations_of, why_evaluations
from dashboard.widgets.sharing_field import may_share
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.grid import Grid

_THERE = "beside the form, on top; in a narrow window, below it."


def run_form(page: str) -> None:
    """Draw the controls and the Run button; pressing it makes ``page`` show the run."""
    with st.container(key=f"{page}_form"):
        with opening():
            catalogue = lab().catalogue()
        view = lab().status()
        if catalogue is None:
            say_no_model()
            return
        file_field(page)
        try:
            experiment = experiment_controls(Choices(catalogue, view.known, view.held))
        except (ValueError, SdlabError) as error:
            show_error(error)
            experiment = None
        if experiment is not None:
            say_swap(experiment.model)
            _say_evaluations(experiment)
            own = next((held for held in view.held if held.name == experiment.model), None)
            if not can_follow(experiment, own):
                experiment = None
        axes, grid = grid_fields(page, catalogue), None
        if experiment is not None and axes:
            try:
                grid = Grid(experiment, [named(*axis) for axis in axes])
                say_cost(grid)
            except ValueError as error:
                show_error(error)
                experiment = None
        asked = grid.experiments if grid else [experiment] if experiment is not None else []
        if not within_limits(asked):
            experiment = None
        label = f"Run {pictures(len(grid.experiments))}" if grid else "Run"
        press = go_button(page, label, ready=experiment is not None)
        if press.wanted(experiment is not None) and experiment is not None:
            _run(page, experiment, grid, press)
        _say_where(page)


def _say_evaluations(experiment: Experiment) -> None:
    """Say how many evaluations the run takes, and why if they are not one a step."""
    model = facts_in_memory()
    if model is None or model.name != experiment.model:
        return
    count, why = evaluations_of(experiment, model), why_evaluations(experiment, model)
    if why:
        steps = f"{experiment.num_steps} step{'' if experiment.num_steps == 1 else 's'}"
        asks = f" **Why {count}?** {plain(why)}" if count != experiment.num_steps else ""
        many = f"{count} evaluation{'' if count == 1 else 's'}"
        st.caption(f"{steps}, {many}.{asks}", help=plain(definition("evaluation")))


def _say_where(page: str) -> None:
    """Say where the pictures appear: the button is at the end of the form, they at its head."""
    grid = shown_grid(page)
    view = None if grid else lab().known_runs.get(shown_run(page))
    many = live_pictures(grid) if grid else int(view is not None and view.live)
    if many:
        verb = "is" if many == 1 else "are"
        st.caption(f":material/hourglass_top: {pictures(many)} {verb} being made {_THERE}")
    else:
        st.caption(f"What is made appears {_THERE}")


def _run(page: str, experiment: Experiment, grid: Grid | None, press: Press) -> None:
    run = ""
    if grid is not None:
        with explained():
            press.begin(lambda: ask_grid(grid, may_share(page)))
        come_back(grid.id)
        note_run(grid.experiments[-1].id)
    else:
        run = ask_run(experiment, press)
    show_grid(page, grid.id if grid else "")
    show_run(page, run)
    press.end()
    made = pictures(len(grid.experiments)) if grid else "The picture"
    st.toast(f"{made}: look {_THERE}", icon=":material/arrow_upward:")
