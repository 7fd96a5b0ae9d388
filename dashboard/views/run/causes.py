"""Causes on the page One run: guidance on shared axes, and why an early x0_pred is blurred."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound, given, keep
from dashboard.shell.messages import explained
from dashboard.widgets.causes_panel import Variations, can_switch, causes_panel
from dashboard.widgets.causes_work import ShownDraws, show_draws
from dashboard.widgets.figure import why
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.run_film import BLURRED, WORDS
from dashboard.widgets.study_panel import study_panel
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dashboard.worker.stored_runs import StoredRun
    from sdlab.causes.change import Change
    from sdlab.models.model import Model

SCALES = (1.0, 4.0, 10.0)
COUNT = 20
STEPS = 15
SETTLED = 0.1
"""RMS from x0_pred to a draw below which the picture is as good as decided."""
WIDTH = 84
AT = "run.blurred_at"
FOLLOWED = "run.blurred_followed"
"""Of the session: the evaluation of the picture's slider that was followed last."""
LEADS = "run.blurred_leads"
"""Of the session: whether the picture's slider is to follow now."""
SECTIONS = (BLURRED, "Guidance 1, 4, 10")
PROMISE_GUIDANCE = (
    "The same run with guidance 1, 4 and 10 beside it: pictures, x0_pred, and its spread over the "
    "evaluations on shared axes."
)
SO_WHAT_GUIDANCE = (
    "Guidance pushes every prediction further the way of the prompt, from the first evaluation on."
)
PROMISE_DRAWS = (
    f"{COUNT} pictures drawn from this run's x_t at one evaluation, each with other noise from "
    "there on, and their mean beside x0_pred."
)
WHY_BLURRED = (
    "The network was trained by squared error, so what it predicts is the **mean** of all pictures "
    "that its noisy input allows. Early there are many, and the mean of many sharp pictures is "
    "blurred; late one is left, and x0_pred is sharp. A blurred x0_pred is no unfinished picture: "
    "it is the average of finished ones. Drawn at guidance 1, where this holds: guidance makes "
    "x0_pred the mean of no set of pictures. The draws go on by DDIM with eta 1 (DDPM) in "
    f"{STEPS} steps. The mean of n draws lies, of a perfect network and perfect steps, the root of "
    "variance over n from the true mean; what is more is their error."
)
EQUATIONS = (
    r"\hat x_0(x_t) = \mathbb{E}[x_0 \mid x_t] = "
    r"\arg\min_f \mathbb{E} \lVert x_0 - f(x_t) \rVert^2",
    r"\mathrm{RMS}\big(\tfrac{1}{n} \textstyle\sum_k x_0^{(k)}, \hat x_0\big) \approx "
    r"\sqrt{\operatorname{Var}(x_0 \mid x_t) / n}",
)


def show_causes(run: "StoredRun", sigmas: "Sequence[float]") -> None:
    """Draw the choice of a question about a stored run, and its answer.

    Args:
        run: The run.
        sigmas: The noise level of each of its evaluations.
    """
    with explained():
        spec = Experiment.from_dict(run.manifest["experiment"])
        chosen = bound().segmented_control("Question", SECTIONS, key="run.cause")
        model_hash = run.manifest["model"].get("hash")
        if not can_switch(spec, model_hash, plain_only=chosen == SECTIONS[0]):
            return
        if chosen == SECTIONS[0]:
            _blurred(spec, sigmas)
        else:
            this = f"guidance {spec.guidance_scale:g} (this run)"
            asked = Variations(
                spec, SCALES, _scales, PROMISE_GUIDANCE, so_what_of_guidance, "spread", this
            )
            causes_panel("run", "Draw them", asked)


def so_what_of_guidance(table: "pd.DataFrame") -> str:
    """Return what guidance does to path, picture and range, from the table of differences."""
    scales = table["change"].str.extract(r"guidance (\S+)")[0].astype(float)
    ordered = table.assign(scale=scales).sort_values("scale")
    low, high = ordered.iloc[0], ordered.iloc[-1]
    said = (
        f"from guidance {low['scale']:g} to {high['scale']:g} the latents end between "
        f"{high['least']:.2g} and {high['greatest']:.2g} instead of {low['least']:.2g} and "
        f"{low['greatest']:.2g}; the path there is {high['length'] / low['length']:.2f} times as "
        "long"
    )
    return f"{said}. {_said_of_pictures(ordered)}{SO_WHAT_GUIDANCE}"


def _said_of_pictures(table: "pd.DataFrame") -> str:
    """Return how far the pictures are from this run's, and what of the prompt they lose."""
    other = table[table["rms_pixels"] > 0].to_dict("records")
    far = " and ".join(f"{row['rms_pixels']:.2g} ({row['change']})" for row in other)
    said = f"The pictures lie {far} from this run's, in RMS of the pixels, of 255. " if far else ""
    lost = "; ".join(f"{row['change']} loses {row['lost']}" for row in other if row["lost"])
    return said + (f"Of the prompt, {lost}. " if lost else "")


def _scales(model: "Model", spec: Experiment) -> "Sequence[Change]":
    from sdlab.causes.change import guidance

    return [guidance(scale) for scale in SCALES if scale != spec.guidance_scale]


def _blurred(spec: Experiment, sigmas: "Sequence[float]") -> None:
    evaluation = _evaluation(len(sigmas) - 1)
    st.caption(f"Noise level sigma {sigmas[evaluation]:.3g}.")
    work = partial(show_draws, spec=spec, evaluation=evaluation, count=COUNT, steps=STEPS)
    about = (spec.to_json(), evaluation, COUNT, STEPS)
    found = study_panel(
        "run.draws", f"Draw {COUNT} pictures", about, work, kind="secondary", runs=[spec]
    )
    if found is None:
        st.caption(PROMISE_DRAWS)
    else:
        _draws(found, evaluation)
    why(WHY_BLURRED, *EQUATIONS, label="Why is it blurred?")


def _evaluation(last: int) -> int:
    """Draw the choice of an evaluation, which moves with the picture's slider, and return it."""
    if not last:
        return 0
    shown = given("step")
    if shown.isdigit() and int(shown) <= last and st.session_state.get(FOLLOWED) != shown:
        st.session_state[AT] = int(shown)
    st.session_state[FOLLOWED] = shown
    if not 0 <= st.session_state.get(AT, -1) <= last:
        st.session_state[AT] = last // 5
    chosen = st.slider(  # the address has it as the picture's step
        "At evaluation", 0, last, key=AT, on_change=_lead,
        help="Whose x_t the pictures are drawn from; 0 is noise alone. It moves with the slider of "
        "the picture above.",
    )  # fmt: skip
    if st.session_state.pop(LEADS, False):
        st.rerun()
    return int(chosen)


def _lead() -> None:
    """Let the picture's slider follow."""
    st.session_state[LEADS] = True
    st.session_state[FOLLOWED] = str(st.session_state[AT])
    keep("step", st.session_state[FOLLOWED])


def _draws(found: ShownDraws, evaluation: int) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, picture in (
            ("x_t", found.x_t),
            ("x0_pred", found.x0_pred),
            (f"mean of {len(found.draws)}", found.mean),
        ):
            with st.container(width=180, gap="xsmall"):
                st.markdown(f"**{name}**")
                st.caption(WORDS.get(name, "of the pictures below"))
                alt = f"{name} at evaluation {evaluation}"
                draw_picture(picture, alt)
    st.caption(
        f"x0_pred lies {found.distance:.2g} (RMS) from the mean of the {len(found.draws)} and "
        f"{found.single:.2g} from a single one.",
        help=f"Of a perfect network the first would be about {found.expected:.2g}.",
    )
    st.caption(f"**So what:** {_so_what(found)}")
    with st.container(horizontal=True, gap="xsmall"):
        for number, picture in enumerate(found.draws, start=1):
            alt = f"Draw {number} from evaluation {evaluation}"
            draw_picture(picture, alt, WIDTH)
    st.caption("The draws: each is what the noise of this evaluation still allows.")


def _so_what(found: ShownDraws) -> str:
    if found.single < SETTLED:
        return "the draws hardly differ: one picture is left, and x0_pred is sharp."
    if found.distance < found.single:
        return (
            "x0_pred is nearer to the mean than to a picture. It is blurred where many pictures "
            "are still possible."
        )
    return "here the error of network and steps outweighs what the noise leaves open."
