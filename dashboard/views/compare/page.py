"""The Compare page as a whole: the form, and below it the comparison that is on show."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.glossary import definition
from dashboard.shell.lab import lab
from dashboard.shell.messages import opening, plain, sentence, show_error
from dashboard.shell.model_choice import say_model, say_no_model, say_swap
from dashboard.shell.navigation import page_path
from dashboard.shell.presses import Press
from dashboard.shell.state import come_back, session_id, show_id, shown_id
from dashboard.shell.visitor import visitor
from dashboard.views.compare.asked_comparisons import ask, asked, asked_at, in_turn
from dashboard.views.compare.earlier import earlier
from dashboard.views.compare.forecast import Forecast, forecast, seconds_of
from dashboard.views.compare.form import ComparisonDraft, as_parameters, comparison_form, touched
from dashboard.views.compare.live import live_panel
from dashboard.views.compare.model_sections import follow_set_up
from dashboard.views.compare.result_maker import summaries
from dashboard.views.compare.run_states import states
from dashboard.views.compare.unfair import say_off_curve, say_unfair
from dashboard.widgets.go_button import go_button
from dashboard.widgets.limit_note import within_limits
from dashboard.widgets.model_facts import model_facts
from dashboard.widgets.task_panel import readable_seconds
from dashboard.worker.snapshots import ModelView
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.comparing.result import Result
from sdlab.errors import SdlabError
from sdlab.models.memory import readable
from sdlab.runs import RUN_ID

if TYPE_CHECKING:
    import pandas as pd

_EMPTY = (
    "Choose samplers and pictures above and press **Compare**: every sampler makes its picture "
    "here from the same noise, and the verdict follows."
)
_KNOWN = "This comparison was made or started before: **Compare** opens it."
MANY_RUNS = 2000


def compare_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    follow_set_up()
    with opening():  # two threads that import torch at once may wait for each other
        catalogue = lab().catalogue()
    shown, arrived = shown_id(page), _arrived(page)
    if shown:
        st.button(
            "All comparisons",
            key=f"{page}.leave",
            type="tertiary",
            icon=":material/arrow_back:",
            on_click=show_id,
            args=(page, ""),
        )
    form = st.expander(
        "Samplers, pictures, budgets",
        expanded=not shown,
        icon=":material/tune:",
        key=f"{page}.form_{shown}",  # a comparison on show closes it, also a second one
        on_change="rerun",
    )
    stage, draft = st.container(), None
    if shown:
        if form.open:
            _follow(page, shown)
        with stage:  # before the form, whose forecast takes a moment
            _show(page, shown)
    if form.open:  # a finished page opens sooner without two dozen controls that nobody sees
        with form, st.container(key=f"{page}_choices"):
            draft = _form(page, catalogue)
    if not shown:
        with stage:
            _begin(page, draft, arrived)


def _arrived(page: str) -> bool:
    """Return whether this session has just come here by an address that holds choices."""
    key = f"{page}.been"
    first = key not in st.session_state
    st.session_state[key] = True
    return first and touched(page)


def _follow(page: str, shown: str) -> None:
    """Fill a form that nobody has changed with the comparison that is shown."""
    if touched(page):
        return
    try:
        found = _find(shown)
    except (ValueError, SdlabError):
        return  # ``_show`` says so
    if found is not None and (parameters := as_parameters(page, found.comparison)):
        st.switch_page(page_path("compare"), query_params={"id": shown, **parameters})


def _show(page: str, shown: str) -> None:
    """Draw a comparison by its id: done, in progress, or unknown."""
    try:
        found = _find(shown)
    except (ValueError, SdlabError) as error:
        show_error(error)
        _offer_anew(page, shown)
        return
    if found is None:
        st.info(
            f"No comparison {plain(repr(shown[:40]))} is stored here. It may have been made on "
            "another computer, or its folder was removed.",
            icon=":material/search_off:",
        )
        earlier(page)
        return
    if isinstance(found, NeededRuns):
        live_panel(page, found)
        return
    from dashboard.views.compare.result import show_result

    needed = asked(lab().runs, shown)
    show_result(page, found, None if needed is None else partial(_go, page, needed))


def _offer_anew(page: str, shown: str) -> None:
    """Offer to make a damaged result again, where it is known what was asked for."""
    try:
        needed = asked(lab().runs, shown)
    except SdlabError:
        return
    if needed is not None:
        say_swap(needed.model.name)
        st.button("Compare again", key=f"{page}.anew", on_click=_go, args=(page, needed))


def _find(comparison: str) -> Result | NeededRuns | None:
    """Return a comparison's result, or its runs if they were asked for after it was made."""
    if not RUN_ID.fullmatch(comparison):
        return None
    from dashboard.views.compare.result import made_at, opened

    made = made_at(lab().runs, comparison)
    if made and made >= asked_at(lab().runs, comparison):
        return opened(lab().runs, comparison, made)
    return asked(lab().runs, comparison)


def _begin(page: str, draft: ComparisonDraft | None, arrived: bool) -> None:
    """Draw what there is while nothing is on show; an address of choices opens what they made."""
    chosen = draft.comparison if draft else None
    known = chosen is not None and _is_known(chosen.id)
    if chosen is not None and known and arrived:
        show_id(page, chosen.id)
        st.rerun()
    st.info(_KNOWN if known else _EMPTY, icon=":material/compare:")
    earlier(page)


def _is_known(comparison: str) -> bool:
    try:
        return _find(comparison) is not None
    except (ValueError, SdlabError):
        return False  # damaged: Compare makes it anew


def _form(page: str, catalogue: "pd.DataFrame | None") -> ComparisonDraft | None:
    model = lab().status().model
    if catalogue is None or model is None:
        say_no_model()
        return None
    draft = comparison_form(page, catalogue, model)
    for problem in draft.problems:
        show_error(problem)
    say_model(model.name)
    _confirm(page, draft, model)
    return draft


def _confirm(page: str, draft: ComparisonDraft, model: ModelView) -> None:
    """Draw what the comparison will take, what is unfair about it, and the button."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        place, words = st.container(width=225), st.container(width="stretch")
    needed = expected = None
    if draft.comparison is not None:
        try:
            with words, st.spinner("Counting the evaluations …", show_time=False):
                expected, needed = _counted(draft.comparison, model)
        except (ValueError, SdlabError) as error:
            show_error(error)
    elif not draft.problems:
        words.caption("Choose at least one sampler, or press a preset.")
    ready = needed is not None and expected is not None and expected.runs <= MANY_RUNS
    ready = ready and needed is not None and within_limits(in_turn(needed))
    with place:
        press = go_button(page, "Compare", ready=ready, icon="compare")
    if press.wanted(ready) and needed is not None:
        _go(page, needed, press, draft.mix)
        press.end()
        st.rerun()  # what is on show stands above the form
    if expected is None or needed is None:
        return
    sums = "\n".join(f"- {plain(told)}" for told in expected.sums)
    more = f"{definition('evaluation')} A picture at budget {needed.comparison.budget}:\n\n{sums}"
    said, busy = _in_words(expected, needed, model)  # which may take a moment
    words.caption(said, help=f"{busy}\n\n{more}")
    if twice := [told for told in expected.sums if "=" in told]:
        st.caption(f":material/calculate: {plain(' '.join(twice))}")
    if expected.notes:
        say_unfair(page, {label: " ".join(said) for label, said in expected.notes.items()})
    else:
        st.caption(":material/balance: All of these can be compared fairly.")
    say_off_curve(needed.comparison)
    if expected.power:
        st.caption(f":material/casino: {plain(expected.power)}")


def _counted(comparison: Comparison, model: ModelView) -> tuple[Forecast, NeededRuns]:
    known = model_facts(model)
    config = dict(known.config)
    expected = forecast(comparison.to_json(), known.name, known.hash, config, known.pipeline)
    return expected, NeededRuns.of(comparison, known)


def _in_words(expected: Forecast, needed: NeededRuns, model: ModelView) -> tuple[str, str]:
    """Return what a comparison takes, and more about time and memory."""
    evaluations = expected.evaluations + expected.reference_evaluations
    found = states(lab(), needed).values()
    made = [state.nfe for state in found if state.state == "done"]
    stored = sum(made)
    left = max(0, evaluations - stored)
    references = (
        f", {expected.references} for references"
        if expected.references
        else ", without a reference: none is called the nearest"
    )
    parts = [
        f"**{expected.runs + expected.references:,} runs**{references}",
        f"**{evaluations:,} evaluations**"
        + (f", {min(stored, evaluations):,} made already" if stored else ""),
    ]
    curve = needed.comparison.curve
    parts.append(
        f"over the curve **{plain(curve)}**" if curve else "over the model's own noise levels"
    )
    seconds = seconds_of(needed, model, left, len(found) - len(made))
    if seconds:
        parts.append(f"about **{readable_seconds(seconds)}**")
    said = " · ".join(parts)
    if expected.runs > MANY_RUNS:
        said += f". More than {MANY_RUNS:,} runs are too many for a page: use the command line."
    memory = f"up to {readable(expected.bytes)} of memory"
    return said, f"On {plain(model.device_name)}, as busy as it is now, with {memory}."


def _go(page: str, needed: NeededRuns, press: Press | None = None, mix: bool | None = None) -> None:
    """Ask for what of a comparison is not there yet, and show it."""
    trouble = (press or Press()).begin(partial(_start, needed, mix))
    if trouble:
        st.toast(plain(trouble), icon=":material/error:")
    come_back(needed.id)
    show_id(page, needed.id)


def _start(needed: NeededRuns, mix: bool | None) -> str:
    """Ask for what of a comparison is not there yet; return why that is not possible, or ""."""
    try:
        if not _is_made(needed):
            summaries().forget(needed.id)
            ask(lab(), needed, mix, visitor().id, session_id())
    except (ValueError, SdlabError) as error:
        return sentence(error)
    return ""


def _is_made(needed: NeededRuns) -> bool:
    """Return whether a stored result is whole; a damaged one is not, and is made again."""
    try:
        found = _find(needed.id)
    except (ValueError, SdlabError):
        return False
    return isinstance(found, Result) and is_whole(found, needed)


def is_whole(result: Result, needed: NeededRuns) -> bool:
    """Return whether a result has all its runs and references, made by the weights in memory."""
    made = (result.tables["runs"]["state"] == "done").all()
    return bool(made) and not result.unreferenced and result.model_hash == needed.model.hash
