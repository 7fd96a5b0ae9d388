"""The Training page's fields: a picture, its caption, the timestep, the noise's seed."""

import math
from dataclasses import dataclass

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.widgets.latent_source import Latents, Source, choose_source
from dashboard.widgets.typed import parse_seed
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.experiment import Experiment
from sdlab.noise.schedule import NoiseSchedule
from sdlab.objective.quantities import Level, level_at, own_kind


@dataclass(frozen=True)
class Asked:
    """What was chosen.

    Attributes:
        source: The picture, with its latents.
        prompt: Its caption.
        seed: Of the noise.
        level: The timestep and its noise level.
        kind: What the network predicts, one of ``sdlab.objective.quantities.KINDS``.
        schedule: The model's.
    """

    source: Source
    prompt: str
    seed: int
    level: Level
    kind: str
    schedule: NoiseSchedule

    @property
    def latents(self) -> Latents:
        """The picture's latents, float32 [1, C, h, w]."""
        return self.source.latents

    @property
    def at(self) -> float:
        """Where it stands on the charts' horizontal axis."""
        return self.level.time if self.level.path == "flow" else self.level.timestep

    @property
    def about(self) -> tuple[object, ...]:
        """What decides the picture, the words and the noise, with a telling repr."""
        return self.source.digest, self.prompt, self.seed


def picture(page: str, model: ModelView) -> tuple[Source, str] | None:
    """Draw the choice of a picture and its caption, and return both; None while there is none.

    Raises:
        ValueError: If the caption has characters that no prompt may have.
    """
    source = choose_source(page, model)
    if source is None:
        return None
    text = bound().text_input(
        "Caption",
        key=f"{page}.caption",
        placeholder=source.caption or "no words",
        help="What the network is told of the picture.",
    )
    return source, Experiment(prompt=(text or "").strip() or source.caption).prompt


def asked(page: str, model: ModelView, source: Source, prompt: str) -> Asked:
    """Draw the timestep and the noise's seed, and return all that was chosen.

    Raises:
        ValueError: If the seed is none.
        ModelError: If the model's noise levels are not known.
    """
    schedule = _schedule(model.hash)
    last = schedule.num_timesteps - 1
    key = f"{page}.t" if last == 999 else f"{page}.t_{last}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        timestep = bound().slider(
            f"Timestep t: move it from 0, the picture, to {last}, noise alone",
            0, last, last // 2 + 1, key=key, width="stretch",
        )  # fmt: skip
        seed = bound().text_input(
            "Noise seed",
            "7",
            key=f"{page}.seed",
            width=130,
            help="A run of this seed starts from the same noise.",
        )
    level = level_at(schedule, int(timestep))
    st.caption(f"t = {int(timestep)} · {words_of(level)}")
    return Asked(source, prompt, parse_seed(seed or ""), level, own_kind(schedule), schedule)


def words_of(level: Level) -> str:
    """Return a level's numbers as a line of text."""
    sigma = "infinite" if math.isinf(level.sigma) else f"{level.sigma:.4g}"
    first = f"t {level.time:.4g}" if level.path == "flow" else f"alpha_bar {level.alpha_bar:.4g}"
    return f"{first} · sigma {sigma}"


@st.cache_resource(max_entries=8, show_spinner=False)
def _schedule(model_hash: str) -> NoiseSchedule:
    return lab().ask(lambda model: model.schedule, model_hash)
