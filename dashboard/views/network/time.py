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
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from sdlab.anatomy.time_embedding import TimeEmbedding

TIMES = tuple(range(0, 1000, 20))
FINE = tuple(range(0, 1000, 5))
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
    csv_table(
        _as_table(told), "time-embedding", f"{page}.csv_time",
        "Sinusoids (waves) and the MLP's output at every 20th timestep.", shown=False,
    )  # fmt: skip


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
