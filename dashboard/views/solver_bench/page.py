"""The Solver bench page: errors against the truth, orders, floors, paths in 2-D, tables."""

import math

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained, opening
from dashboard.shell.theme import scheduler_color
from dashboard.views.solver_bench import data, seen
from dashboard.views.solver_bench.audit import audits
from dashboard.views.solver_bench.bent import say_bent
from dashboard.views.solver_bench.best import say_best
from dashboard.views.solver_bench.controls import BenchSettings, bench_controls, path_choice
from dashboard.widgets.downloads import csv_button
from dashboard.widgets.figure import figure, why

NAMED = 3
_PATH_STEPS = (4, 6, 8, 10, 12, 16, 20, 25, 32, 50, 64)


def solver_bench(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    with opening():
        default = data.path_of_model()
    path = path_choice(page, default)
    with opening():
        catalogue = data.catalogue(path)
    with explained():
        settings = bench_controls(page, catalogue, path)
    if not settings.rows:
        st.info("Choose a solver above, or press a preset.", icon=":material/speed:")
        return
    with explained():
        errors = _measured(settings)
    _spoken(settings)
    with explained():
        say_best(page, errors, settings)
    names = ["Error against cost", "Orders", "Paths", "Table", "Audit"]
    cost, orders, paths, table, audit = st.tabs(names)
    with cost:
        _convergence(errors, settings)
        say_bent(errors, settings.rows, settings.path)
        _floors(errors)
    with orders:
        _orders(page, errors, settings)
    with paths:
        _paths(page, settings)
    with table:
        _table(page, errors)
    with audit:
        audits(page, settings)


def _measured(settings: BenchSettings) -> pd.DataFrame:
    bar = st.progress(0.0, "Measuring …")
    count = len(settings.rows)

    def progress(done: int, name: str) -> None:
        bar.progress(done / count, f"Measuring {name}, {done + 1} of {count} …")

    found = data.measured(
        settings.rows,
        settings.problem,
        settings.steps,
        settings.end,
        settings.path,
        progress,
    )
    bar.empty()
    return found


def _spoken(settings: BenchSettings) -> None:
    if settings.apart:
        names, many = ", ".join(settings.apart), len(settings.apart) > NAMED
        who = f"{len(settings.apart)} of these" if many else names
        goes = "uses its" if len(settings.apart) == 1 else "use their"
        said = f"{who} cannot follow {settings.curve} and {goes} own spacing."
        st.caption(said, help=f"The tables show it. {names if many else ''}")


def _convergence(errors: pd.DataFrame, settings: BenchSettings) -> None:
    from dashboard.charts import bench as charts

    drawn = errors.dropna(subset=["error"])
    if drawn.empty:
        st.info("No solver took any of these step counts; the table says why.")
        return
    colors = {name: scheduler_color(name) for name in drawn["solver"].unique()}
    exact = int((drawn["error"] <= charts.NOTHING).sum())
    weak = (drawn["measure"] == "weak").any()
    figure(
        charts.convergence(drawn, settings.cost, colors),
        "Lower is nearer to the truth; the steeper a line, the higher the order."
        + " Points are measured; dashed grey lines are no solver's, but the slopes of orders 1, 2 "
        "and 3." + (" Diamonds are weak errors: do not compare them with dots." if weak else ""),
        alt="Error against cost on log axes",
        more="Hover to bring one line forward; "
        "click names in the legend (with Shift, several) to "
        "see only those."
        + (
            " Weak: a stochastic solver is judged by the mean and covariance of its samples, not "
            "particle by particle."
            if weak
            else ""
        )
        + (f" Left out: {exact} results that are exact up to rounding." if exact else ""),
    )


def _floors(errors: pd.DataFrame) -> None:
    floors = errors["floor"].dropna()
    if len(floors):
        low, high = floors.min(), floors.max()
        range_ = f"{low:.1e}" if high < 1.2 * low else f"from {low:.1e} to {high:.1e}"
        st.markdown(
            f"Here the last jump alone leaves an error of **{range_}**, the floor: lines bend "
            "there and go flat, and may dip below it before."
        )
    why(seen.WHY_FLOORS, *seen.FLOOR, label="Why lines go flat: floors")


def _orders(page: str, errors: pd.DataFrame, settings: BenchSettings) -> None:
    table = data.fitted(errors, settings.rows)
    column = st.column_config
    shown = table.assign(
        interval=[
            "" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
        steps=[
            "" if points == 0 else f"{first} to {last}"
            for points, first, last in zip(
                table["points"], table["first"], table["last"], strict=True
            )
        ],
    )[["solver", "curve", "declared", "order", "interval", "steps", "error", "floor", "note"]]
    st.dataframe(
        shown,
        hide_index=True,
        alt="Fitted orders",
        placeholder="",
        column_config={
            "solver": column.TextColumn("Solver"),
            "curve": column.TextColumn("Curve"),
            "declared": column.NumberColumn("Declared", help="What its author states."),
            "order": column.NumberColumn("Order", format="%.2f", help="Fitted slope."),
            "interval": column.TextColumn("95 % interval"),
            "steps": column.TextColumn("Steps fitted"),
            "error": column.NumberColumn("Error at most steps", format="%.2e"),
            "floor": column.NumberColumn("Floor", format="%.2e"),
            "note": column.TextColumn("Why not"),
        },
    )
    cleaner = "" if settings.end == "sigma_min" else " Leave out the last jump for cleaner ones."
    st.caption(f"The slope of error against steps on log axes.{cleaner}")
    why(seen.WHY_ORDERS, seen.ORDER)
    _csv(page, table, "orders")


def _table(page: str, errors: pd.DataFrame) -> None:
    from sdlab.bench import COLUMNS

    _csv(page, errors, "errors")
    column = st.column_config
    config = {n: column.Column(n, help=text) for n, text in COLUMNS.items()}
    for name in ("error", "floor", "low", "high", "chance"):
        config[name] = column.NumberColumn(name, help=COLUMNS[name], format="%.3e")
    for name in ("start", "end", "seconds"):
        config[name] = column.NumberColumn(name, help=COLUMNS[name], format="%.4g")
    st.dataframe(
        errors,
        hide_index=True,
        height=330,
        column_config=config,
        placeholder="",
        alt="Table of errors",
    )


def _csv(page: str, frame: pd.DataFrame, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(frame):,} rows.", width="stretch")
        about = f"The table of {name}, {len(frame):,} rows"
        csv_button(frame, f"solver-{name}", f"{page}.csv_{name}", about=about)


@st.fragment
def _paths(page: str, settings: BenchSettings) -> None:
    from dashboard.charts import bench as charts

    dimension = data.problems().set_index("problem")["dimension"][settings.problem]
    if dimension != 2:
        st.info(
            "Paths can be drawn in two dimensions only. Choose the tilted Gaussian or the ring "
            "above.",
            icon=":material/timeline:",
        )
        return
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        rows = {row.text: row for row in settings.rows}
        name = bound().selectbox("Whose paths", list(rows), key=f"{page}.path", width=300)
        count = bound().selectbox(
            "In steps", _PATH_STEPS, _PATH_STEPS.index(10), key=f"{page}.path_steps", width=110,
        )  # fmt: skip
        step = bound().slider("After step", 0, count, count, key=f"{page}.after_{count}", width=420)
    with explained():
        table = data.trajectories(rows[name], count, settings.problem, settings.path)
    sigma = float(table.loc[table["step"] == step, "sigma"].iloc[0])
    color = scheduler_color(name)
    left, right = st.columns(2, gap="medium")
    chart = charts.paths(table, data.density(settings.problem, sigma, settings.path), step, color)
    left.altair_chart(chart, width="content", alt=f"Paths of {name} up to step {step}")
    drawn = data.drift(table).dropna()
    if drawn.empty:
        right.info(
            "This solver draws fresh noise: no single particle has a true place, only the cloud as "
            "a whole has a true shape.",
            icon=":material/casino:",
        )
    else:
        with right:
            figure(
                charts.drift(drawn, step, color),
                "How far the particles are from where they should be, median and largest: where it "
                "grows, steps are too long.",
                alt="Distance from the truth at each step",
            )
    flow = settings.path == "flow"
    at = f"t {sigma / (1 + sigma) if sigma < math.inf else 1:.4g}" if flow else f"sigma {sigma:.4g}"
    scale = "x_t itself is drawn" if flow else "Everything is divided by sqrt(1 + sigma²)"
    left.caption(
        f"At {at}: dots are where the solver took each particle, grey rings where it should be.",
        help=f"{scale}, as the network would see it.",
    )
    why(seen.WHY_PATHS, seen.FLOW)
