"""The Price of a speed-up page: fields, the study, the chart, the table, the ladder."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.views.price import seen
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.experiment_controls import PROMPT
from dashboard.widgets.figure import figure, why
from dashboard.widgets.latent_source import model_in_hand
from dashboard.widgets.study_panel import study_panel
from sdlab.experiment.experiment import Experiment
from sdlab.pricing.speedup import chosen, speedups

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.pricing.priced import Priced
    from sdlab.work import Work

MOST = 16
TIMESTEPS = 1000
"""Steps that a model can take at most, as a rule."""
FIRST = "dpmpp_2m"
AS_TRAINED = "as trained"


def price_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()
    form, stage = st.columns([3, 8], gap="medium")
    with form, st.container(key=f"{page}_fields"), explained():
        asked = _asked(page, model.name)
    with stage, explained():
        experiment, names, seeds = asked
        if not names:
            st.info("Choose a speed-up on the left.", icon=":material/sell:")
            return
        done = study_panel(
            page, "Measure", asked, partial(_pricing, experiment, names, seeds), unit="Step",
            runs=[_longest(experiment)],
        )  # fmt: skip
        if done is None:
            _promise(experiment, names, seeds)
        else:
            _result(page, done)
    why(seen.WHY, *seen.EQUATIONS)


def _asked(page: str, model: str) -> tuple[Experiment, tuple[str, ...], tuple[int, ...]]:
    """Draw the fields and return the experiment, the names of speed-ups and the seeds."""
    prompt = bound().text_input("Prompt", PROMPT, key=f"{page}.prompt")
    solver, curve = _sampler(page)
    left, right = st.columns(2)
    steps = bound(left).number_input(
        "Steps", 4, 1000, 20, key=f"{page}.steps", help=definition("step")
    )
    cfg = bound(right).number_input(
        "Guidance scale (CFG)", 0.0, 20.0, 4.0, 0.5, key=f"{page}.cfg", help=definition("guidance")
    )
    count = bound().number_input(
        "Pictures", 2, MOST, 4, key=f"{page}.pictures",
        help="Each of a seed of its own, from 0 on; intervals are over them.",
    )  # fmt: skip
    known = speedups()
    names = bound().multiselect(
        "Speed-ups",
        list(known),
        [one.name for one in chosen(None)],
        key=f"{page}.speedups",
        help="\n\n".join(f"**{one.name}**: {one.about}" for one in known.values()),
    )
    experiment = Experiment(
        model=model, prompt=prompt or "", solver=solver, num_steps=int(steps),
        curve=None if curve == AS_TRAINED else curve, guidance_scale=float(cfg),
    )  # fmt: skip
    return experiment, tuple(names), tuple(range(int(count)))


def _sampler(page: str) -> tuple[str, str]:
    """Draw the choice of a sampler that draws no noise, and of its curve."""
    table = lab().catalogue()
    if table is None:
        st.stop()
    fits = table[table["compatible"] & table["deterministic"]].set_index("name")
    names = list(fits.index)
    left, right = st.columns(2)
    solver = bound(left).selectbox(
        "Sampler", names, names.index(FIRST), key=f"{page}.solver",
        help="Those that draw noise on the way are left out: with more steps they draw another "
        "picture.",
    )  # fmt: skip
    curves = [AS_TRAINED, *fits.loc[solver, "curves"]]
    first = curves.index("karras") if "karras" in curves else 0
    curve = bound(right).selectbox(
        "Sigma curve", curves, first, key=f"{page}.curve.{'karras' in curves}"
    )
    return str(solver), str(curve)


def _pricing(
    experiment: Experiment, names: tuple[str, ...], seeds: tuple[int, ...], model: "Model"
) -> "Work[Priced]":
    from sdlab.pricing.price import pricing

    return pricing(model, experiment, names, seeds)


def _longest(experiment: Experiment) -> Experiment:
    """Return the run that the others are measured from."""
    from sdlab.pricing.price import END

    return experiment.with_(num_steps=min(END * experiment.num_steps, TIMESTEPS))


def _promise(experiment: Experiment, names: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    steps = experiment.num_steps
    many = len(seeds) * (8 + 6.5 + 2 * len(names)) * steps
    ups = f"{len(names)} speed-up{'s' if len(names) > 1 else ''}"
    st.markdown(
        f"{ups} on {len(seeds)} pictures, each beside a plain one, and the plain sampler with up to"
        f" {8 * steps} steps: about {many:,.0f} steps in all."
    )


def _result(page: str, priced: "Priced") -> None:
    from dashboard.charts import price as charts

    steps = priced.experiment.num_steps
    st.metric(
        f"What {priced.experiment.solver} is off by at {steps} steps",
        f"{priced.own_error:.3g} std", border=True, width="content",
        help=f"Distance to the picture of {priced.most} steps, over the standard deviation of its "
        "pixels.",
    )  # fmt: skip
    if priced.table.empty:
        st.info("No speed-up could be measured here.", icon=":material/sell:")
    else:
        figure(charts.worth(priced.table, steps), seen.CHART, more=seen.READ)
    for sentence in priced.sentences:
        st.markdown(f"- {plain(sentence)}")
    ladder = priced.ladder.astype({"seed": str})
    figure(charts.ladder(ladder), seen.LADDER)
    _tables(page, priced.tables)


def _tables(page: str, tables: dict[str, pd.DataFrame]) -> None:
    abouts = {
        "prices": "What each costs and saves.",
        "pictures": "Each picture.",
        "ladder": "The plain sampler with fewer steps.",
        "left_out": "What was left out.",
    }
    for name, about in abouts.items():
        shown = name == "prices"
        csv_table(tables[name], f"price-{name}", f"{page}.csv_{name}", about, shown=shown)
