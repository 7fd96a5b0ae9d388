"""The viewer: which words, layers and heads, and their maps over the picture."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.charts.names import short_layers
from dashboard.components.heat_viewer import HeatFilm, HeatPlace, heat_viewer
from dashboard.shell.address import bound, given, keep
from dashboard.shell.messages import explained
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.subject import Subject
from dashboard.widgets.run_film import frame_label, telling
from sdlab.attention import views
from sdlab.attention.words import labelled

if TYPE_CHECKING:
    import numpy as np

    from sdlab.attention.maps import AttentionMaps

ALL = "all layers"
PLACE = f"{PAGE}.place"
AT = re.compile(r"(0\.\d{1,6}|[01]|1\.0{1,6}),(0\.\d{1,6}|[01]|1\.0{1,6})")
"""A place in the address: shares of the width and height."""
FIRST = 3
MOST = 6


@dataclass(frozen=True)
class Look:
    """What is looked at.

    Attributes:
        words: Label and token positions of each word or phrase.
        layer: Layers, in ``AttentionRecord``'s words; None for all.
        head: One head; None for all together.
        half: "cond" or "uncond".
        evaluations: Those that means are taken over.
    """

    words: tuple[tuple[str, tuple[int, ...]], ...]
    layer: str | None
    head: int | None
    half: str
    evaluations: tuple[int, ...]

    @property
    def every(self) -> dict[str, Any]:
        """The matching fields of ``views.Choice``, at every evaluation."""
        return {"layer": self.layer, "head": self.head, "half": self.half}

    @property
    def choice(self) -> dict[str, Any]:
        """The same, over the chosen evaluations."""
        return {**self.every, "evaluation": self.evaluations}


def look_controls(subject: Subject) -> Look | None:
    """Draw the choice of words, layers and heads; None while no word is chosen."""
    maps = subject.maps
    half = _half(maps)
    found = {label: tuple(places) for label, places in labelled(maps.tokens[half])}
    if not found:
        which = "The prompt" if half == "cond" else "The negative prompt"
        st.info(f"{which} has no words, so there is nothing to look for.")
        return None
    first = telling(list(found))[:FIRST] or list(found)[:1]
    picked = bound().pills(
        "Words",
        list(found),
        selection_mode="multi",
        default=first,
        key=f"{PAGE}.words.{half}.{_prompt_key(subject)}",
        help=f"Each gets its own map; at most {MOST}.",
    )
    left, middle, right = st.columns([2, 2, 1])
    phrase = bound(left).text_input(
        "Phrase",
        key=f"{PAGE}.phrase",
        placeholder="red car",
        help="Several words that follow each other in the prompt, as one.",
    )
    layer = _layer(middle, subject)
    head = _head(right, maps, layer)
    evaluations = _evaluations(subject)
    words = [(label, found[label]) for label in picked]
    if phrase and phrase.strip():
        with explained():
            places = maps.positions(phrase.strip(), half=half)
        words.append((f"“{phrase.strip()}”", tuple(places)))
    if not words:
        st.info("Choose a word to see where it is read.", icon=":material/visibility:")
        return None
    if len(words) > MOST:
        st.caption(f"The first {MOST} of {len(words)} words are drawn.")
    return Look(tuple(words[:MOST]), layer, head, half, evaluations)


def show_viewer(subject: Subject, look: Look) -> HeatPlace | None:
    """Draw the maps; return the place that was clicked last, or None. The address has it too."""
    maps = subject.maps
    found = [look_frames(subject, look, places) for _, places in look.words]
    count, used = len(maps), look.evaluations
    film = HeatFilm(
        id=f"{subject.key} {look}",
        subject=subject.key,
        picture=subject.picture,
        size=subject.size,
        words=[label for label, _ in look.words],
        frames=[frames for frames, _ in found],
        means=[mean for _, mean in found],
        labels=frame_labels(maps),
        mean_label=frame_labels(maps)[0] if count < 2 else mean_in_words(maps, used),
        place=_kept_place(subject),
    )
    clicked = heat_viewer(film, f"{PAGE}.viewer")
    if clicked is not None:
        st.session_state[PLACE] = (subject.key, clicked)
    return _addressed(_kept_place(subject), maps.evaluations)


def _kept_place(subject: Subject) -> HeatPlace | None:
    """Return where the viewer rests; before the session knows, the address says it."""
    kept = st.session_state.get(PLACE)
    if not kept:
        kept = st.session_state[PLACE] = (subject.key, asked_place(subject.maps.evaluations))
    return kept[1] if kept[0] == subject.key else None


def asked_place(evaluations: tuple[int, ...]) -> HeatPlace | None:
    """Return where the address says that the viewer rests, or None.

    Args:
        evaluations: Those that were kept, whose places are the frames.
    """
    step = given("step")
    frame = next((i for i, number in enumerate(evaluations) if str(number) == step), None)
    found = AT.fullmatch(given("at"))
    if found is None:
        return None if frame is None else HeatPlace(None, None, frame)
    return HeatPlace(float(found[1]), float(found[2]), frame)


def _addressed(place: HeatPlace | None, evaluations: tuple[int, ...]) -> HeatPlace | None:
    """Say in the address where the viewer rests; return the place if one was clicked."""
    frame = None if place is None else place.frame
    keep("step", "" if frame is None else str(evaluations[frame]))
    clicked = place if place is not None and place.x is not None else None
    keep("at", "" if clicked is None else "{:.3f},{:.3f}".format(*clicked.at))
    return clicked


def look_frames(
    subject: Subject, look: Look, places: tuple[int, ...]
) -> "tuple[np.ndarray, np.ndarray]":
    """Return a word's maps at every kept evaluation, [E, h, w], and the mean of the chosen."""
    how = (look.layer, look.head, look.half)
    frames = _word_frames(subject.key, places, *how, _maps=subject.maps)
    return frames, frames[subject.maps.places(evaluation=look.evaluations)].mean(0)


def mean_in_words(maps: "AttentionMaps", evaluations: tuple[int, ...]) -> str:
    """Return what a mean is taken over, from 0: 'mean of 6 of the 10 evaluations, 2 to 7'.

    Where not every evaluation was kept: 'mean of 3 of the 4 kept evaluations, 5 to 15'.
    """
    kept, chosen = len(maps), len(evaluations)
    first, last = evaluations[0], evaluations[-1]
    if kept == 1:
        return f"evaluation {first}"
    if maps.evaluations == tuple(range(kept)):
        if chosen == kept:
            return f"mean of {kept} evaluations"
        if chosen == 1:
            return f"evaluation {first}, one of {kept}"
        return f"mean of {chosen} of the {kept} evaluations, {first} to {last}"
    if chosen == 1:
        return f"evaluation {first}, one of {kept} that were kept"
    which = f"the {kept}" if chosen == kept else f"{chosen} of the {kept}"
    return f"mean of {which} kept evaluations, {first} to {last}"


@st.cache_data(max_entries=128, show_spinner=False)
def _word_frames(
    key: str,
    positions: tuple[int, ...],
    layer: str | None,
    head: int | None,
    half: str,
    _maps: "AttentionMaps",
) -> "np.ndarray":
    choice: views.ChoiceOptions = {"layer": layer, "head": head, "half": half}
    return views.frames(_maps, list(positions), "evaluation", **choice)[1]


def frame_labels(maps: "AttentionMaps") -> list[str]:
    """Return the text below each kept evaluation, counted from 0: step, timestep, sigma."""
    facts = maps.facts
    rows = zip(facts.evaluations, facts.steps, facts.timesteps, facts.sigmas, strict=True)
    return [frame_label(*row) for row in rows]


def _half(maps: "AttentionMaps") -> str:
    if len(maps.halves) < 2:
        return "cond"
    names = {"cond": "the prompt", "uncond": "the negative prompt"}
    return bound().segmented_control(
        "Attention to",
        maps.halves,
        format_func=names.get,
        default="cond",
        key=f"{PAGE}.half",
    )


def _layer(place: st.delta_generator.DeltaGenerator, subject: Subject) -> str | None:
    maps = subject.maps
    names = [layer.name for layer in maps.cross_layers]
    short = dict(zip(names, short_layers(names), strict=True))
    sizes = {layer.name: layer.size for layer in maps.cross_layers}
    words = {size: f"all of {size} cells" for size in maps.resolutions}
    words |= {name: f"{short[name]} ({sizes[name]})" for name in names}
    options = [ALL, *words]
    best = views.best(subject.model)
    start = best.given_layers if subject.given else best.layers
    found = [layer for layer in maps.cross_layers if start in (layer.name, f"1/{layer.share}")]
    first = (found[0].name if start in names else found[0].size) if found else ALL
    chosen = bound(place).selectbox(
        "Layers",
        options,
        options.index(first),
        format_func=lambda name: words.get(name, name),
        key=f"{PAGE}.given_layer" if subject.given else f"{PAGE}.layer",
        help="The mean over all layers, over those of one resolution, or one layer by itself. "
        "At first, for the embedded model, those that find its objects best.",
    )
    return None if chosen == ALL else chosen


def _evaluations(subject: Subject) -> tuple[int, ...]:
    """Draw the choice of the evaluations that means are taken over."""
    every = subject.maps.evaluations
    if len(every) < 2:
        return every
    first, last = bound().select_slider(
        "Mean over kept evaluations",
        every,
        (every[0], every[-1]),
        key=f"{PAGE}.mean_from_0_of_{len(every)}",
        help="Counted from 0, as in the tables. Everything below that does not name an evaluation "
        f"is the mean of these. At first all.{_sharpest(subject)}",
    )
    return every[every.index(first) : every.index(last) + 1]


def _sharpest(subject: Subject) -> str:
    """Return which evaluations find the model's objects best, where that was measured."""
    if subject.model not in views.BEST:
        return ""
    every = subject.maps.evaluations
    best = every[views.span_places(len(every), views.best(subject.model).span)]
    which = f"evaluations {best[0]} to {best[-1]}" if len(best) > 1 else f"evaluation {best[0]}"
    return f" This model's objects are found best by {which}."


def _head(
    place: st.delta_generator.DeltaGenerator, maps: "AttentionMaps", layer: str | None
) -> int | None:
    if maps.record.heads != "all":
        return None
    count = min(found.heads for found in maps.choose(layer))
    chosen = bound(place).selectbox("Head", ["all", *map(str, range(count))], key=f"{PAGE}.head")
    return None if chosen == "all" else int(chosen)


def _prompt_key(subject: Subject) -> str:
    import zlib

    return f"{zlib.crc32(subject.prompt.encode()):08x}"
