"""Two samplers' pictures against each other: wipe, signed differences, and where they part."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from dashboard.components.wipe import wipe
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import page_path
from dashboard.shell.routes import picture_url
from dashboard.views.compare.choice import choose_picture
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.pictures import draw_picture, png
from dashboard.worker.stored_runs import open_stored
from sdlab.comparing.columns import REFERENCE
from sdlab.comparing.result import Result
from sdlab.runs.run_folder import open_picture
from sdlab.sampler_names import short_names

if TYPE_CHECKING:
    from sdlab.comparing.divergence import Divergence
    from sdlab.runs.run import Run

GAINS = (1, 2, 4, 8)


class Difference(NamedTuple):
    """Two runs' difference.

    Attributes:
        picture: int16 [H, W, 3], the second's values minus the first's.
        latents: float32 [1, C, h, w], likewise; None if their sizes differ.
        divergence: Where they part; None if they do not.
        recorded: Whether both kept what it takes to tell.
        size: (width, height) of the pictures.
    """

    picture: np.ndarray
    latents: np.ndarray | None
    divergence: "Divergence | None"
    recorded: bool
    size: tuple[int, int]


@st.fragment
def difference_viewer(page: str, result: Result) -> None:
    """Draw the choice of two pictures and how they differ."""
    st.header("Two against each other", anchor=False)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        prompt, seed = choose_picture(f"{page}.pair", result.comparison, 330)
        runs, steady = _runs(result, prompt, seed)
        if len(runs) < 2:
            st.info("Fewer than two runs of this picture are stored.", icon=":material/info:")
            return
        names = list(runs)
        short = short_names(entrant.label for entrant in result.comparison.entrants)
        first, second = opening(names, steady, list(short.values()))
        _open_anew(page, result.comparison.id, names[first], names[second])
        a = _choose(page, "First", names, first, "a")
        b = _choose(page, "Second", names, second, "b")
    with explained():
        found = difference(runs[a], runs[b])
        pair = ((a, runs[a]), (b, runs[b]))
        _draw(page, *pair, prompt, found, result.created)


def opening(names: Sequence[str], last: int, chosen: Sequence[str] = ()) -> tuple[int, int]:
    """Return the places of the two that are shown at first: the nearest and the last in the order.

    Where just two samplers were chosen it is these. The reference is one of them only where there
    is no second sampler.

    Args:
        names: Of all that can be chosen, at least two, samplers in their order.
        last: How many of them lead up to the last that is ranked.
        chosen: The comparison's samplers.
    """
    if len(chosen) == 2 and set(chosen) <= set(names):
        return names.index(chosen[0]), names.index(chosen[1])
    own = [place for place, name in enumerate(names) if name != REFERENCE]
    if len(own) < 2:
        return own[0], 1 - own[0]
    return own[0], max(own[1], last - 1)


def _open_anew(page: str, comparison: str, a: str, b: str) -> None:
    """Show these two where another comparison was shown before, whatever was chosen there."""
    key = f"{page}.pair_of"
    if st.session_state.get(key, comparison) != comparison:
        st.session_state[f"{page}.a"], st.session_state[f"{page}.b"] = a, b
    st.session_state[key] = comparison


def difference(a: str, b: str) -> Difference:
    """Return how two stored runs differ.

    Raises:
        StoreError: If one cannot be read.
    """
    return _difference(a, b)


@st.cache_data(max_entries=32, show_spinner=False)
def _difference(a: str, b: str) -> Difference:
    from sdlab.comparing.divergence import divergence

    first, second = (open_stored(lab().runs, run) for run in (a, b))
    pictures = [_pixels(run) for run in (a, b)]
    same = first.latents.shape == second.latents.shape
    recorded = all(_recorded(run) for run in (first, second))
    return Difference(
        pictures[1] - pictures[0],
        (second.latents - first.latents).float().cpu().numpy() if same else None,
        divergence(first, second) if same and recorded and a != b else None,
        recorded,
        (pictures[0].shape[1], pictures[0].shape[0]),
    )


def signed(difference_: np.ndarray, gain: int) -> bytes:
    """Return a difference of pictures as PNG: grey is 0, brighter is more in the second.

    Args:
        difference_: int16 [H, W, 3], -255 ... 255.
        gain: By which it is multiplied before it is cut to the range.
    """
    from PIL import Image

    values = np.clip(128.0 + gain * difference_ / 2.0, 0, 255).astype(np.uint8)
    return png(Image.fromarray(values), side=512)


def _draw(
    page: str, a: tuple[str, str], b: tuple[str, str], prompt: str, found: Difference, made: str
) -> None:
    left, middle, right = st.columns(3, gap="medium")
    with left:
        first, second = (
            {"name": name, "src": picture_url(run, made), "alt": f"Picture by {name} of: {prompt}"}
            for name, run in (a, b)
        )
        wipe(first, second, found.size, f"{page}.wipe")
        st.caption("Drag across, or use the arrow keys.")
    with middle:
        gain = st.session_state.get(f"{page}.gain", GAINS[1])
        draw_picture(
            signed(found.picture, gain), f"Signed difference of the pictures by {a[0]} and {b[0]}"
        )
        bound().segmented_control(
            "Amplified",
            GAINS,
            default=GAINS[1],
            key=f"{page}.gain",
            format_func=lambda g: f"x {g}",
            label_visibility="collapsed",
        )
        rms = float(np.sqrt(np.mean(found.picture.astype(np.float64) ** 2)))
        st.caption(f"Second minus first; grey is equal. RMS {rms:.3g} of 255.")
    with right:
        if found.latents is None:
            st.info("The two have latents of different sizes.", icon=":material/info:")
        else:
            channel_grid(found.latents, f"the latents of {b[0]} minus those of {a[0]}")
            st.caption("Final latents, second minus first.")
    _parted(a, b, found)


def _parted(a: tuple[str, str], b: tuple[str, str], found: Difference) -> None:
    names = f"**{plain(a[0])}** and **{plain(b[0])}**"
    if a[1] == b[1]:
        said = "These are one and the same run."
    elif not found.recorded:
        said = "One of them kept no tensors, so it is not known where they part."
    elif found.divergence is None:
        said = f"{names} predict the same picture to the end: they never part for good."
    else:
        at = found.divergence
        said = (
            f"{names} part at sigma **{at.sigma:.3g}**: evaluation {at.evaluation_a} of the "
            f"first, {at.evaluation_b} of the second. From there on their predictions stay apart, "
            f"by {at.distance:.2g} std at first."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/call_split: {said}", width="stretch")
        for name, run in (a, b):
            st.page_link(
                page_path("run"), label=f"Run of {plain(name)}", icon=":material/frame_inspect:",
                query_params={"id": run},
            )  # fmt: skip


def _choose(page: str, label: str, names: list[str], default: int, key: str) -> str:
    return bound().selectbox(label, names, default, key=f"{page}.{key}", width=250)


def _runs(result: Result, prompt: str, seed: int) -> tuple[dict[str, str], int]:
    """Return the done runs of a picture by name, and how many are ranked at the first budget.

    First the reference, then the first budget's, then the others', whose names tell the budget.
    """
    from dashboard.views.compare.result import is_of, ranked

    comparison = result.comparison
    names = short_names(entrant.label for entrant in comparison.entrants)
    references = result.tables["references"]
    own = references[(references["prompt"] == prompt) & (references["seed"] == seed)]
    fine = [str(run) for run in own["run"] if run and is_of(result, run)]
    found = {REFERENCE: fine[0]} if fine else {}
    steady, unit = 0, "evaluations" if comparison.align == "nfe" else "steps"
    others = [budget for budget in comparison.budgets if budget != comparison.budget]
    for budget in (comparison.budget, *others):
        rows = ranked(result, prompt, seed, budget)
        done = rows[rows["state"] == "done"]
        done = done[np.array([is_of(result, str(run)) for run in done["run"]], bool)]
        at = f", {budget} {unit}" if budget != comparison.budget else ""
        steady = steady or len(found) + int(done["rank"].notna().sum())
        found |= {names[e] + at: r for e, r in zip(done["entrant"], done["run"], strict=True)}
    return found, steady


def _pixels(run: str) -> np.ndarray:
    image = open_picture(lab().runs / run).convert("RGB")
    return np.asarray(image).astype(np.int16)


def _recorded(run: "Run") -> bool:
    return "x0_pred" in run.experiment.record.tensors
