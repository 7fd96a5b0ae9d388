"""Between two noises: of two seeds, or of two pictures that were inverted."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.views.ddim import form
from dashboard.views.ddim.work import between_noises, between_pictures
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.latent_source import another_sample, choose_source
from dashboard.widgets.latent_statistics import norms
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.experiment import Experiment

ROUNDS = 5


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    page = f"{page}.walk"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ends = bound().segmented_control(
            "Between", ("Two seeds", "Two pictures"), key=f"{page}.ends"
        )
        walk = bound().segmented_control(
            "Way",
            ("spherical", "linear"),
            key=f"{page}.way",
            format_func=str.title,
            help="Along the great circle, or straight through.",
        )
        count = int(bound().number_input("Pictures", 3, 11, 7, key=f"{page}.count", width=120))
    found = (_seeds if ends == "Two seeds" else _pictures)(page, walk, count, model)
    if found is not None:
        pictures, noises = found
        _show(page, pictures, noises, walk)


def _seeds(page: str, walk: str, count: int, model: ModelView) -> Any:
    spec = form.experiment(page)
    second = form.seed(page, "Second seed", "8")
    seeds = (spec.seed, second)
    return study_panel(
        page, "Draw the way", (spec.to_json(), seeds, count, walk),
        partial(between_noises, spec=spec, seeds=seeds, count=count, walk=walk), runs=[spec],
    )  # fmt: skip


def _pictures(page: str, walk: str, count: int, model: ModelView) -> Any:
    sources, words = [], []
    for name, column in zip(("first", "second"), st.columns(2, gap="medium"), strict=True):
        with column:
            st.markdown(f"**The {name} picture**")
            if name == "second":
                another_sample(f"{page}.{name}")
            source = choose_source(f"{page}.{name}", model)
            if source is not None:
                sources.append(source.latents)
                words.append(form.caption(f"{page}.{name}", source.caption))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps, scale = form.num_steps(page), form.guidance(page, 1.0)
    if len(sources) < 2:
        st.info("Choose a picture or a latents file for both ends.", icon=":material/image:")
        return None
    if sources[0].shape != sources[1].shape:
        raise ValueError("both pictures must have one size; choose two of the same.")
    spec = Experiment(num_steps=steps, guidance_scale=scale)
    return study_panel(
        f"{page}.pictures", "Invert both and draw the path",
        (*(s.tobytes() for s in sources), words, spec.to_json(), count, walk),
        partial(
            between_pictures, spec=spec, latents=(sources[0], sources[1]),
            words=(words[0], words[1]), count=count, walk=walk, rounds=ROUNDS,
        ),
        runs=[form.run_on(sources[0], steps, model)],
    )  # fmt: skip


def _show(page: str, pictures: Any, ends: Any, walk: str) -> None:
    with st.grid(len(pictures.rows[0]), min_column_width=80, gap="small"):
        for share, picture in zip(pictures.table["share"], pictures.rows[0], strict=True):
            with st.container(gap="xsmall"):
                draw_picture(picture, f"The picture at {share:.0%} of the {walk} way")
                st.caption(f"{share:.0%}")
    st.caption(
        "Each picture is sampled with DDIM, eta 0, from a noise between the two.",
        help="Between two captions the text embedding is mixed in the same proportion.",
    )
    norms(page, ends[:1], ends[1:])
    table: pd.DataFrame = pictures.table
    csv_table(table, "ddim-walk", f"{page}.csv", "Norm of each picture's noise.", shown=False)
