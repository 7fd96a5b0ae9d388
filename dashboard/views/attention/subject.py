"""What the Attention page looks at: a run that recorded attention, or a given picture.

A run is made here, or taken from those stored; one that recorded no attention can be run again
with it, which gives the same picture. A given picture is encoded, noised and passed through the
network once, between the network calls of the runs in flight.
"""

import io
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening, plain, say_ignored_negative, show_error
from dashboard.shell.model_choice import say_model, say_no_model, say_swap
from dashboard.shell.navigation import link_to
from dashboard.shell.state import show_run, shown_run
from dashboard.views.attention.recording import (
    PAGE,
    estimate,
    record_controls,
    self_layers,
    usual_self_layers,
)
from dashboard.widgets.go_button import go_button
from dashboard.widgets.pictures import draw_picture, enlarged, png
from dashboard.widgets.run_facts import facts_line
from dashboard.widgets.run_stage import ask_run, sameness, say_if_from_store, stored_or_progress
from dashboard.widgets.solver_menu import GROUPS, offered
from dashboard.widgets.source_picture import choose_picture, latest_runs, run_gallery
from dashboard.worker.snapshots import ModelView
from dashboard.worker.stored_runs import StoredRun
from sdlab.attention import views
from sdlab.errors import SdlabError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.models.memory import readable
from sdlab.runs.attention import ATTENTION
from sdlab.shipped import EMBEDDED

if TYPE_CHECKING:
    from PIL import Image

    from sdlab.attention.maps import AttentionMaps

UNSEEN = ":material/visibility_off:"
SOURCES = ("A run", "A given picture")
PROMPT = "a parrot and a red car on a beach"


class PickedPicture(NamedTuple):
    """A given picture as it was chosen.

    Attributes:
        png: The picture in its own size.
        timestep: To which it is noised.
        seed: Of the noise.
        scene: The sample that it is, see ``ChosenPicture``, where the caption is the sample's.
    """

    png: bytes
    timestep: int
    seed: int
    scene: str | int | None


@dataclass(frozen=True)
class Subject:
    """A picture with its attention.

    Attributes:
        key: Identifies the maps: equal keys mean equal maps.
        name: For the names of files.
        picture: PNG, at least 512 pixels.
        size: (width, height) of the picture in pixels.
        prompt: The caption.
        model: The name of the model whose attention it is.
        maps: The maps.
        folder: The run's folder, or None.
        flow: Whether its model is one of flow matching, whose noise levels are times.
        run: The run's experiment, plain values; None of a given picture.
        weights: The hash of the weights that made it, if it is a run and they are known.
        picked: A given picture as it was chosen; None of a run.
    """

    key: str
    name: str
    picture: bytes
    size: tuple[int, int]
    prompt: str
    model: str
    maps: "AttentionMaps"
    folder: Path | None
    flow: bool = False
    run: "dict[str, Any] | None" = None
    weights: str | None = None
    picked: PickedPicture | None = None

    @property
    def given(self) -> bool:
        """Whether it is a given picture, not a run."""
        return self.folder is None

    def image(self) -> "Image.Image":
        """Return the picture as a PIL image."""
        from PIL import Image

        return Image.open(io.BytesIO(self.picture)).convert("RGB")


def choose_subject() -> str:
    """Draw the controls; return which of ``SOURCES`` is looked at."""
    return bound().segmented_control("Attention of", SOURCES, key=f"{PAGE}.of", width="stretch")


def run_controls() -> None:
    """Draw the controls that make a run or choose a stored one."""
    model = _model()
    if model is None:
        return
    catalogue = lab().catalogue()
    if catalogue is None:
        show_error("The list of solvers could not be made; the server's log says why.")
        return
    say_model(model.name)
    experiment = _new_run(offered(catalogue), model)
    press = go_button(PAGE, "Run and record", ready=experiment is not None)
    if press.wanted(experiment is not None) and experiment is not None:
        show_run(PAGE, ask_run(experiment, press))
        press.end()
    latest = latest_runs()
    if latest:
        with st.popover("A stored run", icon=":material/grid_view:", width="stretch"):
            run_gallery(latest, f"{PAGE}.stored", partial(show_run, PAGE))


def shown_subject() -> Subject | None:
    """Draw the run that the page shows, up to its maps; return it once they can be looked at."""
    run = shown_run(PAGE)
    if not run:
        st.info(
            "Press **Run and record**, or take a stored run: its attention maps appear here.",
            icon=":material/visibility:",
        )
        return None
    found = stored_or_progress(run, PAGE)
    if found is None:
        return None
    with explained():
        return _of_run(found)


def given_subject() -> Subject | None:
    """Draw the choice of a picture, caption and noise level; return its attention."""
    model = _model()
    if model is None:
        return None
    chosen = choose_picture(PAGE)
    caption = st.text_input(
        "Caption",
        chosen.label if chosen and chosen.source != "upload" else "",
        key=f"{PAGE}.caption.{chosen.name if chosen else ''}",
        placeholder="what the picture shows",
        help="The words whose attention is looked at.",
    )
    left, right = st.columns(2)
    timestep = bound(left).slider(
        "Noise level (timestep)",
        1,
        999,
        views.best(model.name).given_timestep,
        key=f"{PAGE}.timestep",
        help=_level_help(model.name),
    )
    seed = bound(right).number_input("Seed of the noise", 0, 2**32 - 1, 0, key=f"{PAGE}.noise")
    with explained():
        own = self_layers(model)
    if chosen is None:
        return None
    if not (caption or "").strip():
        st.info("Type a caption: what the picture shows.", icon=":material/edit:")
        return None
    with explained(), st.spinner("Passing the picture through the network …"):
        args = (chosen.digest, caption, timestep, int(seed), own, model.hash)
        maps, picture, size, notes = _given(*args, _png=chosen.png)
    if notes:
        st.caption(f"As the network sees it: {' '.join(notes)}")
    key = f"given {args}"
    name = f"given-{chosen.digest}"
    scene = chosen.scene if model.name == EMBEDDED and caption == chosen.label else None
    picked = PickedPicture(chosen.png, timestep, int(seed), scene)
    of = (picture, size, caption, model.name, maps, None, model.path == "flow")
    return Subject(key, name, *of, picked=picked)


def _model() -> ModelView | None:
    """Return the model in memory, or say why there is none."""
    with opening():
        lab().catalogue()
    view = lab().status()
    if view.model is None:
        say_no_model()
    return view.model


def _new_run(solvers: list[str], model: ModelView) -> Experiment | None:
    prompt = bound().text_area("Prompt", PROMPT, key=f"{PAGE}.prompt", height=84)
    negative = bound().text_input(
        "Negative prompt",
        key=f"{PAGE}.negative",
        placeholder="what to steer away from",
    )
    left, right = st.columns(2)
    default = solvers.index("ddim") if "ddim" in solvers else 0
    solver = bound(left).selectbox("Solver", solvers, default, key=f"{PAGE}.solver", help=GROUPS)
    steps = bound(right).number_input("Steps", 1, 1000, 25, key=f"{PAGE}.steps")
    cfg = bound(left).number_input("CFG", 0.0, 20.0, 4.0, 0.5, key=f"{PAGE}.cfg")
    seed = bound(right).number_input("Seed", 0, 2**32 - 1, 7, key=f"{PAGE}.seed")
    say_ignored_negative(negative or "", float(cfg), model.guidance)
    try:
        with st.expander("What to record", key=f"{PAGE}.record"):
            attention = record_controls(model)
        experiment = Experiment(
            prompt=prompt or "",
            negative_prompt=negative or "",
            model=model.name,
            solver=solver,
            num_steps=int(steps),
            guidance_scale=float(cfg),
            seed=int(seed),
            record=Record(attention=attention),
        )
        said, more = estimate(experiment, model)
        st.caption(said, help=more)
    except (ValueError, SdlabError) as error:
        show_error(error)
        return None
    return experiment


def _start(experiment: Experiment) -> None:
    show_run(PAGE, ask_run(experiment))


def _of_run(run: StoredRun) -> Subject | None:
    experiment = Experiment.from_dict(run.manifest["experiment"])
    facts_line(run.manifest["experiment"], run.manifest.get("nfe"))
    say_if_from_store(run)
    if experiment.record.attention is None:
        _without(run, experiment)
        return None
    if not (run.folder / ATTENTION).exists() and run.manifest.get("warnings"):
        said = " ".join(run.manifest["warnings"])
        st.info(plain(f"No attention of this run could be read. {said}"), icon=UNSEEN)
        link_to("run", "This run", id=run.id)
        return None
    changed = run.folder.stat().st_mtime
    maps = open_maps(str(run.folder), changed)
    if not maps.cross_layers:
        st.info(
            "This run recorded self-attention only; words are read in the cross-attention. Record "
            "that too to see them here.",
            icon=UNSEEN,
        )
        _offer_recording(experiment)
        return None
    if maps.facts.truncated:
        st.warning(
            f"The cap of {readable(maps.record.max_bytes)} was reached: attention was kept "
            f"up to evaluation {maps.evaluations[-1]} only.",
            icon=":material/warning:",
        )
    size = (run.manifest["width"], run.manifest["height"])
    picture = enlarged(run.picture)
    model = experiment.model
    # The same experiment is another run once other weights go by the model's name.
    key = f"{run.id} {run.manifest['model'].get('hash')} {changed}"
    flow = _is_of_flow(str(run.folder), changed)
    of = (picture, size, experiment.prompt, model, maps, run.folder, flow)
    made_of = run.manifest["experiment"], run.manifest["model"].get("hash")
    return Subject(key, run.id, *of, *made_of)


def _without(run: StoredRun, experiment: Experiment) -> None:
    draw_picture(enlarged(run.picture), experiment.prompt, 256)
    st.info(
        "This run recorded no attention. Run again with it: recording changes nothing, so alone on "
        f"this machine the picture comes out the same {sameness(run.manifest)}.",
        icon=UNSEEN,
    )
    _offer_recording(experiment)
    link_to("run", "This run", id=run.id)


def _offer_recording(experiment: Experiment) -> None:
    attention = AttentionRecord(self_layers=_usual_self_layers(experiment.model))
    say_swap(experiment.model)
    again = experiment.with_(record=replace(experiment.record, attention=attention))
    st.button(
        "Run again and record",
        key=f"{PAGE}.again_recorded",
        icon=":material/replay:",
        on_click=_start,
        args=(again,),
    )


def _usual_self_layers(name: str) -> tuple[str, ...]:
    """Return the self-attention that a new run records, if the run's model is the one in memory."""
    model = lab().status().model
    if model is None or model.name != name:
        return ()
    with explained():
        return usual_self_layers(model)


def _level_help(name: str) -> str:
    """Return what the noise level means, and why it starts where it does."""
    text = (
        "How much noise is added before the network sees the picture: the training timestep, 0 to "
        "999. With much noise the network cannot see the picture. "
    )
    start = views.best(name).given_timestep
    if name in views.BEST:
        return text + (
            f"It starts at {start}: of the levels measured on scenes with known masks "
            "(benchmarks/attention_truth.py) this model's maps found the objects best there."
        )
    return text + f"It starts at {start}, in the middle; for this model it was not measured."


@st.cache_resource(max_entries=6, show_spinner=False)
def open_maps(folder: str, changed: float) -> "AttentionMaps":
    """Return the maps of a run folder; ``changed`` is its time, so that a new one is read again.

    Raises:
        StoreError: If they are not there or damaged.
    """
    import sdlab

    return sdlab.open_run(folder).trace.attention


@st.cache_data(max_entries=64, show_spinner=False)
def _is_of_flow(folder: str, changed: float) -> bool:
    import sdlab

    return "flow_time" in sdlab.open_run(folder).steps.columns


@st.cache_resource(max_entries=6, show_spinner=False)
def _given(
    digest: str,
    caption: str,
    timestep: int,
    seed: int,
    self_layers: tuple[str, ...],
    model_hash: str,
    _png: bytes,
) -> tuple[Any, bytes, tuple[int, int], tuple[str, ...]]:
    """Return a picture's maps, the picture in the network's size, that size, what fitting took."""
    from sdlab.image_files import read_image
    from sdlab.latents.image import encode, fit
    from sdlab.sampling.picture_attention import picture_attention

    def look(model: Any) -> tuple[Any, bytes, tuple[int, int], tuple[str, ...]]:
        width, height = model.default_size
        fitted = fit(read_image(_png), width, height)
        image = fitted.image
        record = AttentionRecord(heads="all", self_layers=self_layers, dtype="float32")
        maps = picture_attention(
            model, encode(model, image), caption, timestep=timestep, seed=seed, record=record
        )
        return maps, png(image, side=512), image.size, fitted.notes

    return lab().ask(look, model_hash=model_hash)
