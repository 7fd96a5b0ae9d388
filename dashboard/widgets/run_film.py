"""The viewer of a run: its picture, and its tensors at every kept evaluation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from dashboard.components.layer_viewer import Heat, Layer, Layers, Place, show_layers
from dashboard.shell.address import fill, given, keep
from dashboard.shell.lab import lab
from dashboard.shell.navigation import page_path
from dashboard.shell.routes import frames_url, page_url, picture_url, words_url
from dashboard.worker.frames import Sheet
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.stored_runs import StoredRun
from dashboard.worker.word_maps import WordMaps, read_word_maps
from sdlab.latents.frames import CHANNELS

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "x_t": "the noisy latents",
    "x0_pred": "the guess of the clean picture",
    "eps_pred": "the guessed noise",
}
"""What the quantities of an evaluation are in words, beside their names wherever they are shown."""
MEANINGS = {name: f"{name}, {words}" for name, words in WORDS.items()}
PICTURE = "Picture"
ATTENTION = "Attention"
STRIPS = {
    "x_t": "What the model is given",
    "x0_pred": "The model's guess",
    "eps_pred": "The noise that the model sees",
    CHANNELS: "The latents",
    ATTENTION: "Where the word is read",
}
WAYS = {
    "decoded": "Frames are decoded by the VAE.",
    "linear": "Frames are a linear map from latents to colours; decoding them all takes long.",
    "false colour": "False colours (latent channels 0 to 2): another model is loaded.",
}
DRAFTS = {"decoded": "", "linear": "linear preview", "false colour": "preview in false colours"}
"""What a frame is that is saved, where it is not decoded."""
LAYER_NAMES = {CHANNELS: "Latents"}
WHERE_A_WORD_IS_READ = (
    "Where the word is read: its share of each place's attention, over the finished picture. The "
    "lightest is the word's largest share of any evaluation."
)
# Words without a place of their own; the viewer begins with another, if there is one.
PLAIN = frozenset(
    "a an the of on in at and or to with by from , . ; : left right above below".split()
)
BLURRED = "Why is it blurred?"
"""The question of the tab Causes that the notes on x0_pred lead to."""
EARLY = (
    "Blurred, as a mean is: the noise still allows many pictures, and the guess is near their mean."
)
LATE = "Sharper: the noise allows few pictures by now, and the guess is near their mean."
MOST_MARKS = 120
HOME = "home"
RESTED = "run.viewer_rested"
"""Of the session: whether the viewer has just come to rest."""
WHY = "run.viewer_asked"
"""Of the session: the evaluation of the note whose link was clicked just now."""
WITH_CAUSES = ("experiment", "run")
"""The pages that have a run's tabs below its viewer."""
FOLLOWING = "Causes"
"""The tab of a run with a slider that moves with the viewer's."""


def run_film(page: str, run: StoredRun, sheet: Sheet | None, steps: "pd.DataFrame") -> None:
    """Draw the viewer of a stored run; on most pages the address has where it stands.

    Args:
        page: For the widget key: the page's name.
        run: The run.
        sheet: Its frames; None while there are none.
        steps: Its steps table, for the captions.
    """
    facts = run.manifest
    version = f"{facts['created']}"
    words = f"The picture of: {facts['experiment']['prompt']}"
    picture = Layer(PICTURE, picture_url(run.id, version), "The finished picture.", alt=words)
    aspect = (facts["width"], facts["height"])
    layers = Layers(
        id=f"{run.id} {version}", subject=run.id, name=run.id, layers=[picture], aspect=aspect,
        small=page == HOME,
    )  # fmt: skip
    if sheet is not None:
        source = frames_url(run.id, f"{sheet.how} {len(sheet.webp)}")
        layers = with_frames(layers, sheet, source, steps)
        maps = read_word_maps(run.folder, facts["experiment"]["model"])
        if maps is not None:
            layers = _with_words(layers, maps)
    show_frames(page, layers)


def with_frames(layers: Layers, sheet: Sheet, source: str, steps: "pd.DataFrame") -> Layers:
    """Return the layers of a run with those that are on a sheet of its frames.

    Args:
        layers: Of the run.
        sheet: The frames.
        source: The sheet's address.
        steps: The run's steps table, for the captions.
    """
    films = [
        Layer(
            LAYER_NAMES.get(name, name), source, _meaning(name), row, frames=_strip(name),
            words=WORDS.get(name, ""),
            draft=DRAFTS.get(sheet.how, sheet.how) if name != CHANNELS else "",
            notes=notes(steps, sheet.kept) if name == "x0_pred" else (),
            why=BLURRED, href=page_url(f"run?{urlencode(why_blurred(layers.name))}"), tab=FOLLOWING,
        )
        for row, name in enumerate(sheet.names)
    ]  # fmt: skip
    labels = frame_labels(steps, sheet.kept)
    marks = [str(k) for k in sheet.kept] if len(sheet.kept) <= MOST_MARKS else None
    return replace(
        layers, id=f"{layers.id} {sheet.how} {len(sheet.webp)}", layers=[*layers.layers, *films],
        size=sheet.size, columns=sheet.columns, rows=len(sheet.names), numbers=sheet.kept,
        labels=labels, marks=marks,
    )  # fmt: skip


def _with_words(layers: Layers, words: WordMaps) -> Layers:
    """Return the layers of a run with the heat maps of its words."""
    source = words_url(layers.name, layers.id)
    own = {number: place for place, number in enumerate(words.evaluations)}
    places = [own.get(number) for number in layers.numbers]
    heat = Heat(words.words, places, len(words.evaluations), words.size, words.columns)
    layer = Layer(ATTENTION, source, WHERE_A_WORD_IS_READ, heat=heat, frames=_strip(ATTENTION))
    return replace(
        layers, id=f"{layers.id} words", layers=[*layers.layers, layer],
        start=Place(word=(telling(words.words) or words.words)[0]),
    )  # fmt: skip


def telling(words: Sequence[str]) -> list[str]:
    """Return the words that say what is in the picture."""
    return [label for label in words if label.split(" (")[0].casefold() not in PLAIN]


def live_film(page: str, view: RunSnapshot) -> None:
    """Draw the viewer of a run that is not done: its latest preview.

    Args:
        page: For the widget key: the page's name.
        view: The run.
    """
    words = f"Preview of x0_pred after evaluation {view.done} of {view.total}"
    source = picture_url(view.id, f"{view.done}-{view.state}") if view.preview else ""
    caption = f"{MEANINGS['x0_pred']}." if source else ""
    marks = [str(k) for k in range(view.total)] if view.total <= MOST_MARKS else None
    show_layers(
        Layers(
            id=f"{view.id} live {view.total}",
            subject=f"{view.id} live",
            name=view.id,
            layers=[Layer("Preview", source, caption, alt=words, frames=_strip("x0_pred"))],
            aspect=_size(view),
            small=page == HOME,
            labels=[f"evaluation {mark}" for mark in marks or ()],
            marks=marks,
            empty="The preview appears with the first step.",
            live=view.done,
        ),
        f"{page}.viewer",
    )


def _size(view: RunSnapshot) -> tuple[int, int]:
    """Return (width, height) that a run's picture will have, or a square until that is known."""
    model, asked = lab().status().model, view.experiment
    width, height = model.default_size if model is not None else (1, 1)
    return asked.width or width, asked.height or height


@st.fragment
def show_frames(page: str, layers: Layers) -> None:
    """Draw the viewer; once it rests the address says where, but on the Home page.

    Args:
        page: For the widget key: the page's name.
        layers: What there is to see.
    """

    def rested(place: Place) -> None:
        st.session_state[RESTED] = True
        keep("layer", place.layer if place.layer != PICTURE else "")
        keep("step", "" if place.frame is None else str(layers.numbers[place.frame]))
        keep("word", place.word)

    def asked(number: int) -> None:
        st.session_state[WHY] = number
        if page in WITH_CAUSES:  # which have the answer below
            fill({"run.tab": FOLLOWING, "run.cause": BLURRED})
            rested(Place("x0_pred", list(layers.numbers).index(number)))

    own = page != HOME  # the address is the run's
    start = _asked(layers) if own else layers.start
    show_layers(replace(layers, start=start), f"{page}.viewer", rested if own else None, asked)
    number = st.session_state.pop(WHY, None)
    if number is not None and page not in WITH_CAUSES:
        to = {**why_blurred(layers.name), "step": str(number)}
        st.switch_page(page_path("run"), query_params=to)
    moved = st.session_state.pop(RESTED, False) and given("run.tab") == FOLLOWING
    if number is not None or moved:
        st.rerun()


def _asked(layers: Layers) -> Place:
    """Return where the address says that the viewer stands; what is not there is left out."""
    layer, step = given("layer"), given("step")
    word = given("word") or layers.start.word
    names = [found.name for found in layers.layers]
    kept = [str(number) for number in layers.numbers]
    if step not in kept:
        return Place(layer or layers.start.layer, word=word)
    best = "x0_pred" if "x0_pred" in names else names[-1]
    return Place(layer if layer in names else layers.start.layer or best, kept.index(step), word)


def _meaning(name: str) -> str:
    """Return what a layer shows."""
    if name == CHANNELS:
        return "Every channel of x_t, in grey: the middle is 0, black and white the largest values."
    return f"{MEANINGS[name]}."


def notes(steps: "pd.DataFrame", kept: Sequence[int]) -> list[str]:
    """Return of each kept x0_pred why it is blurred, or no longer.

    Early is where there is more noise than picture, sigma above 1.

    Args:
        steps: The run's steps table.
        kept: Evaluations.
    """
    sigmas = steps.set_index("evaluation")["sigma"]
    return [EARLY if sigmas[number] > 1 else LATE for number in kept]


def why_blurred(run: str) -> dict[str, str]:
    """Return the address parameters of a run's page where it answers why x0_pred is blurred."""
    return {"id": run, "layer": "x0_pred", "run.tab": FOLLOWING, "run.cause": BLURRED}


def _strip(name: str) -> str:
    """Return what the small frames of a layer show."""
    return f"{STRIPS[name]} at each evaluation, counted from 0."


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


def say_words(*names: str) -> None:
    """Draw what quantities of an evaluation are in words, below a choice among their names."""
    st.caption(" · ".join(f"{name}: {WORDS[name]}" for name in names))
