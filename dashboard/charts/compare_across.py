"""Two models' prompt fidelity at equal evaluations."""

import altair as alt
import pandas as pd

from dashboard.charts.base import layered, require
from dashboard.charts.compare import HEIGHT, doublings, titled

COLORS = ("#0072B2", "#D55E00")
_COLUMNS = ("budget", "nfe", "nfe_other", "pictures", "fidelity", "fidelity_other", "more", "half")


def across(table: pd.DataFrame, first: str, other: str) -> alt.LayerChart:
    """Return the share of the statements that two models' pictures show, against evaluations.

    Args:
        table: Of ``sdlab.comparing.across``.
        first: The first model's name.
        other: The other's.

    Raises:
        ValueError: If a column is missing.
    """
    rows = require(table, _COLUMNS, "across")
    named = (first, "nfe", "fidelity"), (other, "nfe_other", "fidelity_other")
    long = pd.concat(
        [
            rows.assign(model=name, evaluations=rows[nfe], share=rows[share])
            for name, nfe, share in named
        ]
    )
    x = doublings("evaluations", "network evaluations (log scale)", long["evaluations"])
    y = alt.Y("share:Q", title="share of the statements that hold", axis=alt.Axis(format=".0%"))
    scale = alt.Scale(domain=[first, other], range=list(COLORS))
    color = alt.Color("model:N", title=None, scale=scale, legend=alt.Legend(orient="top"))
    tips = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("share:Q", title="hold", format=".1%"),
        alt.Tooltip("evaluations:Q", title="evaluations", format="d"),
        alt.Tooltip("pictures:Q", title="pairs", format="d"),
        alt.Tooltip("more:Q", title="the other shows more by", format="+.1%"),
        alt.Tooltip("half:Q", title="give or take (95 %)", format=".1%"),
    ]
    base = alt.Chart(long).encode(x=x, y=y, color=color)
    lines = base.mark_line(strokeWidth=2)
    points = base.mark_point(filled=True, size=60).encode(tooltip=tips)
    return layered(lines, points).properties(
        title=titled("Two models on the same captions"), height=HEIGHT
    )
