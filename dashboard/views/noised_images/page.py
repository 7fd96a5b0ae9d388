"""The Noised images page: the strip, the charts, the table, and an explanation."""

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.charts import noised as charts
from dashboard.components.scrubber import Film, show_film
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening
from dashboard.shell.model_choice import say_no_model
from dashboard.shell.theme import scheduler_color
from dashboard.views.noised_images import seen
from dashboard.views.noised_images.controls import Settings, fit_choice, noised_controls
from dashboard.views.noised_images.schedules import levels
from dashboard.views.noised_images.strips import labelled_strip, sheet
from dashboard.widgets.downloads import csv_button, file_button
from dashboard.widgets.figure import figure, why
from dashboard.widgets.noised_frames import Darkroom, Frame, develop
from dashboard.widgets.pictures import data_url
from dashboard.widgets.source_picture import ChosenPicture, choose_picture

if TYPE_CHECKING:
    from PIL import Image
    from streamlit.elements.lib.column_types import ColumnConfig

_QUIET_SECONDS = 0.4
_LARGEST_AREA = 4  # times the model's own: what is larger is brought to the model's size


@dataclass(frozen=True)
class _Model:
    hash: str
    config: dict[str, Any]
    factor: int
    size: tuple[int, int]


@dataclass(frozen=True)
class _Strips:
    settings: Settings
    tables: list[pd.DataFrame]
    rows: list[list[Frame]]

    @property
    def labels(self) -> list[str]:
        return [shown.label for shown in self.settings.schedules]

    @property
    def colors(self) -> dict[str, str]:
        return {shown.label: scheduler_color(shown.solver) for shown in self.settings.schedules}

    def table(self) -> pd.DataFrame:
        parts = []
        for shown, table, row in zip(self.settings.schedules, self.tables, self.rows, strict=True):
            named = {"series": shown.label, "solver": shown.solver, "training": shown.training}
            parts.append(table.assign(**named, psnr_db=[frame.psnr_db for frame in row]))
        frame = pd.concat(parts, ignore_index=True)
        lead = ["series", "solver", "training"]
        return frame[[*lead, *(c for c in frame.columns if c not in lead)]]


def noised_images(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    with opening(), explained():
        catalogue = lab().catalogue()
        model = lab().ask(_facts)
    if catalogue is None:
        say_no_model()
        return
    view = lab().status().model
    left, right = st.columns([3, 8], gap="medium")
    with left:
        picture = choose_picture(page)
        image, note = _fitted(page, picture, model) if picture else (None, "")
    with right, explained():
        settings = noised_controls(page, catalogue, view is None or view.decodes_fast)
        tables = _tables(settings, model)
        if picture is None or image is None:
            st.info("Choose a picture first.", icon=":material/image:")
            return
        strips = _develop(page, picture, image, settings, tables, model)
        if strips is None:
            return
        _show_film(page, picture, strips)
        _say(settings, tables[0], note)
    with explained():
        _show_numbers(page, picture, strips)


def _facts(model: Any) -> _Model:
    config = dict(model.scheduler_config)
    return _Model(model.hash, config, model.vae_factor, model.default_size)


def _tables(settings: Settings, model: _Model) -> list[pd.DataFrame]:
    width, height = model.size
    tokens = max(1, width * height // (2 * model.factor) ** 2)
    tables = [
        levels(shown, settings.num_steps, model.config, tokens) for shown in settings.schedules
    ]
    shared = set.intersection(*(set(table["step"]) for table in tables))
    return [table[table["step"].isin(shared)].reset_index(drop=True) for table in tables]


def _fitted(page: str, picture: ChosenPicture, model: _Model) -> "tuple[Image.Image, str]":
    """Return the picture on the model's grid, and what that took; "" if nothing."""
    from sdlab.latents.image import fit

    image, (width, height) = picture.image(), model.size
    on_grid = not (image.width % model.factor or image.height % model.factor)
    if on_grid and width * height <= image.width * image.height <= _LARGEST_AREA * width * height:
        return image, ""
    same_shape = image.width * height == image.height * width
    how = "crop" if same_shape else fit_choice(page)
    fitted = fit(image, width, height, how, model.factor)
    return fitted.image, fitted.notes[-1] if fitted.notes else ""


def _develop(
    page: str,
    picture: ChosenPicture,
    image: "Image.Image",
    settings: Settings,
    tables: list[pd.DataFrame],
    model: _Model,
) -> _Strips | None:
    """Return all frames, with progress and a way to stop where it takes long; None if stopped."""
    decoded = settings.decode and settings.space == "latents"
    room = Darkroom(settings.space, settings.view, settings.seed, decoded, model.hash)
    sigmas = list(dict.fromkeys(float(s) for table in tables for s in table["sigma"]))
    job = hashlib.sha256(repr((picture.digest, image.size, room, sigmas)).encode()).hexdigest()
    stopped = f"{page}.stopped"
    if st.session_state.get(stopped) == job:
        st.info("Stopped; the frames made so far are kept.", icon=":material/stop_circle:")
        st.button("Go on", key=f"{page}.go_on", on_click=_note, args=(stopped, ""))
        return None
    place, begun, frames = st.empty(), time.monotonic(), {}
    bar = None
    for sigma, frame in develop(picture, image, sigmas, room):
        frames[sigma] = frame
        if bar is None and time.monotonic() - begun > _QUIET_SECONDS:
            with place.container(horizontal=True, vertical_alignment="center"):
                bar = st.progress(0.0)
                st.button("Stop", key=f"{page}.stop", on_click=_note, args=(stopped, job))
        if bar is not None:
            share = len(frames) / len(sigmas)
            bar.progress(share, text=f"Frame {len(frames)} of {len(sigmas)}")
    place.empty()
    rows = [[frames[float(s)] for s in table["sigma"]] for table in tables]
    return _Strips(settings, tables, rows)


def _note(key: str, value: str) -> None:
    st.session_state[key] = value


def _show_film(page: str, picture: ChosenPicture, strips: _Strips) -> None:
    png, size = sheet(strips.rows)
    digest = hashlib.sha256(png).hexdigest()
    count = strips.settings.num_steps
    steps = [int(step) for step in strips.tables[0]["step"]]
    film = Film(
        id=digest + "".join(strips.labels),
        subject=f"{page} {len(steps)}",
        sheet=data_url(png),
        size=size,
        columns=len(steps),
        labels=[f"Step {s} of {count}" if s < count else f"End, after step {s}" for s in steps],
        names=[shown.name for shown in strips.settings.schedules],
        captions=strips.labels,
        unit="Step",
        details=[
            [_detail(*pair) for pair in zip(table.itertuples(), row, strict=True)]
            for table, row in zip(strips.tables, strips.rows, strict=True)
        ],
        marks=[str(step) for step in steps],
    )
    with st.container(key=f"{page}_film"):
        show_film(film, f"{page}.film")


def _detail(level: Any, frame: Frame) -> str:
    snr = "no noise" if np.isposinf(level.snr_db) else f"SNR {level.snr_db:.1f} dB"
    snr = "noise alone" if np.isneginf(level.snr_db) else snr
    psnr = "as the picture" if np.isinf(frame.psnr_db) else f"PSNR {frame.psnr_db:.1f} dB"
    time = getattr(level, "flow_time", None)
    place = f"sigma {level.sigma:.4g}" if time is None else f"t {time:.4g}"
    return f"{place} · {snr} · {psnr}"


def _say(settings: Settings, table: pd.DataFrame, note: str) -> None:
    words = [note] if note else []
    if len(table) < settings.num_steps + 1:
        words.append(f"{len(table)} of {settings.num_steps + 1} levels are drawn, evenly chosen.")
    if settings.view == "ve":
        words.append(
            "VE: x0 + sigma eps, each frame rescaled to the picture's own mean and spread."
        )
    if settings.space == "latents" and not settings.decode:
        words.append("Drawn by a linear map from latents to colours; this model's VAE is slow.")
    if words:
        st.caption(" ".join(words))


def _show_numbers(page: str, picture: ChosenPicture, strips: _Strips) -> None:
    table = strips.table()
    st.header("Signal and noise", anchor=False)
    with st.grid(2, min_column_width=320, gap="medium"):
        with st.container(gap="xsmall"):
            figure(charts.snr(table, strips.colors), seen.SNR_SEEN)
        with st.container(gap="xsmall"):
            equal = np.isinf(table["psnr_db"]).any()
            figure(
                charts.psnr(table, strips.colors),
                seen.PSNR_SEEN,
                more=seen.EQUAL if equal else None,
            )
    why(seen.WHY, *seen.EQUATIONS, label="Why do they differ?")
    with st.container(horizontal=True):
        strip = _strip_png(picture, strips)
        file_button("Strip (PNG)", strip, "noised-strip.png", f"{page}.png", "image")
        csv_button(table, "noised", f"{page}.csv")
    with st.expander(f"The numbers: {len(table)} rows, one a noise level"):
        st.dataframe(
            table, hide_index=True, height=330, column_config=_columns(), alt="Noise levels"
        )


def _strip_png(picture: ChosenPicture, strips: _Strips) -> bytes:
    chosen = strips.settings
    name = " ".join(picture.label.split())[:120]
    title = (
        f"{name} | noise in {chosen.space}, {chosen.view.upper()}, seed {chosen.seed}, "
        f"{chosen.num_steps} steps"
    )
    return labelled_strip(strips.labels, strips.tables, strips.rows, title)


def _columns() -> "dict[str, ColumnConfig]":
    number = st.column_config.NumberColumn
    return {
        "series": st.column_config.TextColumn("schedule"),
        "sigma": number("sigma", format="%.5g", help="sqrt((1 - alpha_bar) / alpha_bar)"),
        "timestep": number("timestep", format="%.5g", help="Training timestep; none at the end"),
        "alpha_bar": number("alpha_bar", format="%.5g", help="Share of the picture's variance"),
        "log_snr": number("log_snr", format="%.4g", help="-2 ln sigma (nat)"),
        "snr_db": number("SNR (dB)", format="%.2f", help="-20 log10 sigma"),
        "psnr_db": number("PSNR (dB)", format="%.2f", help="Of the frame as shown, 8 bits"),
        "flow_time": number("t", format="%.5g", help="Flow matching's time, sigma / (1 + sigma)"),
    }
