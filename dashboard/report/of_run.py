"""What is in the report of one run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.charts import latents
from dashboard.charts.base import every, stride, with_time
from dashboard.charts.of_run import groups
from dashboard.report.frames import frames_of
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
from dashboard.report.pictures import png_of
from dashboard.shell.theme import scheduler_color
from sdlab.columns import OPTIONAL_TABLES, TABLES, TOKENIZER, Columns
from sdlab.reproducing.snippet import run_snippet
from sdlab.runs.differences import settings_of
from sdlab.runs.run_folder import open_run
from sdlab.sampler_names import titled

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.runs.run import Run

MOST_WORDS = 12
READ = (
    "Where each word is read: its share of each place's attention, the mean over evaluations and "
    "heads, over the finished picture. A word that is read somewhere need not act there."
)
ABOUT = {
    "steps": "One row a network evaluation.",
    "channels": "One row an evaluation and latent channel.",
    "tokens": "One row a place in the tokenizer's sequence; what was cut comes last.",
    "timings": "One row a timed stage.",
}


def run_report(folder: Path, model: "Model | None" = None, script: str = "") -> Report:
    """Return the report of a stored run.

    Args:
        folder: The run's.
        model: The model that made it, which decodes frames; None for those already drawn.
        script: The run as a script of diffusers alone; "" for none.

    Raises:
        StoreError: If it cannot be read.
    """
    run = open_run(folder)
    sections = (
        Section("Picture", (*_pictures(run), Facts(facts_of(run.manifest)))),
        Section("Step by step", frames_of(run, folder.parent, model)),
        Section("Measurements", tuple(figures_of(run))),
        Section("Words", tuple(_words(run))),
        Section("Make it again", tuple(_again(run, script))),
        Section("Settings and tables", tuple(_tables(run))),
    )
    return Report(run.experiment.prompt or "(no prompt)", lead_of(run), sections)


def lead_of(run: "Run") -> str:
    """Return a run's settings in one line."""
    asked = run.experiment
    parts = [titled(asked.solver), f"{asked.num_steps} steps", f"CFG {asked.guidance_scale:g}"]
    parts += [f"seed {asked.seed}", *([f"{asked.curve} curve"] if asked.curve else [])]
    return f"Run {run.id}: {' · '.join(parts)}"


def facts_of(manifest: dict[str, Any]) -> dict[str, str]:
    """Return what a run was made with and on, by names in words, from its manifest."""
    asked, model, machine = (manifest.get(n, {}) for n in ("experiment", "model", "machine"))
    found = {
        "prompt": asked.get("prompt"),
        "negative prompt": asked.get("negative_prompt"),
        "sampler": titled(asked["solver"]),
        "size": f"{manifest['width']} x {manifest['height']} px",
        "network evaluations": manifest.get("nfe"),
        "seconds": f"{manifest['total_ms'] / 1000:.3g}" if "total_ms" in manifest else None,
        "model": f"{model.get('name')}, weights {model.get('hash')}",
        "computed on": f"{model.get('device')}, {model.get('computed_in') or model.get('dtype')}",
        "machine": machine.get("gpu") or machine.get("processor"),
        "made": manifest.get("created"),
        **{name: number for name, number in manifest["versions"].items()},
    }
    return {name: f"{value}" for name, value in found.items() if value not in (None, "")}


def figures_of(run: "Run") -> Iterator[Figures | Words]:
    """Yield all charts of a run against its steps, a group at a time."""
    steps, channels = run.steps, run.channels
    one_in = stride(max(len(steps), len(channels)), POINTS)
    if one_in > 1:
        steps, channels = every(steps, one_in), every(channels, one_in)
        yield Words((f"One evaluation in {one_in} is drawn.",))
    if "flow_time" in steps and not channels.empty:
        channels = with_time(channels)
    color = scheduler_color(run.experiment.solver)
    for group in groups(steps, channels, "step", latents.TENSORS[0], color).values():
        yield Figures(tuple((make(), seen) for make, seen in group.charts), group.why)
        if group.lacks:
            yield Words((group.lacks,))


def meanings(columns: Columns) -> dict[str, str]:
    """Return what the columns of a table mean, each in a sentence with its unit."""
    return {name: f"{text} ({unit})" if unit else text for name, (unit, text) in columns.items()}


def _pictures(run: "Run") -> tuple[Gallery, ...]:
    found = [Picture(png_of(run.image), alt=f"The picture of: {run.experiment.prompt}")]
    sources = run.experiment.source_pictures
    found += [
        Picture(png_of(source.image), f"started from: {name.replace('_', ' ')}")
        for name, source in sources.items()
        if source.has_pixels
    ]
    return (Gallery(tuple(found), side=256),)


def _words(run: "Run") -> Iterator[Gallery]:
    """Yield the words of the prompt with their heat maps over the picture."""
    if not run.trace.has_attention or not run.trace.attention.cross_layers:
        return
    from sdlab.attention import views
    from sdlab.attention.pictures import overlay
    from sdlab.attention.words import labelled

    maps = run.trace.attention
    kept = set(maps.kept_positions())
    words = [(word, at) for word, at in labelled(maps.tokens["cond"]) if kept >= {*at}]
    pictures = tuple(
        Picture(png_of(overlay(run.image, views.heatmap(maps, at))), word)
        for word, at in words[:MOST_WORDS]
    )
    if pictures:
        more = f" The first {MOST_WORDS} words." if len(words) > MOST_WORDS else ""
        yield Gallery(pictures, READ + more)


def _again(run: "Run", script: str) -> Iterator[Code]:
    yield Code(
        run_snippet(run.experiment.to_dict(), run.manifest["model"]), "In Python, with sdlab:"
    )
    yield Code(f"sdlab rerun {run.id}", "Where the run is stored, compared bit by bit:")
    if script:
        yield Code(script, "As a script of diffusers alone, without sdlab", folded=True)


def _tables(run: "Run") -> Iterator[Table]:
    import pandas as pd

    settings = settings_of(run.manifest, run.experiment)
    listed = pd.DataFrame(settings.items(), columns=["setting", "value"])
    yield Table(listed, "All settings and versions")
    known = {**TABLES, **OPTIONAL_TABLES, "tokens": {**TABLES["tokens"], **TOKENIZER}}
    for name, table in run.tables.items():
        shown: pd.DataFrame = table.drop(columns="run", errors="ignore")
        yield Table(shown, name.capitalize(), ABOUT[name], meanings(known[name]))
