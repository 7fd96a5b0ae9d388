"""One timestep: the noised picture, true and predicted noise, and their squared difference."""

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.views.training import seen
from dashboard.views.training.form import Asked
from dashboard.views.training.work import Seen, look_at
from dashboard.widgets.channel_pictures import scale_bar
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import why
from dashboard.widgets.pictures import draw_picture, png
from dashboard.widgets.run_film import WORDS
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from sdlab.objective.looking import Look

SIDE = 192
ASKED = {"caption": "with its caption", "none": "with none"}
NAMES = {
    "epsilon": "noise",
    "sample": "picture",
    "v_prediction": "v",
    "velocity": "velocity",
}


def show(page: str, asked: Asked, model: ModelView) -> None:
    """Draw the section."""
    found = look_at(page, asked, model)
    if found is None:
        return
    _losses(found.look)
    st.markdown(what_the_loss_says(found.look))
    _pictures(asked, found)
    _maps(page, found.look)
    why(seen.WHY_LOSS, *(seen.FLOW_LOSS if asked.level.path == "flow" else seen.LOSS))
    csv_table(
        table(found.look), f"training-t{asked.level.timestep}", f"{page}.csv_look",
        "The loss of each latent channel.", shown=False,
    )  # fmt: skip


def _losses(look: "Look") -> None:
    what = NAMES[look.kind]
    with st.container(horizontal=True):
        for name, words in ASKED.items():
            st.metric(
                f"Loss {words}", f"{look.loss(name):.4f}", border=True,
                help=f"Mean of (predicted {what} - true {what})² over all latent values.",
            )  # fmt: skip
        told = look.loss("none") / max(look.loss("caption"), 1e-12)
        st.metric(
            "None over caption", f"{told:.2f} x", border=True,
            help="Above 1 the caption helps to guess what is noise.",
        )  # fmt: skip


def what_the_loss_says(look: "Look") -> str:
    """Return in sentences what the network was asked at this noise level, and how well it did."""
    what, told, none = NAMES[look.kind], look.loss("caption"), look.loss("none")
    level = look.level
    picture = 1 - level.time if level.path == "flow" else level.alpha_bar
    shares = "weights" if level.path == "flow" else "variance"
    said = (
        f"**At t = {level.timestep}** x_t is {picture:.0%} picture and {1 - picture:.0%} noise, by "
        f"{shares}. Asked for the {what}, the network misses it by {told:.3g} per value with the "
        f"caption, squared, and by {none:.3g} with none"
    )
    if look.kind == "epsilon":
        said += "; who answers 0 everywhere misses it by 1, the noise's own variance"
    helped = 1 - told / none if none else 0.0
    way = f"lowers the loss by {helped:.0%}" if helped > 0 else "does not help"
    return f"{said}. The caption {way} here."


def _pictures(asked: Asked, found: Seen) -> None:
    shown = [
        (found.x_t, f"x_t: {WORDS['x_t']}"),
        *(
            (png, f"x0_pred, {WORDS['x0_pred']}, {ASKED[name]}")
            for name, png in found.x0_pred.items()
        ),
    ]
    if asked.source.image is not None:
        from sdlab.latents.maps import squares

        shown.insert(0, (png(squares(asked.source.image, SIDE)), "x0: the picture"))
    _row(shown)


def _maps(page: str, look: "Look") -> None:
    from sdlab.latents.maps import HEAT, STOPS, channel_maps, heat_map

    channels, what = look.x0.shape[1], NAMES[look.kind]
    channel = 0
    if channels > 1:
        channel = bound().segmented_control(
            "Latent channel", list(range(channels)), key=f"{page}.channel_{channels}"
        ) if channels <= 8 else bound().number_input(
            "Latent channel", 0, channels - 1, 0, key=f"{page}.channel_{channels}", width=140
        )  # fmt: skip
    truth, said = look.truth()[:, channel], look.predicted("caption")[:, channel]
    reach = float(max(truth.abs().max(), said.abs().max())) or 1.0
    errors = {name: look.squared_error(name)[0, channel].numpy() for name in ASKED}
    limit = max(float(error.max()) for error in errors.values()) or 1.0
    signed = [channel_maps(x, reach, SIDE)[0] for x in (truth, said)]
    heat = [heat_map(error, limit, SIDE) for error in errors.values()]
    names = (
        f"True {what}",
        f"Predicted {what}, {ASKED['caption']}",
        *(f"Squared difference, {words}" for words in ASKED.values()),
    )
    _row([(png(image), name) for image, name in zip(signed + heat, names, strict=True)])
    left, right = st.columns(2, gap="medium")
    with left:
        scale_bar(STOPS, f"-{reach:.3g}", "0", f"{reach:.3g}")
    with right:
        scale_bar(HEAT, "0", f"{limit:.3g}")


def _row(pictures: list[tuple[Any, str]]) -> None:
    with st.grid(len(pictures), min_column_width=130, gap="small"):
        for picture, words in pictures:
            with st.container(gap="xsmall"):
                draw_picture(picture, words)
                st.caption(words)


def table(look: "Look") -> pd.DataFrame:
    """Return the mean squared error of each channel, and of all, under both conditionings."""
    rows = []
    for name in ASKED:
        error = look.squared_error(name)[0].flatten(1).mean(1)
        places = [*(str(channel) for channel in range(len(error))), "all"]
        for place, value in zip(places, [*error.tolist(), look.loss(name)], strict=True):
            rows.append(
                {
                    "conditioning": name, "timestep": look.level.timestep,
                    "sigma": look.level.sigma, "predicts": look.kind, "channel": place,
                    "loss": value,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
