"""Writes a report as one HTML file: charts, their scripts and pictures are all inside.

The file asks no host for anything, and its own Content-Security-Policy forbids it to: scripts are
those with the file's nonce, pictures are data. Whatever a prompt holds is text: Jinja escapes it,
and within scripts ``<`` is written as its code.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import altair as alt
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from dashboard.report.parts import MOST_ROWS, Figures, Gallery, Picture, Report, Table
from dashboard.report.pictures import encoded
from sdlab.errors import SdlabError

LIMIT = 10 * 10**6
"""Bytes of a report; pictures and tables are made smaller where they would make it larger."""
LEAST = 3000
"""Bytes that each picture is to have."""
ROWS = (MOST_ROWS, 100, 50, 20, 5)
"""Rows of each table that are tried."""
LETTERS = 500
"""Of a cell's text, and of the words for those who cannot see a picture."""
DIGITS = 7
"""Of numbers in charts, which show fewer."""
_HERE = files(__package__)


def html_of(report: Report) -> bytes:
    """Return a report as an HTML file.

    Raises:
        SdlabError: If it is larger than ``LIMIT`` even without pictures.
    """
    charts = [spec_of(chart) for chart, _ in _charts(report)]
    pictures = _pictures(report)
    for most in ROWS:
        bare = len(_written(report, charts, [""] * len(pictures), "", most)) + 1000
        if bare + LEAST * len(pictures) <= LIMIT:
            break
    uris, note = encoded([picture.png for picture in pictures], LIMIT - bare)
    whole = _written(report, charts, uris, note, most)
    if len(whole) > LIMIT:
        raise SdlabError(
            f"The report would have {len(whole) / 10**6:.0f} MB; name fewer runs, so that it stays"
            f" below {LIMIT / 10**6:.0f} MB."
        )
    return whole


def spec_of(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    """Return a chart in Vega-Lite's words, as wide as its place, its numbers to seven digits."""
    with alt.theme.enable("none"), alt.data_transformers.enable("default"):
        spec: dict[str, Any] = chart.to_dict()
    spec |= {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    rows = {
        name: [_rounded(row) for row in data] for name, data in spec.get("datasets", {}).items()
    }
    return spec | {"datasets": rows}


@cache
def scripts() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; ``bundle`` says where it is from."""
    return _text("vega.js")


def cell(value: Any) -> str:
    """Return a value of a table as people read it."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return short(str(value))


def short(text: str) -> str:
    """Return a text, its end left out where it is long."""
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}… ({len(text):,} letters)"


def _written(
    report: Report, charts: Sequence[Any], uris: Sequence[str | None], note: str, most: int
) -> bytes:
    spec, uri = iter(range(len(charts))), iter(uris)
    text = _template().render(
        report=report,
        charts=charts,
        spec=lambda: next(spec),
        uri=lambda: next(uri),
        note=note,
        nonce=secrets.token_urlsafe(16),
        style=Markup(_text("report.css")),
        scripts=Markup(scripts()),
        script=Markup(_text("report.js")),
        version=version("sdlab"),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        most=most,
    )
    return text.encode()


@cache
def _template() -> Any:
    surroundings = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    surroundings.filters |= {"cell": cell, "rows": _rows, "short": short}
    return surroundings.from_string(_text("report.html"))


def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")


def _rows(table: Table, most: int) -> list[list[Any]]:
    frame = table.frame.head(most)
    columns = [frame[name].astype(object).tolist() for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _charts(report: Report) -> list[tuple[alt.Chart | alt.LayerChart, str]]:
    parts = (part for section in report.shown for part in section.parts)
    return [chart for part in parts if isinstance(part, Figures) for chart in part.charts]


def _pictures(report: Report) -> list[Picture]:
    parts = (part for section in report.shown for part in section.parts)
    return [picture for part in parts if isinstance(part, Gallery) for picture in part.pictures]


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in row.items()
    }
