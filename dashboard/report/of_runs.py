"""What is in the report of several runs: what differs, their pictures, their charts in one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard.charts.runs import joined, overlaid
from dashboard.report.of_run import meanings
from dashboard.report.parts import (
    POINTS,
    Code,
    Figures,
    Gallery,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Words,
)
from dashboard.shell.theme import PALETTE
from dashboard.worker.stored_runs import read_picture
from sdlab.columns import RUNS, STEP_MEASURES, STEPS
from sdlab.errors import StoreError
from sdlab.reproducing.snippet import run_snippet
from sdlab.runs import run_path
from sdlab.runs.differences import names_of, settings_apart, settings_table
from sdlab.runs.run_folder import read_facts, read_table

MOST_LINES = 12
"""Runs whose charts are laid over each other."""
MOST_PICTURES = 200
MOST_SNIPPETS = 40
_SHOWN = (
    "displacement",
    "angle_deg",
    "x0_pred_std",
    "x0_pred_mean",
    "guidance_norm",
    "cosine",
    "ms",
)


def runs_report(root: Path, runs: "pd.DataFrame") -> Report:
    """Return the report of several stored runs.

    Args:
        root: The folder of all runs.
        runs: Their rows, as ``sdlab.runs.tables.chosen_runs`` returns them.

    Raises:
        StoreError: If one cannot be read.
    """
    ids = runs["run"].tolist()
    settings = settings_table(root, ids)
    names = names_of(settings)
    told = f"{len(ids):,} runs, made from {runs['created'].min():%Y-%m-%d %H:%M} on (UTC)"
    sections = (
        Section("Pictures", (pictures(root, names, settings),)),
        Section("What differs", tuple(differences(settings, names))),
        Section("Step by step", tuple(_charts(root, names))),
        Section("Make them again", tuple(_again(root, names))),
        Section("Tables", (Table(runs, "The runs", "One row a run.", meanings(RUNS)),)),
    )
    return Report(f"{len(ids):,} runs", told, sections)


def pictures(root: Path, names: Mapping[str, str], settings: "pd.DataFrame") -> Gallery:
    """Return the pictures of runs, each with its name.

    Args:
        root: The folder of all runs.
        names: What each is called, by its id.
        settings: As ``sdlab.runs.differences.settings_table`` returns them.
    """
    many = len(names) > MOST_LINES
    found = []
    for number, (run, name) in enumerate(list(names.items())[:MOST_PICTURES]):
        try:
            png = read_picture(run_path(root, run))
        except StoreError:
            continue
        prompt = str(settings.at["prompt", run]) if run in settings else ""
        color = "" if many else PALETTE[number]
        found.append(Picture(png, name, "", color, f"Picture by {name} of: {prompt}"))
    seen = f"The first {MOST_PICTURES} of {len(names):,}." if len(names) > MOST_PICTURES else ""
    return Gallery(tuple(found), seen, side=140 if many else 220)


def differences(settings: "pd.DataFrame", names: Mapping[str, str]) -> Iterator[Part]:
    """Yield a table of the settings that differ, and one of those that all have."""
    apart = settings_apart(settings)
    same = settings[~settings.index.isin(apart.index)]
    if apart.empty:
        yield Words(("Their settings are the same.",))
    else:
        turned = apart.T.rename(index=names).rename_axis("run").reset_index()
        yield Table(turned, "Settings that differ", folded=False)
    alike = same[same.nunique(axis=1) == 1].iloc[:, [0]]
    alike = alike.set_axis(["value"], axis=1).rename_axis("setting").reset_index()
    yield Table(alike[alike["value"] != ""], "Settings that all have")


def _charts(root: Path, names: Mapping[str, str]) -> Iterator[Figures | Words]:
    if len(names) > MOST_LINES:
        yield Words((f"Charts are laid over each other for up to {MOST_LINES} runs.",))
        return
    colors = dict(zip(names.values(), PALETTE, strict=False))
    tables, damaged = {}, []
    for run, name in names.items():
        try:
            tables[name] = read_table(run_path(root, run), "steps")
        except StoreError as error:
            damaged.append(f"{name} is left out: {error}")
    if damaged:
        yield Words(tuple(damaged))
    if not tables:
        return
    steps = joined(tables, POINTS)
    known = [name for name in _SHOWN if name in steps and steps[name].notna().any()]
    yield Figures(
        tuple(
            (overlaid(steps, "step", name, STEP_MEASURES[name], colors), _sentence(STEPS[name][1]))
            for name in known
        ),
        wide=True,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _again(root: Path, names: Mapping[str, Any]) -> Iterator[Part]:
    for run, name in list(names.items())[:MOST_SNIPPETS]:
        facts, _ = read_facts(run_path(root, run))
        yield Code(run_snippet(facts["experiment"], facts["model"]), f"{name} ({run})", folded=True)
    if len(names) > MOST_SNIPPETS:
        yield Words((f"The first {MOST_SNIPPETS}; the table below has the settings of all.",))
