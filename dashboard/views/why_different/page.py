"""The Why different? page: two sides, their pictures, what differs, what each costs, ways on."""

import json
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import link_to, page_path
from dashboard.views.why_different import seen
from dashboard.views.why_different.cost import costs
from dashboard.views.why_different.sides import side_fields
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import why
from dashboard.widgets.pictures import draw_picture, enlarged

if TYPE_CHECKING:
    from sdlab.explaining.explain import Difference, Explanation
    from sdlab.explaining.making import Making


def why_different_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    with explained():
        sides = side_fields(page)
    if None in sides:
        st.info(seen.EMPTY if not any(sides) else seen.ONE, icon=":material/difference:")
        link_to("runs", "Find runs")
        why(seen.WHY, *seen.EQUATIONS)
        return
    with explained():
        found = _explained(*sides)
    _pictures(found)
    _differences(page, found)
    costs(page, found)
    for name, side in (("a", found.a), ("b", found.b)):
        _nearest(page, name, side)
    why(seen.WHY, *seen.EQUATIONS)


def _explained(a: "Making | None", b: "Making | None") -> "Explanation":
    import sdlab

    assert a is not None and b is not None
    return sdlab.explain(a, b)


def _pictures(found: "Explanation") -> None:
    for side, column in zip((found.a, found.b), st.columns(2), strict=True):
        with column:
            if side.image is not None:
                draw_picture(_png(side.image), f"The picture of {side.title}")
            st.caption(plain(side.title))


@st.cache_data(max_entries=8, show_spinner=False)
def _png(image: bytes) -> bytes:
    return enlarged(image)


def _differences(page: str, found: "Explanation") -> None:
    (st.warning if found.differences else st.success)(plain(found.sentence))
    if found.differences:
        text = st.column_config.TextColumn
        csv_table(
            found.table(), "why-different", f"{page}.csv", seen.ABOUT,
            columns={
                "cause": None, "explanation": None, "source": None,
                "message": text(width="large"), "fix": text(width="large"),
            },
        )  # fmt: skip
        with st.expander("Why each matters, and how to mend it", icon=":material/build:"):
            st.markdown("\n".join(map(_line, found.differences)))
    for label, titles in (("The same", found.same), ("Not said by both", found.unsaid)):
        if titles:
            st.caption(f"{label}: {plain(', '.join(titles))}.")
    for side in (found.a, found.b):
        if side.levels is None:
            reason = side.no_levels or "its file does not say them."
            st.caption(plain(f"The noise levels of {side.title} are not known: {reason}"))


def _line(one: "Difference") -> str:
    cause = one.cause
    return (
        f"- **{plain(cause.title)}.** {plain(one.message)} {plain(cause.explanation)}"
        f" *{plain(cause.fix)}* ({plain(cause.source)})"
    )


def _nearest(page: str, name: str, side: "Making") -> None:
    """Draw the experiment of ours that comes nearest to another program's picture."""
    if side.program == "sdlab" or side.kind in ("config", "folder"):
        return
    with st.expander(f"{plain(side.title)} by an experiment of ours", icon=":material/science:"):
        if side.experiment is None:
            st.info(plain(side.no_experiment), icon=":material/info:")
            return
        for sentence in side.short:
            st.markdown(f"- {plain(sentence)}")
        pressed = st.button("Open it on Experiment", key=f"{page}.open_{name}")
        fields = {k: v for k, v in side.experiment.to_dict().items() if k != "record"}
        st.code(json.dumps(fields, ensure_ascii=False), language="json", wrap_lines=True)
    if pressed:
        _open(side)


def _open(side: "Making") -> None:
    from dashboard.widgets.run_fields import address_for, experiment_fields
    from dashboard.widgets.run_ways import EXPERIMENT

    assert side.experiment is not None
    fields = address_for(EXPERIMENT, experiment_fields(side.experiment), side.experiment)
    fields.pop(f"{EXPERIMENT}.model", None)
    st.switch_page(page_path(EXPERIMENT), query_params=fields)
