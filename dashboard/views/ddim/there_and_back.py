"""There and back: a picture inverted and regenerated, and what each method loses."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition, definitions
from dashboard.views.ddim import form
from dashboard.views.ddim.whose_loss import BEFORE, whose_loss
from dashboard.views.ddim.work import compare
from dashboard.widgets.channel_pictures import channel_grid, scale_bar
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.latent_source import Source
from dashboard.widgets.latent_statistics import statistics
from dashboard.widgets.pictures import draw_picture, png
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView
from sdlab.ddim.schemes import METHODS

if TYPE_CHECKING:
    from PIL import Image

    from sdlab.ddim.settings import DdimSettings
    from sdlab.ddim.study import ThereAndBack

SIDE = 384
EQUATION = (
    r"x_\sigma = x_{\sigma'} + (\sigma - \sigma')\,\epsilon_\theta(x_\sigma, \sigma) \;\approx\; "
    r"x_{\sigma'} + (\sigma - \sigma')\,\epsilon_\theta(x_{\sigma'}, \sigma)"
)
WHY = (
    "To undo a step from sigma to sigma', eps is needed at the noisier end, which is not known "
    "yet. **Naive** inversion takes it at the cleaner state, an error of first order: half as "
    "long steps, half the loss. **Fixed point** puts the result back in until both sides agree. "
    "**EDICT** couples two states so that every step can be undone exactly; **O-BELM** makes each "
    "point of the two before it, which the two after it give back. Guidance makes eps change "
    "faster, and so every loss larger."
)
LOSSES = {
    "rmse": "Lower is nearer: of the latents, over their own size.",
    "psnr": "Higher is nearer, in decibels.",
    "ssim": "1 is equal in structure.",
}
AGAINST = {
    "Steps": ((10, 20, 40), None),
    "Guidance": (None, (1.0, 2.0, 4.0)),
}


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    from sdlab.ddim.study import there_and_back

    page = f"{page}.back"
    source, right = form.source_beside(page, model)
    if source is None:
        return
    with right:
        settings = _settings(page, source, model.plain)
        outcome = study_panel(
            page,
            "Invert and regenerate",
            (source.digest, settings),
            partial(_work, there_and_back, source.latents, settings),
            runs=[form.run_on(source.latents, settings.num_steps, model)],
        )
        if outcome is not None:
            pictures(_shown(source, outcome), outcome.likeness)
            measures(outcome)
            said = whose_loss(source.image, outcome.before, outcome.after, not source.encoded)
            st.markdown(said, help=definitions(said))
            st.markdown(why_missed(outcome, settings.method))
            st.latex(EQUATION)
    if outcome is not None:
        _errors(page, outcome, settings.method)
        _noise(page, outcome)
    _comparison(page, source, settings, model)


def _settings(page: str, source: Source, plain: bool) -> "DdimSettings":
    from sdlab.ddim.settings import DdimSettings

    text = form.caption(page, source.caption)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps, scale = form.num_steps(page), form.guidance(page, 1.0)
        negative = form.negative(page, scale)
    method, rounds = form.method(page)
    settings = DdimSettings(text, negative, scale, method, steps, iterations=rounds)
    count = settings.evaluations(by_step=True, asked=not plain)
    st.caption(f"{count:,} network evaluations.", help=definition("evaluation"))
    return settings


def _work(run: Any, latents: Any, settings: "DdimSettings", model: Any) -> Any:
    import torch

    return run(model, torch.from_numpy(latents), settings, by_step=True)


def _shown(source: Source, outcome: "ThereAndBack") -> "list[tuple[Image.Image, str]]":
    """Return the pictures of a round trip with what each is."""
    shown = [(outcome.before, BEFORE), (outcome.after, "There and back")]
    if source.encoded and source.image is not None:
        shown.insert(0, (source.image, "Your picture, before the VAE"))
    return shown


def why_missed(outcome: "ThereAndBack", method: str) -> str:
    """Return in a sentence why the way back misses, with this round trip's figures."""
    alone = outcome.step_errors
    if alone is None or method in ("edict", "o_belm"):
        name = "O-BELM" if method == "o_belm" else "EDICT"
        return (
            f"{name} undoes every step exactly: what is left, {outcome.rmse:.1e} of the latents' "
            "size, is rounding."
        )
    rounds = "puts it back in until both sides agree" if method == "fixed_point" else "leaves it so"
    return (
        "**Why does the way back miss?** On the way to the noise a step needs eps at its noisier "
        f"end, which is not known yet, so it is taken at the cleaner one; this method {rounds}. "
        f"Undone by itself, a step misses by {alone['relative'].mean():.1e} of the size of x_t on "
        f"average and by {alone['relative'].max():.1e} at most; {len(alone)} of them, each from "
        f"where the one before ended, miss the latents by {outcome.rmse:.1e} of their size."
    )


def pictures(shown: "list[tuple[Image.Image, str]]", likeness: Any) -> None:
    """Draw pictures with what each is, and the map of the difference of the last two."""
    from sdlab.latents.maps import HEAT, heat_map, squares

    limit = max(8.0, float(likeness.error.max()))
    drawn = [(squares(picture, SIDE), words) for picture, words in shown]
    drawn.append((heat_map(likeness.error, limit, SIDE), "Difference of these two"))
    with st.grid(len(drawn), min_column_width=150, gap="small"):
        for picture, words in drawn:
            with st.container(gap="xsmall"):
                draw_picture(png(picture), words)
                st.caption(words)
    scale_bar(HEAT, "0", f"{limit:.0f} of 255")


def measures(outcome: "ThereAndBack") -> None:
    """Draw the figures of a round trip."""
    alike = outcome.likeness
    with st.container(horizontal=True):
        st.metric(
            "Relative RMSE", f"{outcome.rmse:.2e}", border=True,
            help=f"{definition('RMSE')} Here of the latents.",
        )  # fmt: skip
        psnr = "equal" if alike.psnr == float("inf") else f"{alike.psnr:.2f} dB"
        st.metric("PSNR", psnr, border=True, help=definition("PSNR"))
        st.metric("SSIM", f"{alike.ssim:.4f}", border=True, help=definition("SSIM"))


def _errors(page: str, outcome: "ThereAndBack", method: str) -> None:
    from dashboard.charts import ddim as charts

    st.header("Error along both ways", anchor=False)
    alone = outcome.step_errors
    table = outcome.errors.assign(method="the whole way")
    both = [table] if alone is None else [table, alone.assign(method="each step by itself")]
    shown = pd.concat(both, ignore_index=True)
    figure(
        charts.way_errors(shown),
        "How far the way back misses the way there, from the noise (left) to the picture (right).",
        more="*The whole way* compares the states of inversion and regeneration at each level. "
        "*Each step by itself* undoes every inversion step at once. Errors of 0 cannot be drawn on "
        "a log scale.",
    )
    why(WHY, EQUATION)
    csv_table(
        shown.rename(columns={"method": "what"}), f"ddim-errors-{method}", f"{page}.csv_errors",
        "Error at every level.", shown=False,
    )  # fmt: skip


def _noise(page: str, outcome: "ThereAndBack") -> None:
    st.header("Is the noise found Gaussian?", anchor=False)
    noise = outcome.noise.numpy()
    channel_grid(noise, "the inverted noise")
    statistics(page, noise)


def _comparison(page: str, source: Source, settings: "DdimSettings", model: ModelView) -> None:
    from dashboard.charts import ddim as charts

    st.header("All methods compared", anchor=False)
    against = bound().segmented_control(
        "Against", list(AGAINST), default="Steps", key=f"{page}.against"
    )
    steps, guidances = AGAINST[against]
    chosen = (steps or (settings.num_steps,), guidances or (settings.guidance_scale,))
    table = study_panel(
        f"{page}.compare",
        "Compare",
        (source.digest, settings, chosen),
        partial(
            compare,
            latents=source.latents,
            settings=settings,
            methods=METHODS,
            steps=chosen[0],
            guidances=chosen[1],
        ),  # fmt: skip
        kind="secondary",
        runs=[form.run_on(source.latents, max(chosen[0]), model)],
    )
    if table is None:
        total = sum(
            settings.with_(method=method, num_steps=count).evaluations(asked=not model.plain)
            for method in METHODS
            for count in chosen[0]
        )
        st.caption(
            f"Every method at {_values(chosen[0], chosen[1])}: RMSE, PSNR and SSIM of the round "
            f"trip, {total * len(chosen[1]):,} network evaluations."
        )
        return
    with st.grid(len(charts.LOSSES), min_column_width=250, gap="medium"):
        for measure in charts.LOSSES:
            chart = charts.losses(table, "num_steps" if steps else "guidance_scale", measure)
            with st.container(gap="xsmall"):
                figure(chart, LOSSES[measure])
    csv_table(
        table, "ddim-methods", f"{page}.csv_methods",
        "Loss of every method; the PSNR of equal pictures is infinite, and not drawn.",
        {
            "rmse": st.column_config.NumberColumn("relative RMSE", format="%.3g"),
            "psnr": st.column_config.NumberColumn("PSNR (dB)", format="%.2f"),
            "ssim": st.column_config.NumberColumn("SSIM", format="%.4f"),
        },
    )  # fmt: skip


def _values(steps: tuple[int, ...], guidances: tuple[float, ...]) -> str:
    numbers, scales = (", ".join(f"{v:g}" for v in values) for values in (steps, guidances))
    return f"{numbers} steps and guidance {scales}"
