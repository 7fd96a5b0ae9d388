"""The scheduler config in force on the Noise schedules page, and the training schedules behind."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, sentence
from sdlab.errors import SdlabError
from sdlab.noise.flow import is_flow, sigma_to_time

if TYPE_CHECKING:
    from sdlab.noise import NoiseSchedule

MODEL = "the loaded model's"
SD15 = "Stable Diffusion 1.5"
SD21 = "Stable Diffusion 2.1 (v-prediction)"
ZERO = "zero terminal SNR (v-prediction, trailing)"
SD3 = "Stable Diffusion 3 (flow matching, shift 3)"
FLUX = "Flux (flow matching, shift by the size)"
IN_FORCE = "of this config"
POINTS = 90


def chosen_config(page: str) -> dict[str, Any]:
    """Draw the choice of a config, with an upload, and return the one in force."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    name = bound(left).selectbox(
        "Scheduler config",
        (MODEL, SD15, SD21, ZERO, SD3, FLUX),
        key=f"{page}.config",
        help="Betas, prediction type, spacing, or flow matching's shift: every scheduler on this "
        "page is made from it.",
    )
    with right.popover("Upload scheduler_config.json", icon=":material/upload_file:"):
        file = st.file_uploader(
            "scheduler_config.json of a diffusion or flow-matching model",
            "json",
            key=f"{page}.file",
            max_upload_size=1,
            help="It replaces the choice on the left, in this session only, not in a link.",
        )
        config = _uploaded(file.getvalue(), file.name) if file else None
    if file and config is not None:
        st.caption(f":material/description: In force: `{_plain(file.name)}`")
        return config
    return _named()[name] if name != MODEL else _of_model()


def chosen_tokens(page: str, config: dict[str, Any]) -> int | None:
    """Draw the latent tokens of the picture where the config's shift goes by them."""
    if not config.get("use_dynamic_shifting"):
        return None
    return int(
        bound().number_input(
            "Latent tokens",
            1,
            1_000_000,
            4096,
            key=f"{page}.tokens",
            width=150,
            help="The shift goes by the picture's size: width / 16 x height / 16 for Flux, 4096 "
            "for 1024 x 1024 pixels.",
        )
    )


def training_names() -> list[str]:
    """Return the training schedules that can be drawn behind the chart."""
    return [IN_FORCE, *_trainings()]


def training_table(names: list[str], config: dict[str, Any], num_steps: int) -> pd.DataFrame:
    """Return the training schedules walked evenly from noise to picture in ``num_steps`` steps.

    Returns:
        Columns ``series``, ``timestep``, ``alpha_bar``, ``sigma``, ``log_snr``, ``step``, ``at``;
        under a flow-matching config also ``flow_time``.
    """
    columns = ["series", "timestep", "alpha_bar", "sigma", "log_snr", "step", "at"]
    columns += ["flow_time"] * is_flow(config)
    parts = [_training(name, config, num_steps) for name in names]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    if parts and is_flow(config):
        frame["flow_time"] = sigma_to_time(frame["sigma"].to_numpy())
    return frame[columns]


def _training(name: str, config: dict[str, Any], num_steps: int) -> pd.DataFrame:
    from sdlab.noise import NoiseSchedule

    made = NoiseSchedule.from_config(config) if name == IN_FORCE else _trainings()[name]()
    last = made.num_timesteps - 1
    keep = np.unique(np.linspace(0, last, POINTS).round().astype(int))[::-1]
    table = made.table().iloc[keep]
    at = num_steps * (1.0 - keep / last)
    return table.assign(series=name, at=at, step=at.astype(int))


def _trainings() -> "dict[str, Callable[[], NoiseSchedule]]":
    from sdlab.noise import NoiseSchedule

    made = NoiseSchedule.from_config
    scaled = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    return {
        "scaled linear (Stable Diffusion)": lambda: made(scaled),
        "linear (DDPM)": lambda: made({"beta_schedule": "linear"}),
        "cosine": lambda: made({"beta_schedule": "squaredcos_cap_v2"}),
        "sigmoid": lambda: made({"beta_schedule": "sigmoid"}),
        "zero terminal SNR": lambda: made({**scaled, "rescale_betas_zero_snr": True}),
        "EDM": NoiseSchedule.edm,
        "flow matching": NoiseSchedule.flow_matching,
    }


def _named() -> dict[str, dict[str, Any]]:
    from sdlab.solvers.flow_course import SD3_CONFIG
    from sdlab.solvers.from_diffusers import SD_CONFIG

    v = {**SD_CONFIG, "prediction_type": "v_prediction"}
    flux = {**SD3_CONFIG, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    zero = {**v, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return {
        SD15: dict(SD_CONFIG), SD21: v, ZERO: zero, SD3: dict(SD3_CONFIG), FLUX: flux,
    }  # fmt: skip


def _of_model() -> dict[str, Any]:
    """Return the loaded model's config; Stable Diffusion 1.5's while none is loaded."""
    model = lab().status().model
    try:
        return _asked(model.hash) if model else _named()[SD15]
    except SdlabError as error:
        st.caption(f"{plain(sentence(error))} Stable Diffusion 1.5's config is used.")
        return _named()[SD15]


@st.cache_data(max_entries=8, show_spinner=False)
def _asked(model_hash: str) -> dict[str, Any]:
    return lab().ask(lambda model: dict(model.scheduler_config), model_hash)


def _uploaded(data: bytes, name: str) -> dict[str, Any] | None:
    from sdlab.linting.config_file import read_config

    try:
        return read_config(data)
    except ValueError as error:
        st.error(f"`{_plain(name)}` cannot be used: {plain(str(error))}", icon=":material/error:")
        return None


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isalnum() or c in " ._-")[:80]
