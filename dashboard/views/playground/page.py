"""The Playground page: choose, train, watch; then points, field, loss and the distance."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained, opening
from dashboard.views.playground import seen, work
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.latent_source import model_in_hand
from dashboard.widgets.study_panel import study_panel
from dashboard.widgets.typed import parse_seed

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from dashboard.views.playground.work import Done, Live
    from sdlab.playground.train import Settings


def playground_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model_in_hand()  # the training waits its turn behind what the model is asked
    form, stage = st.columns([3, 8], gap="medium")
    with form, st.container(key=f"{page}_form"), explained():
        settings = _settings(page)
    with stage, explained():
        with opening():
            truth = work.truth(settings.data)
        place, shown = work.live(repr(settings)), list[bool]()

        def below() -> None:
            shown.append(True)
            _live(place, truth)

        done = study_panel(
            page,
            "Train",
            (settings,),
            partial(work.training, settings, place),
            unit="Step",
            below=below,
        )
        if done is not None:
            _result(page, settings, done, truth)
        elif not shown:
            _promise(settings, truth)
    why(seen.WHY, *seen.EQUATIONS)


def _settings(page: str) -> "Settings":
    from sdlab.playground.data import DATA
    from sdlab.playground.network import ACTIVATIONS, EMBEDDINGS
    from sdlab.playground.train import Settings

    data = _choice("Data", DATA, f"{page}.data")
    prediction = bound().selectbox(
        "The network predicts", list(seen.PREDICTIONS), key=f"{page}.prediction",
        format_func=seen.PREDICTIONS.get,
        help="What it is asked for; every one gives the others.",
    )  # fmt: skip
    activation = _choice("Activation", ACTIVATIONS, f"{page}.activation")
    embedding = bound().selectbox(
        "Time embedding", list(EMBEDDINGS), key=f"{page}.embedding",
        help="How the time is told: sinusoids as in Stable Diffusion, random Fourier features, or "
        "one number.",
    )  # fmt: skip
    left, right = st.columns(2)
    steps = bound(left).number_input(
        "Training steps", 25, 10_000, 1500, 25, key=f"{page}.steps",
        help="Of the optimizer, 256 points each.",
    )  # fmt: skip
    seed = bound(right).text_input("Seed", "0", key=f"{page}.seed", help="Of weights and draws.")
    return Settings(
        data, prediction, activation, embedding, int(steps), seed=parse_seed(seed or "")
    )


def _choice(label: str, options: Iterable[str], key: str) -> str:
    return str(bound().selectbox(label, list(options), key=key))


def _promise(settings: "Settings", truth: "pd.DataFrame") -> None:
    from dashboard.charts import playground as charts

    st.markdown(
        f"A network of three layers learns to turn noise into these points, in {settings.steps:,} "
        "steps: a few seconds on a free core."
    )
    _square(charts.cloud(truth), seen.TRUTH, f"Points of the {settings.data}")


def _live(place: "Live", truth: "pd.DataFrame") -> None:
    from dashboard.charts import playground as charts

    now = place.latest()
    if now is not None:
        with st.grid(2, min_column_width=290, gap="medium"):
            points, field = work.table(now.points), work.arrows(now.field)
            alt = f"Drawn points after step {now.step}"
            _square(charts.cloud(truth, points), seen.CLOUD, alt)
            _square(charts.field(truth, field), seen.FIELD, f"The field after step {now.step}")
    if len(place.seen) > 1:
        figure(charts.loss(work.losses(place.seen)), seen.LOSS)


def _square(chart: "alt.LayerChart", words: str, alt: str) -> None:
    """Draw a chart in its own width with a line that says what is seen."""
    with st.container(gap="xsmall"):
        st.altair_chart(chart, width="content", alt=alt)
        st.caption(words)


def _result(page: str, settings: "Settings", done: "Done", truth: "pd.DataFrame") -> None:
    from dashboard.charts import playground as charts

    name = repr(settings)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        steps = bound().number_input(
            "Sampling steps", 1, 1000, 50, key=f"{page}.sampling", width=150,
            help="In which noise becomes points, without new noise.",
        )  # fmt: skip
        time = bound().slider(
            "Field at time", 0.05, 1.0, 0.3, 0.05, key=f"{page}.time", width=300,
            help="0 is data, 1 is noise alone.",
        )  # fmt: skip
    points, distances = work.measured(name, int(steps), done)
    _figures(distances, done)
    with st.grid(2, min_column_width=290, gap="medium"):
        alt = "Points that the network draws, over the truth"
        _square(charts.cloud(truth, points), seen.CLOUD, alt)
        chart = charts.field(truth, work.field_at(name, float(time), done))
        _square(chart, seen.FIELD, f"The network's field at time {time:g}")
    figure(charts.distances(distances), seen.DISTANCES, more=seen.ABOUT_DISTANCE)
    losses = work.losses(done.seen)
    figure(charts.loss(losses), seen.LOSS)
    for table, file, about in (
        (distances, "distances", "The distances with their 95 % intervals."),
        (losses, "loss", "The mean loss of each 25 steps."),
        (points, "points", "The drawn points."),
    ):
        csv_table(table, f"playground-{file}", f"{page}.csv_{file}", about, shown=False)


def _figures(distances: "pd.DataFrame", done: "Done") -> None:
    own, gaussian, truth = distances.to_dict("records")
    with st.container(horizontal=True):
        st.metric(
            "Distance to the truth", f"{own['distance']:.3f}", border=True,
            delta=f"95 % {own['low']:.3f} to {own['high']:.3f}", delta_color="off",
            delta_arrow="off", help=seen.ABOUT_DISTANCE,
        )  # fmt: skip
        st.metric("Of a fitted Gaussian", f"{gaussian['distance']:.3f}", border=True)
        st.metric("Truth against truth", f"{truth['distance']:.3f}", border=True)
        st.metric("Last loss", f"{done.seen[-1].loss:.4f}", border=True)
