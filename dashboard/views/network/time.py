"""The time embedding: sinusoids, what the MLP makes of them, and which timesteps are alike."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.charts import network as charts
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.views.network import seen
from dashboard.views.network.subject import choose_run
from dashboard.widgets.causes_panel import Variations, can_switch, causes_panel
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlab.anatomy.time_embedding import TimeEmbedding
    from sdlab.causes.change import Change
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

TIMES = tuple(range(0, 1000, 20))
FINE = tuple(range(0, 1000, 5))
SHIFTS = (-200, -50, 50, 200)
PROMISE = (
    "The run as it is beside the same with a network that is told a timestep too low or too high "
    "at every evaluation: what the picture owes to the time embedding."
)
OF = {"waves": "sinusoids", "output": "output of the MLP"}


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    chosen = int(bound().slider("Timestep", 0, 999, 500, key=f"{page}.timestep"))
    told = _told(model.hash, TIMES)
    which = bound().segmented_control(
        "Cosines of", list(OF), default="output", key=f"{page}.cosines", format_func=OF.get
    )
    left, right = st.columns(2, gap="medium")
    with left:
        _waves(told)
    with right:
        matrix = told.cosines(which).numpy()
        figure(
            charts.heat(
                matrix, TIMES, TIMES, f"Cosine between timesteps: {OF[which]}",
                ("timestep", "with timestep"), "cosine",
            ),
            f"The least alike have a cosine of {matrix.min():.2f}; 1 on the diagonal.",
        )  # fmt: skip
    table = _near(model.hash, chosen)
    figure(charts.near_in_time(table), _neighbours(table, chosen))
    why(seen.WHY_TIME, *seen.TIME_EQUATIONS)
    _contribution(page, model)
    csv_table(
        _as_table(told), "time-embedding", f"{page}.csv_time",
        "Sinusoids (waves) and the MLP's output at every 20th timestep.", shown=False,
    )  # fmt: skip


def _contribution(page: str, model: ModelView) -> None:
    """Draw what a run becomes whose network is told wrong times."""
    st.header("What it contributes to a picture", anchor=False)
    left, right = st.columns([3, 9], gap="medium")
    with left:
        subject = choose_run(page, model)
    with right:
        if subject is None or not can_switch(subject.experiment, model.hash, plain_only=False):
            return
        asked = Variations(subject.experiment, SHIFTS, _shifted, PROMISE, what_wrong_times_do)
        causes_panel(f"{page}.time", "Tell the network wrong times", asked)


def _shifted(model: "Model", spec: "Experiment") -> "Sequence[Change]":
    from sdlab.causes.change import timestep_shifted

    return [timestep_shifted(by) for by in SHIFTS]


def what_wrong_times_do(table: pd.DataFrame) -> str:
    """Return what follows from how far the pictures of wrong times are from the plain one."""
    changed = table.iloc[1:].to_dict("records")
    far = ", ".join(f"{row['rms_pixels']:.2g} ({row['change']})" for row in changed)
    lost = "; ".join(f"{row['change']} loses {row['lost']}" for row in changed if row["lost"])
    of_prompt = f"Of the prompt, {lost}. " if lost else ""
    return (
        f"told wrong times all along, the network draws pictures that lie {far} from this run's, "
        f"in RMS of 255. {of_prompt}It takes away the noise that it is told of, too little or too "
        "much: that much the picture owes to the time embedding."
    )


def _waves(told: "TimeEmbedding") -> None:
    waves = told.waves.numpy()
    width = waves.shape[1]
    figure(
        charts.heat(
            waves, TIMES, range(width), "The timestep as sinusoids", ("timestep", "number"), "value"
        ),
        f"{width} numbers a timestep: {width // 2} cosines, then {width - width // 2} sines, fast "
        "to slow.",
    )


def _neighbours(table: pd.DataFrame, chosen: int) -> str:
    own = table[table["of"] == OF["output"]]
    near: Any = own.iloc[
        (own["timestep"] - (chosen + 100 if chosen < 900 else chosen - 100)).abs().argmin()
    ]
    return (
        f"A timestep 100 away from {chosen} is told with a cosine of {near['cosine']:.3f} by the "
        "MLP's output."
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _told(model_hash: str, times: tuple[float, ...]) -> "TimeEmbedding":
    def tell(model: Any) -> "TimeEmbedding":
        from sdlab.anatomy.time_embedding import time_embedding

        return time_embedding(model, times)

    return lab().ask(tell, model_hash, session_id())


@st.cache_data(max_entries=64, show_spinner=False)
def _near(model_hash: str, chosen: int) -> pd.DataFrame:
    told = _told(model_hash, (*FINE, chosen))
    frames = [
        pd.DataFrame(
            {
                "timestep": FINE,
                "cosine": told.cosines(name)[-1, :-1].numpy(),
                "of": words,
                "chosen": chosen,
            }
        )
        for name, words in OF.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _as_table(told: "TimeEmbedding") -> pd.DataFrame:
    values = np.concatenate([told.waves.numpy(), told.output.numpy()], axis=1)
    names = [f"waves_{k}" for k in range(told.waves.shape[1])]
    names += [f"output_{k}" for k in range(told.output.shape[1])]
    table = pd.DataFrame(values, columns=names)
    table.insert(0, "timestep", told.timesteps)
    return table
