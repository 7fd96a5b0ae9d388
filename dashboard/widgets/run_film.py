"""The frames of a run to scrub through: x_t beside x0_pred at every kept evaluation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components.scrubber import Film, show_film
from dashboard.widgets.pictures import data_url
from dashboard.worker.frames import Sheet

if TYPE_CHECKING:
    import pandas as pd

MEANINGS = {
    "x_t": "x_t, what the network is given",
    "x0_pred": "x0_pred, the picture it predicts",
    "eps_pred": "eps_pred, the noise it sees",
}


def run_film(run: str, sheet: Sheet, steps: "pd.DataFrame", explain: bool = True) -> None:
    """Draw the scrubber of a run.

    Args:
        run: The run's id.
        sheet: Its frames.
        steps: Its steps table, for the captions.
        explain: Whether to say how the frames were drawn.
    """
    film = Film(
        id=f"{run} {sheet.how} {len(sheet.webp)}",
        subject=run,
        sheet=data_url(sheet.webp, "webp"),
        size=sheet.size,
        columns=sheet.columns,
        labels=frame_labels(steps, sheet.kept),
        names=sheet.names,
        captions=[MEANINGS[name] for name in sheet.names],
        unit="Evaluation",
    )
    show_film(film, "run.scrubber")
    words = {
        "decoded": "Frames are decoded by the VAE.",
        "linear": "Frames are a linear map from latents to colours; decoding them all takes long.",
        "false colour": "False colours (latent channels 0 to 2): another model is loaded.",
    }
    if explain:
        st.caption(words.get(sheet.how, sheet.how))


def frame_labels(steps: "pd.DataFrame", kept: Sequence[int]) -> list[str]:
    """Return what stands below each frame, by the numbers of the tables: from 0.

    Raises:
        ValueError: If an evaluation is not in the table.
    """
    rows = steps.set_index("evaluation").to_dict("index")
    missing = [k for k in kept if k not in rows]
    if missing:
        raise ValueError(f"The steps table has no evaluation {missing[0]}.")
    return [
        frame_label(k, int(rows[k]["step"]), rows[k]["timestep"], rows[k]["sigma"]) for k in kept
    ]


def frame_label(evaluation: int, step: int, timestep: float, sigma: float) -> str:
    """Return where in a run a frame is."""
    where = f"evaluation {evaluation} · step {step} · timestep {timestep:.5g}"
    return f"{where} · sigma {sigma:.4g}".replace("sigma inf", "noise alone")
