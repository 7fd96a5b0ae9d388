"""Both curves tried: an image noised along them, and one picture made with each."""

import html
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.address import bound
from dashboard.shell.lab import find, lab
from dashboard.shell.messages import explained, plain, show_error
from dashboard.shell.navigation import page_path
from dashboard.shell.state import come_back, session_id
from dashboard.shell.visitor import visitor
from dashboard.views.workbench.controls import PAGE, Baseline, CurveTrial
from dashboard.views.workbench.draft import Draft
from dashboard.widgets.go_button import go_button
from dashboard.widgets.job_panel import job_panel
from dashboard.widgets.noised_frames import Darkroom, Frame, develop
from dashboard.widgets.pictures import data_url, draw_picture, enlarged, png
from dashboard.widgets.source_picture import ChosenPicture
from dashboard.worker.stored_runs import StoredRun
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.noise.flow import time_to_sigma

FRAMES = 8


def experiments(draft: Draft, baseline: Baseline, trial: CurveTrial) -> dict[str, Experiment]:
    """Return the two experiments by the name of their curve.

    Raises:
        ValueError: If what was typed makes no experiment.
    """
    alike = partial(
        Experiment,
        prompt=trial.prompt,
        seed=trial.seed,
        solver=trial.solver,
        num_steps=draft.num_steps,
        model=lab().status().at_hand,
    )
    return {
        "yours": alike(curve=draft.curve, curve_options=draft.options),
        baseline.label: alike(curve=baseline.curve, curve_options=baseline.options),
    }


def show_pictures(draft: Draft, baseline: Baseline, trial: CurveTrial) -> None:
    """Draw the two pictures, made or to be made, side by side."""
    specs = experiments(draft, baseline, trial)
    missing = [spec for spec in specs.values() if find(spec.id) is None]
    if missing:
        press = go_button(
            PAGE,
            "Make both pictures" if len(missing) > 1 else "Make the other picture",
            width="content",
            about="Same prompt, seed, solver and steps; only the curve differs.",
        )
        if press.wanted():
            with explained():
                press.begin(lambda: _submit(missing))
            for spec in missing:
                come_back(spec.id)
            press.end()
            st.rerun()
    for place, (index, (name, spec)) in zip(
        st.columns(2, gap="medium"), enumerate(specs.items()), strict=True
    ):
        with place:
            st.markdown(f"**{plain(name)}**")
            _picture(spec, f"{PAGE}_{index}")


@st.cache_data(max_entries=32, show_spinner=False)
def sample_png(name: str) -> bytes:
    """Return a sample's picture as PNG."""
    from sdlab.embedded.samples import sample_picture

    return png(sample_picture(name))


def show_strip(draft: Draft, baseline: Baseline, trial: CurveTrial, flow: bool = False) -> None:
    """Draw a sample noised along both curves, at the same steps; ``flow`` if they are times."""
    from sdlab.embedded.samples import SAMPLES

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = bound().selectbox("Sample", list(SAMPLES), key=f"{PAGE}.sample")
        space = bound().segmented_control("Noise in", ("Latents", "Pixels"), key=f"{PAGE}.space")
    steps = np.unique(np.linspace(0, draft.num_steps, FRAMES).round().astype(int))
    try:
        with st.spinner("Noising the sample …"):
            pair = (draft.sigmas, baseline.sigmas)
            rows = _rows(name, space.lower(), trial.seed, steps, pair, flow)
    except SdlabError as error:
        show_error(error)
        return
    for label, sigmas, frames in zip(
        ("yours", baseline.label), (draft.sigmas, baseline.sigmas), rows, strict=True
    ):
        assert sigmas is not None  # a draft without them is not tried
        st.markdown(f"**{plain(label)}**")
        shown = strip_html(label, steps, sigmas[steps], frames, "t" if flow else "sigma")
        st.html(style(__file__) + shown)


def strip_html(
    label: str,
    steps: Iterable[int],
    sigmas: Iterable[float],
    frames: Sequence[Frame],
    name: str = "sigma",
) -> str:
    """Return frames side by side, each with its step and sigma, or what else they are of."""
    cells = []
    for step, sigma, frame in zip(steps, sigmas, frames, strict=True):
        alt = html.escape(f"{label}, step {step}, {name} {sigma:.3g}", quote=True)
        cells.append(
            f'<figure><img alt="{alt}" src="{data_url(png(frame.image()))}">'
            f"<figcaption>step {step}<br>{name} {sigma:.3g}</figcaption></figure>"
        )
    return (
        f'<div class="strip" tabindex="0" role="group" aria-label="{html.escape(label, True)}">'
        + ("".join(cells) + "</div>")
    )


def _rows(
    name: str,
    space: str,
    seed: int,
    steps: np.ndarray,
    curves: Sequence[np.ndarray | None],
    flow: bool,
) -> list[list[Frame]]:
    from sdlab.latents.image import fit

    model, (width, height), factor, fast = lab().ask(_facts)
    chosen = ChosenPicture(sample_png(name), name, "sample", name)
    image = fit(chosen.image(), width, height, "crop", factor).image
    room = Darkroom(space, "flow" if flow else "vp", seed, fast, model)
    drawn = [sigmas[steps] for sigmas in curves if sigmas is not None]
    levels = [(time_to_sigma(row) if flow else row).tolist() for row in drawn]
    every = list(dict.fromkeys(level for row in levels for level in row))
    made = dict(develop(chosen, image, every, room))
    return [[made[level] for level in row] for row in levels]


def _facts(model: object) -> tuple[str, tuple[int, int], int, bool]:
    view = lab().status().model
    fast = view is None or view.decodes_fast
    return model.hash, model.default_size, model.vae_factor, fast  # type: ignore[attr-defined]


def _picture(spec: Experiment, page: str) -> None:
    found = find(spec.id)
    if found is None:
        st.container(height=180, border=True).caption("Not made yet.")
    elif isinstance(found, StoredRun):
        alt = f"The picture of {spec.prompt or '(no prompt)'} along {spec.curve}"
        draw_picture(enlarged(found.picture), alt)
        st.page_link(
            page_path("run"),
            label="Every step of it",
            icon=":material/frame_inspect:",
            query_params={"id": spec.id},
        )
    else:
        job_panel(spec.id, page)


def _submit(specs: list[Experiment]) -> None:
    who, session = visitor().id, session_id()
    lab().asked_runs.claim(specs, who, session)
    for spec in specs:
        lab().submit(spec, owner=who, session=session)
