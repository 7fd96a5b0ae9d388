"""The ways from a run onwards: what to look at of it, and what to do next.

What fills forms needs pandas, so it is imported where it is used: Home is shown before.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.components.copy_link import copy_link
from dashboard.shell.address import fill
from dashboard.shell.navigation import link_to, page_path
from dashboard.shell.routes import page_url
from sdlab.experiment.experiment import Experiment
from sdlab.sampler_names import titled

EXPERIMENT = "experiment"
MOST_COMPARED = 12
"""Runs that the page Runs compares at once."""
PLACE = ("layer", "step", "word", "run.tab")
"""What the address says of the place in a run that is looked at."""


def run_ways(run: str, experiment: Experiment, page: str) -> None:
    """Draw the ways from a stored run, in one row.

    Args:
        run: The run's id.
        experiment: What was run.
        page: For the widget keys: the page's name.
    """
    with st.container(
        horizontal=True, gap="xsmall", vertical_alignment="center", key=f"{page}_ways"
    ):
        change_button(run, experiment, page)
        _compare_button(experiment, page)
        for name, label, fields in (
            ("attention", "Attention", {"run": run, "attention.of": "A run"}),
            ("latents", "Latents", latents_of(run)),
            ("tokens", "Words", words_of(experiment)),
            ("ddim", "DDIM", ddim_of(run)),
            ("network", "Network", {"network.run": run}),
            ("learn", "Learn", {"run": run}),
        ):
            link_to(name, label, **fields)
        copy_link(page_url(f"run?id={run}"), f"{page}.copy_link", PLACE)


def compare_steps(runs: Sequence[str]) -> None:
    """Draw the link to the first of several stored runs side by side, if there are two."""
    few = len(runs) <= MOST_COMPARED
    label = "Compare step by step" if few else f"Compare the first {MOST_COMPARED} step by step"
    if len(runs) > 1:
        link_to("runs", label, of=",".join(runs[:MOST_COMPARED]))


def change_button(run: str, experiment: Experiment, page: str) -> None:
    """Draw the button that fills the Experiment page's form with what was run."""
    pressed = st.button(
        "Change and run again",
        key=f"{page}.change",
        icon=":material/edit:",
        type="tertiary",
        help="Fills the form with everything that decides this picture, its seed too.",
        on_click=_fill_form,
        args=(experiment, page),
    )
    if pressed and page != EXPERIMENT:
        from dashboard.widgets.run_fields import address_for, experiment_fields

        fields = address_for(EXPERIMENT, experiment_fields(experiment), experiment)
        st.switch_page(page_path(EXPERIMENT), query_params={"run": run, **fields})


def _fill_form(experiment: Experiment, page: str) -> None:
    from dashboard.widgets.run_fields import experiment_fields

    fill(experiment_fields(experiment, map(str, st.session_state)))
    if page == EXPERIMENT:
        st.toast(
            "The form has this run's fields. Change any and press Run.", icon=":material/edit:"
        )


def _compare_button(experiment: Experiment, page: str) -> None:
    from dashboard.widgets.run_fields import address_for, comparison_fields, partner

    pressed = st.button(
        f"Compare with {titled(partner(experiment))}",
        key=f"{page}.compare",
        icon=":material/compare:",
        type="tertiary",
        help="The same words, seed, guidance and evaluations by both, from the same noise.",
        on_click=_fill_comparison,
        args=(experiment,),
    )
    if pressed:
        fields = address_for("compare", comparison_fields(experiment), experiment)
        st.switch_page(page_path("compare"), query_params=fields)


def _fill_comparison(experiment: Experiment) -> None:
    from dashboard.widgets.run_fields import comparison_fields

    fill(comparison_fields(experiment, map(str, st.session_state)))


def latents_of(run: str) -> Mapping[str, str]:
    """Return the address parameters that show a run's latents step by step."""
    return {"latents.from": "Run", "latents.run": run, "latents.section": "Through a run"}


def ddim_of(run: str) -> Mapping[str, str]:
    """Return the address parameters that take a run's picture back to its noise and again."""
    return {"ddim.section": "There and back", "ddim.back.from": "Run", "ddim.back.run": run}


def words_of(experiment: Experiment) -> Mapping[str, str]:
    """Return the address parameters that show how a run's words were read."""
    return {"tokens.prompt": experiment.prompt, "tokens.other": experiment.negative_prompt}
