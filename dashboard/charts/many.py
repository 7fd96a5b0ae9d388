"""Many named lines on one chart: hovering brings one forward, the legend picks some."""

from collections.abc import Collection, Mapping

import altair as alt

LEGEND_LINE = 20
SHORT = 20  # letters of a name that fits half the legend


def many_lines(
    points: alt.Chart,
    colors: Mapping[str, str],
    dashes: Mapping[str, list[int]],
    *,
    order: str,
    series: str = "series",
    legend: bool = True,
) -> list[alt.Chart]:
    """Return the layers of one line a series: lines, dots, and what the pointer finds.

    Args:
        points: A chart of the points, with its axes and tooltip; it must hold the fields named.
        colors: The colour of each series, in the legend's order.
        dashes: The dash pattern of each series.
        order: The field along which a line runs.
        series: The field that names a line.
        legend: Whether there is one, to pick lines by.
    """
    hover = alt.selection_point(
        name="hover", on="pointerover", clear="pointerout", nearest=True, fields=[series]
    )
    picked = alt.selection_point(name="picked", fields=[series], bind="legend")
    names = list(colors)
    shown = line_legend(names) if legend else None
    color = alt.Color(
        f"{series}:N",
        title=None,
        legend=shown,
        scale=alt.Scale(domain=names, range=list(colors.values())),
    )
    pattern = alt.StrokeDash(
        f"{series}:N",
        title=None,
        legend=shown,
        scale=alt.Scale(domain=names, range=[dashes[name] for name in names]),
    )
    near = hover & picked if legend else hover
    opacity = alt.when(near).then(alt.value(0.95))
    opacity = opacity.when(picked).then(alt.value(0.16)) if legend else opacity
    faint = alt.value(0.03 if legend else 0.16)
    base = points.encode(color=color)
    line = base.mark_line(strokeWidth=2).encode(
        strokeDash=pattern, order=alt.Order(f"{order}:Q"), opacity=opacity.otherwise(faint)
    )
    dots = base.mark_circle(size=20).encode(opacity=opacity.otherwise(faint))
    target = base.mark_point(size=130).encode(opacity=alt.value(0)).add_params(hover)
    if legend:
        line, target = line.add_params(picked), target.transform_filter(picked)
    return [line, dots, target]


def line_legend(names: list[str]) -> alt.Legend:
    """Return a legend below the chart, in two columns where there are many names."""
    return alt.Legend(
        orient="bottom",
        columns=legend_columns(names),
        labelLimit=330 if legend_columns(names) == 1 else 178,
        symbolType="stroke",
        symbolSize=300,
        symbolStrokeWidth=2.5,
        symbolOpacity=1,
        rowPadding=3,
        columnPadding=16,
    )


def legend_columns(names: Collection[str]) -> int:
    """Return the number of the legend's columns: two of many names, or of a few short ones."""
    return 2 if len(names) > (3 if max(map(len, names), default=0) <= SHORT else 8) else 1


def legend_height(names: Collection[str]) -> int:
    """Return the pixels that the legend takes."""
    return LEGEND_LINE * -(-len(names) // legend_columns(names))
