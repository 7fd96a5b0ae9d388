"""Saving, opening, exporting and importing a curve."""

import json
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, sentence, without_places
from dashboard.shell.navigation import page_path
from dashboard.views.workbench.controls import PAGE, CurveTrial
from dashboard.views.workbench.draft import Draft, as_settings
from dashboard.widgets.downloads import file_button
from dashboard.widgets.own_curve import delete_own_curve, save_own_curve
from dashboard.widgets.solver_menu import meaning
from dashboard.widgets.uploads import take_upload
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.noise.curves import make
from sdlab.noise.diffusers_config import SchedulerConfig, read_scheduler_config
from sdlab.noise.exchange import (
    KIND,
    NamedCurve,
    curve_json,
    diffusers_curve,
    read_curve,
    read_object,
    sigma_list,
)
from sdlab.noise.schedule import NoiseSchedule
from sdlab.runs.curves import curve_names, list_curves, load_curve
from sdlab.sampler_names import titled
from sdlab.shipped import place_of

_SAID = f"{PAGE}.said"
NO_GRID = {"experiment.seeds": "", "experiment.x": "nothing", "experiment.y": "nothing"}
"""One picture, though the form was left with a sweep: it lies in a fold that is closed."""


def saved_controls(schedule: NoiseSchedule) -> None:
    """Draw the saved curves, to load or delete, and the import of a file."""
    key = f"{PAGE}.import"
    take_upload(key, partial(_import, schedule=schedule))
    _say("open")
    with st.popover("Open a curve", icon=":material/folder_open:", width="stretch"):
        names = curve_names()
        if names:
            st.selectbox("Saved curves", names, key=f"{PAGE}.saved")
            with st.container(horizontal=True):
                st.button("Load", key=f"{PAGE}.load", on_click=_load, args=(schedule,))
                st.button(
                    "Delete", key=f"{PAGE}.delete", icon=":material/delete:", on_click=_delete
                )
        else:
            st.caption("Nothing is saved yet; Save below stores a curve under a name.")
        for damaged in (saved for saved in list_curves() if saved.problem):
            st.warning(plain(without_places(damaged.problem)), icon=":material/warning:")
        held = st.file_uploader(
            "A curve's JSON, or a diffusers scheduler_config.json", type=["json"], key=key
        )
    found: SchedulerConfig | None = st.session_state.get(f"{PAGE}.config")
    if held is not None and found is not None:
        _show_config(found)


def keep_controls(
    draft: Draft, schedule: NoiseSchedule, config: dict[str, Any], model: str, trial: CurveTrial
) -> None:
    """Draw Save, and the exports of a valid draft for a model by its name."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name", key=f"{PAGE}.name", placeholder="slow start", max_chars=60, width=260
        )
        pressed = st.button(  # not by on_click, whose arguments are those of the script before
            "Save",
            key=f"{PAGE}.save",
            icon=":material/save:",
            disabled=not (name or "").strip(),
            help="A saved curve can be chosen on every page that has curves, also after a restart.",
        )
        if pressed and name and name.strip():
            _save(name, draft.named, schedule)
            st.rerun()  # the list of saved ones stands above
    _say("save")
    _exports(draft, schedule, config, model, trial)


def use_in_experiment(draft: Draft) -> None:
    """Draw the way to the Experiment page, its form filled with a draft."""
    value = draft.options[draft.curve]
    typed = value if isinstance(value, str) else json.dumps(value)
    st.page_link(
        page_path("experiment"),
        label="Use it in an experiment",
        icon=":material/science:",
        query_params={
            "experiment.solver": meaning(st.session_state[f"{PAGE}.solver"]).solver,
            "experiment.curve": draft.curve,
            "experiment.curve_options": f"{draft.curve}={typed}",
            "experiment.steps": str(draft.num_steps),
            **NO_GRID,
        },
    )


def loaded_from(model: str) -> str:
    """Return what ``from_pretrained`` takes for a model by its name."""
    return "your/model" if model.endswith(".safetensors") else place_of(model)


def solver_code(draft: Draft, trial: CurveTrial, place: str, dtype: str = "float32") -> str:
    """Return the Python that makes the picture of a draft with sdlab's solver in a pipeline.

    Args:
        draft: A valid draft.
        trial: Solver, prompt and seed.
        place: What ``from_pretrained`` takes.
        dtype: Of the pipeline, a name in torch.
    """
    guidance = Experiment().guidance_scale
    return (
        "import torch\n"
        "from diffusers import DiffusionPipeline\n\n"
        "import sdlab\n\n"
        "pipe = DiffusionPipeline.from_pretrained(\n"
        f"    {place!r},\n    torch_dtype=torch.{dtype},\n)\n"
        "pipe.scheduler = sdlab.as_diffusers_scheduler(\n"
        f"    {trial.solver!r},\n    curve={draft.curve!r},\n"
        f"    curve_options={draft.options!r},\n    config=pipe.scheduler.config,\n)\n"
        "image = pipe(\n"
        f"    {trial.prompt!r},\n    num_inference_steps={draft.num_steps},\n"
        f"    guidance_scale={guidance!r},\n"
        f"    generator=torch.Generator().manual_seed({trial.seed}),\n).images[0]\n"
    )


def _exports(
    draft: Draft,
    schedule: NoiseSchedule,
    config: dict[str, Any],
    model: str,
    trial: CurveTrial,
) -> None:
    place = loaded_from(model)
    made = diffusers_curve(draft.curve, draft.options, config, draft.num_steps, place)
    listed = sigma_list(draft.sigmas.tolist())
    json_text = curve_json(draft.curve, draft.options, schedule, draft.num_steps)
    files = {
        "Curve (JSON)": ("curve.json", json_text),
        "Sigma list (text)": ("sigmas.txt", listed + "\n"),
        "scheduler_config.json": (
            "scheduler_config.json",
            json.dumps(made.config, indent=2) + "\n",
        ),
    }
    with st.container(horizontal=True):
        for label, (file, text) in files.items():
            file_button(label, text.encode(), file, f"{PAGE}.{file}")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        name = plain(titled(trial.solver))
        st.caption(f"The picture of the tab Pictures, by {name} in a diffusers pipeline:")
        held = lab().status().model
        code = solver_code(draft, trial, place, held.dtype if held else "float32")
        st.code(code, language="python", wrap_lines=True)
        with st.expander("Without sdlab: diffusers' own Euler over this curve"):
            st.caption(
                f"Another solver than {name}, so another picture. The config cannot hold"
                " sigmas, so they go to the pipeline's call."
            )
            st.code(made.snippet, language="python", wrap_lines=True)
    right.caption("For tools that take a list of sigmas, such as ComfyUI and k-diffusion:")
    right.code(listed, language=None, wrap_lines=True)


def _show_config(found: SchedulerConfig) -> None:
    title = f"What was read of {found.name or 'the config'}"
    with st.expander(title, icon=":material/upload_file:", expanded=True):
        curve = found.curve or f"{found.schedule.timestep_spacing} spacing"
        st.caption(
            f"{found.schedule.num_timesteps} timesteps, sigma {found.schedule.sigma_min:.4g} to"
            f" {found.schedule.sigma_max:.4g}, {found.schedule.prediction_type} prediction;"
            f" its curve ({curve}) is now the table below."
        )
        rows = [(key, json.dumps(value), "used") for key, value in found.understood.items()]
        rows += [(key, "", f"ignored: {reason}") for key, reason in found.ignored.items()]
        table = pd.DataFrame(rows, columns=["entry", "value", "used or why not"])
        st.dataframe(table, hide_index=True, height=210, alt="Entries of the scheduler config")


def _import(file: UploadedFile, schedule: NoiseSchedule) -> None:
    st.session_state.pop(f"{PAGE}.config", None)
    try:
        data = file.getvalue()
        if read_object(data, "file").get("kind") == KIND:
            _take(read_curve(data), schedule)
            _note(f"{file.name} is open.")
            return
        found = read_scheduler_config(data)
        steps = int(st.session_state.get(f"{PAGE}.steps", 20))
        sigmas = make(found.curve, found.schedule, steps, found.curve_options)
        _take(NamedCurve("sigmas", {"sigmas": tuple(sigmas.tolist())}, steps), schedule)
        st.session_state[f"{PAGE}.config"] = found
    except (ValueError, SdlabError) as error:
        _note(f"{file.name}: {sentence(error)}", wrong=True)


def _take(named: NamedCurve, schedule: NoiseSchedule) -> None:
    for name, value in as_settings(named, schedule).items():
        st.session_state[f"{PAGE}.{name}"] = value


def _save(name: str, named: NamedCurve, schedule: NoiseSchedule) -> None:
    known = name.strip() in curve_names()
    try:
        save_own_curve(name, named, schedule)
        _note(
            f"{name.strip()} is saved{' in place of the older one' if known else ''}.", place="save"
        )
    except (ValueError, SdlabError) as error:
        _note(sentence(error), wrong=True, place="save")


def _load(schedule: NoiseSchedule) -> None:
    name = st.session_state[f"{PAGE}.saved"]  # as it is at the click
    try:
        _take(load_curve(name), schedule)
        _note(f"{name} is open.")
    except (ValueError, SdlabError) as error:
        _note(sentence(error), wrong=True)


def _delete() -> None:
    name = st.session_state[f"{PAGE}.saved"]  # as it is at the click
    try:
        gone = delete_own_curve(name)
        _note(
            f"{name} is {'deleted' if gone else 'yours no longer, its other owners keep it'}; runs "
            "made with it keep their own copy."
        )
    except (ValueError, SdlabError) as error:
        _note(sentence(error), wrong=True)


def _note(text: str, wrong: bool = False, place: str = "open") -> None:
    st.session_state[f"{_SAID}.{place}"] = (text, wrong)


def _say(place: str) -> None:
    text, wrong = st.session_state.pop(f"{_SAID}.{place}", ("", False))
    if text and wrong:
        st.error(plain(text), icon=":material/error:")
    elif text:
        st.success(plain(text), icon=":material/check:")
