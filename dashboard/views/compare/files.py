"""The downloads of a comparison: one zip, its link, the Python that makes it again."""

import streamlit as st

from dashboard.shell.navigation import page_path
from dashboard.shell.routes import comparison_zip_url, page_url
from dashboard.widgets.keywords import as_keywords
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.result import Result
from sdlab.shipped import EMBEDDED


def files(page: str, result: Result) -> None:
    """Draw the downloads and links of a result."""
    st.header("Files and link", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.link_button(
            "Download all (zip)",
            comparison_zip_url(result.id),
            key=f"{page}.zip",
            icon=":material/folder_zip:",
            help="Verdict, every table as Parquet and CSV, and all pictures.",
        )
        st.link_button(
            "With every run (zip)",
            comparison_zip_url(result.id, runs=True),
            key=f"{page}.zip_runs",
            type="tertiary",
            icon=":material/folder_zip:",
            help="The same, and in its folder `runs` every run and reference with tensors, tables "
            "and manifest. Moved into your own folder of runs, they open there.",
        )
        st.link_button(
            "Link to this comparison",
            page_url(f"compare?id={result.id}"),
            key=f"{page}.link",
            type="tertiary",
            icon=":material/link:",
        )
        st.page_link(page_path("runs"), label="All runs", icon=":material/grid_view:")
    _code(page, result.comparison)


@st.fragment
def _code(page: str, comparison: Comparison) -> None:
    """Draw the Python once it is asked for: colouring it takes the browser a moment."""
    place = st.expander("Make it again in Python", key=f"{page}.code", on_change="rerun")
    if place.open:
        place.code(python_code(comparison), language="python")


def python_code(comparison: Comparison) -> str:
    """Return the lines that make a comparison again in a notebook."""
    values = comparison.to_dict()
    own = Comparison(comparison.entrants, comparison.prompts).to_dict()
    skipped = ("entrants", "model")
    changed = {k: v for k, v in values.items() if v != own.get(k) and k not in skipped}
    bare = [e == Entrant(e.solver) for e in comparison.entrants]
    if all(bare):
        entrants = repr([e.solver for e in comparison.entrants])
    else:
        lines = [_entrant(values["entrants"][i]) for i in range(len(bare))]
        entrants = "[\n" + "".join(f"        {line},\n" for line in lines) + "    ]"
    source = "" if comparison.model == EMBEDDED else repr(comparison.model)
    inner = as_keywords(changed)
    return (
        "import sdlab\n"
        "from sdlab.comparing.entrant import Entrant\n"
        "from sdlab.comparing.run import compare\n\n"
        f"model = sdlab.load({source})\n"
        "result = compare(\n    model,\n"
        f"    entrants={entrants},\n    prompts={values['prompts']!r},\n{inner})\n"
        "print(*result.verdict, sep='\\n')\n"
    )


def _entrant(values: dict[str, object]) -> str:
    given = {k: v for k, v in values.items() if k != "solver" and v not in (None, {})}
    inner = ", ".join(f"{k}={v!r}" for k, v in given.items())
    return f"Entrant({values['solver']!r}" + (f", {inner})" if inner else ")")
