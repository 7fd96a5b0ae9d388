"""What is in the report of a comparison."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from dashboard.charts import compare, compare_cost, compare_pairs, compare_paths, compare_quality
from dashboard.charts.compare_tables import of_picture, over_pictures, renamed, thinned
from dashboard.charts.schedules import distinct_dashes
from dashboard.report.of_run import meanings
from dashboard.report.parts import (
    POINTS,
    Code,
    Facts,
    Figures,
    Gallery,
    Picture,
    Report,
    Section,
    Table,
    Words,
)
from dashboard.shell.theme import scheduler_color
from dashboard.worker.stored_runs import read_picture
from sdlab.comparing.columns import TABLES
from sdlab.comparing.result import Result, open_result
from sdlab.errors import StoreError
from sdlab.reproducing.snippet import comparison_snippet
from sdlab.runs import run_path
from sdlab.sampler_names import short_names

MOST_PICTURES = 120
Figure = tuple[alt.LayerChart, str]
_BY_STEP = {
    "x0_to_end": "How far each step's predicted picture is from the converged one.",
    "x_t_distance": "How far the noisy latents are from the reference's path at the same noise.",
    "x0_pred_std": "The spread of x0_pred; guidance and large steps widen it.",
    "sigma": "The noise level of each evaluation; only where they agree is it fair.",
}


class Shown(NamedTuple):
    """A result with its samplers under short names, and how each looks."""

    result: Result
    tables: dict[str, pd.DataFrame]
    names: dict[str, str]
    colors: dict[str, str]
    dashes: dict[str, list[int]]


def comparison_report(root: Path, comparison: str) -> Report:
    """Return the report of a stored comparison.

    Args:
        root: The folder of all runs.
        comparison: The comparison's id.

    Raises:
        StoreError: If it cannot be read.
    """
    result = open_result(root, comparison)
    spec = result.comparison
    names = short_names(entrant.label for entrant in spec.entrants)
    looks = {names[e.label]: (scheduler_color(e.solver), e.curve) for e in spec.entrants}
    colors = {name: color for name, (color, _) in looks.items()}
    tables = {name: renamed(table, names) for name, table in result.tables.items()}
    shown = Shown(result, tables, names, colors, distinct_dashes(looks))
    sections = (
        Section("Verdict", (Words(result.verdict, listed=True), *_notes(shown))),
        Section("Pictures", tuple(_pictures(shown, root))),
        Section("Error and cost", tuple(_costs(shown))),
        Section("Step by step", tuple(_steps(shown))),
        Section("Each other, and quality", tuple(_pairs(shown))),
        Section("Make it again", (Code(comparison_snippet(spec), "In Python, with sdlab:"),)),
        Section("Settings and tables", (_facts(result), *_tables(shown))),
    )
    many = f"{len(spec.entrants)} samplers, {len(spec.pictures)} pictures"
    title = " against ".join(list(names.values())[:4])
    return Report(title, f"Comparison {result.id}: {many}", sections)


def _notes(shown: Shown) -> Iterator[Words]:
    """Yield what stands against a fair comparison of each sampler."""
    rows = shown.tables["entrants"]
    pairs = zip(rows["entrant"], rows["notes"], strict=True)
    if found := tuple(f"{name}: {note}" for name, note in pairs if note):
        yield Words(("What stands against a fair comparison:",))
        yield Words(found, listed=True)


def _pictures(shown: Shown, root: Path) -> Iterator[Gallery]:
    """Yield the pictures at the first budget, those of one prompt and seed together."""
    runs = shown.tables["runs"]
    first = runs[(runs["budget"] == shown.result.comparison.budget) & (runs["state"] == "done")]
    left = MOST_PICTURES
    for prompt, seed in shown.result.comparison.pictures:
        found = _of_picture(shown, first, root, prompt, seed)
        pictures = [picture for picture in found if picture is not None][:left]
        left -= len(pictures)
        if pictures:
            yield Gallery(tuple(pictures), f"{prompt or '(no prompt)'} · seed {seed}")
    if not left:
        yield Gallery((), f"The first {MOST_PICTURES} pictures; the comparison has more.")


def _of_picture(
    shown: Shown, runs: pd.DataFrame, root: Path, prompt: str, seed: int
) -> list[Picture | None]:
    """Return the reference of one picture, then what each sampler made."""
    references = of_picture(shown.tables["references"], prompt, seed)["run"]
    rows: Any = of_picture(runs, prompt, seed).itertuples()  # fields known to pandas alone
    return [
        *(_picture(root, run, "reference", "", "") for run in references),
        *(
            _picture(root, row.run, row.entrant, shown.colors[row.entrant], _line(row))
            for row in rows
        ),
    ]


def _picture(root: Path, run: str, name: str, color: str, line: str) -> Picture | None:
    try:
        return Picture(read_picture(run_path(root, str(run))), name, line, color)
    except StoreError:
        return None


def _line(row: Any) -> str:
    told = "" if pd.isna(row.distance) else f", distance {row.distance:.3g}"
    return f"{row.nfe} evaluations{told}"


def _costs(shown: Shown) -> Iterator[Figures | Words]:
    cost, slopes, entrants = (shown.tables[name] for name in ("cost", "slopes", "entrants"))
    if not cost["error"].notna().any():
        yield Words(("No run has a reference, so there is no error to draw.",))
        return
    budget = shown.result.comparison.budget
    noisy = entrants.loc[~entrants["deterministic"].fillna(False).astype(bool), "entrant"]
    objected = entrants.loc[entrants["notes"] != "", "entrant"]
    ranking = compare_cost.ranking(cost, budget, shown.colors, list(noisy), list(objected))
    against = {
        "nfe": "Lower is nearer; the steeper a line, the more another evaluation gains.",
        "seconds": "Rings on the golden line: no other run is both quicker and nearer.",
    }
    yield Figures(
        (
            (ranking, "Further left is nearer to the converged picture; bars are 95 % intervals."),
            *(
                (compare_cost.error_against(cost, slopes, x, shown.colors, shown.dashes), seen)
                for x, seen in against.items()
            ),
        ),
        wide=True,
    )


def _steps(shown: Shown) -> Iterator[Figures | Words]:
    steps, pictures = shown.tables["steps"], shown.result.comparison.pictures
    if steps.empty:
        return
    if len(pictures) > 1:
        yield Words((f"Means over the {len(pictures)} pictures.",))
        steps = over_pictures(steps)
    known = {name: seen for name, seen in _BY_STEP.items() if steps[name].notna().any()}
    charts = []
    for name, seen in known.items():
        rows = thinned(steps.dropna(subset=[name]), POINTS)
        charts.append((compare.per_step(rows, name, "step", shown.colors, shown.dashes), seen))
    charts += _paths(shown)
    yield Figures(tuple(charts), wide=True)


def _paths(shown: Shown) -> list[Figure]:
    pictures = shown.result.comparison.pictures
    rows = of_picture(shown.tables["paths"], *pictures[0]) if pictures else pd.DataFrame()
    if rows.empty:
        return []
    chart = compare_paths.trajectories(thinned(rows, POINTS), shown.colors, shown.dashes)
    return [(chart, "Every run's way from the shared noise to its end, of the first picture.")]


def _pairs(shown: Shown) -> Iterator[Figures]:
    pairs, ties, quality = (shown.tables[name] for name in ("pairs", "ties", "quality"))
    charts = []
    if pairs["a"].nunique() > 1:
        charts.append((compare_pairs.distances(pairs), "Dark: the two make like pictures."))
    if ties["tied"].notna().any():
        cost = shown.tables["cost"]
        first = cost[cost["budget"] == shown.result.comparison.budget].sort_values("error")
        seen = "Blue: the row's is nearer to the converged picture than the column's."
        charts.append((compare_pairs.ties(ties, list(first["entrant"])), seen))
    if (known := quality.dropna(subset=["share"]))["what"].eq("all").any():
        chart = compare_quality.quality(known, "all", shown.colors, shown.dashes)
        charts.append((chart, "How many of the prompts' statements hold in the pictures."))
    if charts:
        yield Figures(tuple(charts), wide=True)


def _facts(result: Result) -> Facts:
    spec = result.comparison
    return Facts(
        {
            "model": f"{result.model_name}, weights {result.model_hash}",
            "made": result.created,
            "prompts": " | ".join(spec.prompts),
            "seeds": ", ".join(map(str, spec.seeds)),
            "budgets": ", ".join(map(str, spec.budgets)),
            "counted in": "network evaluations" if spec.align == "nfe" else "steps",
            "guidance": f"{spec.guidance_scale:g}",
            "reference": f"{spec.reference_steps} steps" if spec.reference_steps else "none",
        }
    )


def _tables(shown: Shown) -> Iterator[Table]:
    for name, columns in TABLES.items():
        yield Table(shown.tables[name], name.capitalize(), "", meanings(columns))
