"""The charts of the Noise schedules page, and the rows they draw."""

import numpy as np
import pandas as pd
import pytest

import sdlab
from dashboard.charts import schedules
from dashboard.charts.coinciding import (
    coinciding,
    first_of_each_step,
    group_name,
    one_line_each,
)
from dashboard.views.noise_schedules.config import IN_FORCE, training_names, training_table
from dashboard.widgets import sampler_rows as schedule_rows
from dashboard.widgets.sampler_rows import styles
from sdlab.solvers.from_diffusers import SD_CONFIG

NAMES = ("DDIMScheduler", "heun + karras", "HeunDiscreteScheduler + karras")


def rows_of(*texts):
    rows = {row.label: row for row in map(schedule_rows.parse_row, texts)}
    parts = [
        schedule_rows.row_table(row.text, 8, SD_CONFIG).assign(series=label)
        for label, row in rows.items()
    ]
    return rows, pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def drawn():
    rows, frame = rows_of(*NAMES)
    return frame, *styles(rows)


def layers(chart):
    return chart.to_dict()["layer"]


def values(chart, index):
    spec = chart.to_dict()
    return spec["datasets"][spec["layer"][index].get("data", spec.get("data"))["name"]]


@pytest.mark.parametrize("x", schedules.X_AXES)
@pytest.mark.parametrize("y", schedules.Y_AXES)
def test_axes(drawn, x, y):
    frame, colors, dashes = drawn
    training = training_table([IN_FORCE], SD_CONFIG, 8)
    chart = schedules.levels(frame, training, x, y, True, colors, dashes)
    line = next(part for part in layers(chart) if part["encoding"].get("strokeDash"))
    assert line["encoding"]["x"]["field"] == {"step": "at", "timestep": "timestep", "NFE": "nfe"}[x]
    field = {"sigma": "sigma", "log-SNR": "log_snr"}.get(y, y)
    assert line["encoding"]["y"]["field"] == field
    kind = "log" if y in schedules.LOGARITHMIC else "linear"
    assert line["encoding"]["y"]["scale"].get("type", "linear") == kind
    assert line["encoding"]["color"]["scale"]["domain"] == list(colors)
    assert line["encoding"]["color"]["scale"]["range"] == list(colors.values())


def test_the_legend_filters_and_hovering_highlights(drawn):
    frame, colors, dashes = drawn
    spec = schedules.levels(
        frame, training_table([], SD_CONFIG, 8), "step", "sigma", True, colors, dashes
    ).to_dict()
    params = {p["name"]: p for p in spec["params"]}
    assert params["picked"]["bind"] == "legend"
    assert params["hover"]["select"]["on"] == "pointerover"
    assert params["picked"]["select"]["fields"] == params["hover"]["select"]["fields"] == ["series"]


def test_zero_leaves_the_log_axis_and_stays_on_the_linear(drawn):
    frame, colors, dashes = drawn
    empty = training_table([], SD_CONFIG, 8)
    log = schedules.levels(frame, empty, "step", "sigma", True, colors, dashes)
    linear = schedules.levels(frame, empty, "step", "sigma", False, colors, dashes)
    assert all(row["sigma"] > 0 for row in values(log, 0))
    assert sum(row["sigma"] == 0 for row in values(linear, 0)) == 2


def test_ratios_are_those_of_the_steps(drawn):
    frame, colors, dashes = drawn
    shown = pd.DataFrame(values(schedules.ratios(frame, "step", colors, dashes), 0))
    heun = shown[shown["series"] == "heun + karras"]
    sigmas = sdlab.curves.make("karras", sdlab.NoiseSchedule.from_config(SD_CONFIG), 8, {})
    np.testing.assert_allclose(heun["ratio"], sigmas[1:] / sigmas[:-1], rtol=1e-6)


def test_too_many_rows_and_missing_columns_and_axes_are_named(drawn):
    frame, colors, dashes = drawn
    empty = training_table([], SD_CONFIG, 8)
    with pytest.raises(ValueError, match="at most 5000"):
        many = pd.concat([frame] * 200)
        schedules.levels(many, empty, "step", "sigma", True, colors, dashes)
    with pytest.raises(ValueError, match="needs the column.*log_snr"):
        schedules.levels(
            frame.drop(columns="log_snr"), empty, "step", "sigma", True, colors, dashes
        )
    with pytest.raises(ValueError, match="x must be one of step, timestep, NFE, got 'time'"):
        schedules.ratios(frame, "time", colors, dashes)
    with pytest.raises(ValueError, match="y must be one of sigma"):
        schedules.levels(frame, empty, "step", "noise", True, colors, dashes)


def test_no_two_rows_look_the_same():
    texts = ("euler", "euler + karras", "euler + karras [rho=5]", "euler + karras [rho=3]", "heun")
    rows, _ = rows_of(*texts)
    colors, dashes = styles(rows)
    looks = {(colors[label], tuple(dashes[label])) for label in rows}
    assert len(looks) == len(texts) and len(set(colors.values())) == 2


def test_thinning_keeps_first_and_last_of_each():
    _, frame = rows_of(*NAMES)
    few = schedule_rows.thinned(frame, 20)
    assert len(few) <= 26
    for _, rows in frame.groupby("series"):
        kept = few[few["series"] == rows["series"].iloc[0]]
        assert kept.index[0] == rows.index[0] and kept.index[-1] == rows.index[-1]
    assert schedule_rows.thinned(frame, 5000) is frame


def test_training_schedules_fall_to_the_picture():
    table = training_table(training_names(), SD_CONFIG, 10)
    assert set(table["series"]) == set(training_names()) and len(table) < 800
    for _, rows in table.groupby("series"):
        assert rows["at"].is_monotonic_increasing and rows["sigma"].is_monotonic_decreasing
        assert rows["at"].iloc[0] == 0 and rows["at"].iloc[-1] == 10


@pytest.mark.parametrize(
    ("text", "name", "curve", "options", "curve_options"),
    [
        ("ddim", "ddim", None, {}, {}),
        ("ddim {eta=0.5}", "ddim", None, {"eta": 0.5}, {}),
        ("a{b=1} + karras [rho=5, sigma_max=12]", "a", "karras", {"b": 1},
         {"rho": 5, "sigma_max": 12}),
        ("e + points [points=[[0, 14], [1, 0.03]]]", "e", "points", {},
         {"points": ((0, 14), (1, 0.03))}),
        ('e + formula [formula="max(1, 2)*u"]', "e", "formula", {}, {"formula": "max(1, 2)*u"}),
        (" DPM++ 2M Karras", "dpmpp_2m", "karras", {}, {}),
        ("UniPC", "unipc", None, {"order": 3, "variant": "bh1"}, {}),
    ],
)  # fmt: skip
def test_rows_are_read(text, name, curve, options, curve_options):
    row = schedule_rows.parse_row(text)
    assert (row.name, row.curve, row.options, row.curve_options) == (
        name, curve, options, curve_options,
    )  # fmt: skip


def test_rows_are_written_as_they_are_read():
    text = schedule_rows.write_row("ddim", "eta=0.5", "karras", " rho=5 ")
    row = schedule_rows.parse_row(text)
    assert (row.options, row.curve, row.curve_options) == ({"eta": 0.5}, "karras", {"rho": 5})
    assert row.arguments()["eta"] == 0.5 and row.arguments()["options"] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no sampler"),
        ("euler + ", "is no sampler"),
        ("<script>", "is no sampler"),
        ("ddim {eta=often}", "eta must be a number"),
        ("ddim {eta}", "name=value"),
        ("x" * 5000, "at most 4000 characters"),
    ],
)
def test_what_is_no_row_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        schedule_rows.parse_row(text)


def test_schedules_that_are_the_same_share_a_line():
    rows, frame = rows_of("DDIMScheduler", "heun + karras", "euler + karras", "DDPMScheduler")
    starts = first_of_each_step(frame)
    assert (starts.groupby("series").size() == 9).all()  # one sigma a step, and the end
    groups = coinciding(starts, schedules.drawn_columns("step", "sigma"))
    assert ["heun + karras", "euler + karras"] in groups
    lines, colors, dashes = one_line_each(starts, groups, *styles(rows))
    assert set(lines["series"]) == set(colors) == set(dashes)
    assert "heun + karras = euler + karras" in colors
    assert len(coinciding(frame, schedules.drawn_columns("step", "sigma"))) > len(groups)
    moved = starts.assign(sigma=starts["sigma"].where(starts["series"] != "DDIM", 1.001))
    assert ["DDIM"] in coinciding(moved, ["at", "sigma"])


def test_a_line_of_many_names_the_first_and_counts_the_rest():
    assert group_name(["a"]) == "a" and group_name(["a", "b"]) == "a = b"
    assert group_name(["a", "b", "c", "d"]) == "a = 3 others"
