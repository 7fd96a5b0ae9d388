"""Every part off in turn: which places the objects, which colours them, what time it takes."""

import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import network as charts
from dashboard.shell.address import bound
from dashboard.views.network.contributions import contributions
from dashboard.views.network.subject import Subject
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure
from dashboard.widgets.pictures import draw_picture, png
from dashboard.widgets.study_panel import study_panel

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from sdlab.anatomy.network_map import NetworkMap
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model
    from sdlab.work import Work

SIDE = 128
STEPS, SEEDS = 8, 1
"""So few that it is quick: each part costs a picture."""
UNET = ("time", "skip", "self", "cross")
TRANSFORMER = ("block", "time", "joint", "self", "cross", "mlp")
ATTENTION = ("joint", "self", "cross")
"""What can be off, of ``sdlab.anatomy.effects.PARTS``."""
HOW = (
    "Of several objects of a name the surest counts. Means over the seeds; of the pictures' "
    "change with a 95 % interval by Student's t, from two seeds on. The time embedding reaches all "
    "blocks: without it the network is told timestep 500 throughout. That a part places or colours "
    "an object is said where the object moves or changes its colour without the part."
)


@dataclass(frozen=True)
class ShownEffects:
    """What each part does, as the page draws it.

    Attributes:
        table: Of the parts.
        pictures: Of the first seed, by part; "" as it is.
        apart: The largest difference of the picture as it is from the stored one, of 255; NaN if
            they are of different sizes.
    """

    table: "pd.DataFrame"
    pictures: dict[str, bytes]
    apart: float


def show(page: str, subject: Subject, mapped: "NetworkMap") -> None:
    """Draw the section."""
    from sdlab.anatomy.effects import MEASURES, PARTS

    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = int(bound().number_input("Seeds", 1, 8, SEEDS, key=f"{page}.seeds", width=120))
        most = len(subject.evaluations)
        steps = int(
            bound().number_input("Steps", 1, most, min(STEPS, most), key=f"{page}.steps", width=120)
        )
        offered = _offered(mapped)
        kinds = bound().pills(
            "Parts",
            offered,
            selection_mode="multi",
            default=offered if mapped.unet else offered[:2],
            key=f"{page}.parts",
            format_func=PARTS.get,
        )
    seeds = tuple(range(subject.experiment.seed, subject.experiment.seed + count))
    spec = subject.experiment.with_(num_steps=steps)
    found: ShownEffects | None = study_panel(
        f"{page}.every",
        "Switch off each part in turn",
        (spec.to_json(), seeds, tuple(kinds)),
        partial(_shown, spec, seeds, tuple(kinds), subject.stored.picture),
        runs=[spec],
    )
    if found is None:
        st.caption(
            "Each of these parts off, one after the other, from the same noise; on the embedded "
            "model the checker says what became of the objects. One seed is a first look; from "
            "two on the pictures' change has an interval."
        )
        return
    table = found.table
    measured = [name for name in MEASURES if table[name].notna().any()]
    measure = bound().segmented_control(
        "Measure", measured, key=f"{page}.effect", format_func=lambda name: name.replace("_", " ")
    )
    st.markdown(contributions(table))
    figure(charts.effects(table, measure, MEASURES[measure]), _roles(table), more=HOW)
    csv_table(
        table, "network-effects", f"{page}.csv_effects",
        "What the picture loses without each part, and what share of the network's time it takes.",
        shown=False,
    )  # fmt: skip
    if said := _differs(found.apart, steps, subject):
        st.caption(said)
    words = dict(zip(table["what"], table["words"], strict=True))
    with st.grid(8, min_column_width=95, gap="small"):
        for name, picture in found.pictures.items():
            with st.container(gap="xsmall"):
                said = f"without {words[name]}" if name else "as it is"
                draw_picture(picture, said)
                st.caption(said, help=name or None)


def _offered(mapped: "NetworkMap") -> list[str]:
    """Return the kinds of parts that a network has; of attention all, where that is not known."""
    known = " ".join(mapped.table["attention"]).strip()
    kinds = UNET if mapped.unet else TRANSFORMER
    return [one for one in kinds if not known or one not in ATTENTION or one in known]


def _differs(apart: float, steps: int, subject: Subject) -> str:
    """Return why the picture as it is differs from the stored one; "" if it does not."""
    if apart == 0:
        return ""
    taken = subject.experiment.num_steps
    if steps != taken:
        return (
            f"“As it is” differs from the run shown: it is drawn in {steps} "
            f"step{'' if steps == 1 else 's'}, to be quick, and the run in {taken}."
        )
    if subject.stored.manifest.get("shared_calls"):
        why = "the run shared network calls with others, whose sums are rounded otherwise"
    else:
        why = "the run was made on other hardware, or by other versions"
    return f"“As it is” differs from the run shown by up to {apart:g} of 255: {why}."


def _roles(table: "pd.DataFrame") -> str:
    """Return in a sentence which part matters most, which places and which colours."""
    said = [f"The picture changes most without {_largest(table, 'rms_pixels')}"]
    there = table[table["missing"] < 1]
    for measure, words in (
        ("moved", "the object moves most without"),
        ("recoloured", "it changes its colour most without"),
    ):
        if there[measure].max() > 0:
            said.append(f"{words} {_largest(there, measure)}")
    gone = table[table["missing"] == 1]["words"].tolist()
    if gone:
        said.append(f"it is gone without {' or '.join(gone)}")
    return "; ".join(said) + "."


def _largest(table: "pd.DataFrame", measure: str) -> str:
    """Return the part of which a measure is largest."""
    return str(table.nlargest(1, measure)["words"].iloc[0])


def _shown(
    spec: "Experiment",
    seeds: tuple[int, ...],
    kinds: tuple[str, ...],
    stored: bytes,
    model: "Model",
) -> "Work[ShownEffects]":
    from sdlab.anatomy.effects import effects

    found = yield from effects(model, spec, seeds, kinds=kinds)
    pictures = {name: png(picture, SIDE) for name, picture in found.pictures.items()}
    return ShownEffects(found.table, pictures, _apart(found.pictures[""], stored))


def _apart(picture: "Image.Image", stored: bytes) -> float:
    """Return the largest difference of two pictures' pixels; NaN if their sizes differ."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(stored)) as other:
        if other.size != picture.size:
            return float("nan")
        pixels = [np.asarray(one.convert("RGB"), dtype=np.int16) for one in (picture, other)]
    return float(np.abs(pixels[0] - pixels[1]).max())
