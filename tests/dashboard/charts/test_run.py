"""A run's charts have their fields and titles, and leave out what an axis cannot hold."""

import math

import pandas as pd
import pytest

from dashboard.charts import base, guidance, latents, noise, path, timing
from tests.dashboard.tables import channels_table, steps_table

OF_STEPS = {
    noise.sigma: ("sigma", "Noise level", "sigma (log scale)"),
    noise.log_snr: ("log_snr", "Log signal-to-noise ratio", "log-SNR (nat)"),
    guidance.eps_norms: (
        "norm",
        "Norm of the predicted noise",
        "norm (latent units)",
    ),
    guidance.guidance_norm: (
        "guidance_norm",
        "Norm of cond - uncond",
        "norm (latent units)",
    ),
    guidance.cosine: ("cosine", "Cosine of cond and uncond", "cosine (no unit)"),
    path.displacement: (
        "displacement",
        "Displacement",
        "distance (latent units)",
    ),
    path.angle: ("angle_deg", "Angle of each turn", "angle (degrees)"),
    timing.evaluation_ms: ("ms", "Time per evaluation", "wall time (ms)"),
}
OF_CHANNELS = {
    latents.mean: ("x0_pred_mean", "mean (latent units)"),
    latents.std: ("x0_pred_std", "std. deviation (latent units)"),
    latents.span: ("x0_pred_min", "min to max (latent units)"),
}


def mark(spec: dict, kind: str) -> dict:
    return next(layer for layer in spec["layer"] if layer["mark"]["type"] == kind)


@pytest.mark.parametrize("axis", base.AXES)
@pytest.mark.parametrize("chart", OF_STEPS, ids=lambda f: f.__name__)
def test_chart_of_steps(steps, chart, axis):
    field, title, y_title = OF_STEPS[chart]
    spec = chart(steps, axis).to_dict()
    encoding = mark(spec, "line")["encoding"]
    assert spec["title"]["text"] == title
    field_x = "at" if axis == "step" else axis
    assert (encoding["x"]["field"], encoding["x"]["type"]) == (field_x, "quantitative")
    assert (encoding["y"]["field"], encoding["y"]["title"]) == (field, y_title)
    assert encoding["order"]["field"] == "evaluation"
    assert {t["field"] for t in encoding["tooltip"]} >= {field, "step", "sigma", "timestep"}


@pytest.mark.parametrize("chart", OF_CHANNELS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("tensor", ["x_t", "x0_pred"])
def test_chart_of_channels(channels, chart, tensor):
    field, y_title = OF_CHANNELS[chart]
    encoding = mark(chart(channels, "sigma", tensor).to_dict(), "line")["encoding"]
    assert encoding["y"]["field"] == field.replace("x0_pred", tensor)
    assert encoding["y"]["title"] == y_title
    assert encoding["color"]["field"] == "channel"
    assert encoding["x"]["scale"] == {"type": "log", "reverse": True, "nice": False}


@pytest.mark.parametrize("chart", OF_STEPS, ids=lambda f: f.__name__)
def test_a_missing_column_raises(steps, chart):
    field = "sigma" if chart is noise.sigma else OF_STEPS[chart][0]
    field = "eps_cond_norm" if field == "norm" else field
    with pytest.raises(ValueError, match=f"needs the column.*{field}"):
        chart(steps.drop(columns=field), "step")


def test_unknown_axis_and_tensor_are_named(steps, channels):
    with pytest.raises(ValueError, match="axis must be one of step, sigma, timestep"):
        noise.sigma(steps, "time")
    with pytest.raises(ValueError, match="tensor must be one of x0_pred, x_t"):
        latents.mean(channels, "step", "eps")


def test_too_many_rows_are_refused():
    with pytest.raises(ValueError, match="at most 5000"):
        noise.sigma(steps_table(5001), "step")
    with pytest.raises(ValueError, match="Reduce them first"):
        latents.mean(channels_table(1300), "step")


def test_without_guidance_only_the_conditional_line_stays():
    values = guidance.eps_norms(steps_table(guided=False), "step").to_dict()["datasets"]
    halves = {row["half"] for rows in values.values() for row in rows}
    assert halves == {"with the prompt"}


def test_an_infinite_sigma_stands_at_the_edge_and_is_told_in_words(steps):
    steps.loc[0, ["sigma", "log_snr"]] = [float("inf"), -float("inf")]
    edge = 3 * steps["sigma"][1:].max()
    for chart, field in ((noise.sigma, "sigma"), (noise.log_snr, "log_snr")):
        for axis in ("step", "sigma"):
            drawn = chart(steps, axis).to_dict()
            for rows in drawn["datasets"].values():
                assert len(rows) == 25 and all(math.isfinite(row[field]) for row in rows)
                assert rows[0]["sigma"] == pytest.approx(edge)
                assert rows[0]["sigma_told"] == "infinite" != rows[1]["sigma_told"]
            tips = [tip["field"] for tip in drawn["layer"][1]["encoding"]["tooltip"]]
            assert f"{field}_told" in tips and "sigma" not in tips


def test_flow_time_is_an_axis_where_there_is_one(steps):
    assert base.axes_of(steps) == base.AXES
    timed = base.with_time(steps)
    assert base.axes_of(timed) == base.FLOW_AXES
    drawn = noise.sigma(timed, "flow_time").to_dict()["layer"][1]["encoding"]
    assert drawn["x"]["field"] == "flow_time" and drawn["x"]["scale"]["reverse"]
    assert "flow_time" in [tip["field"] for tip in drawn["tooltip"]]


def test_the_scheduler_colors_its_line(steps):
    spec = noise.sigma(steps, "step", "#123456").to_dict()
    assert mark(spec, "line")["mark"]["color"] == "#123456"


def test_the_evaluations_of_a_step_stand_side_by_side(steps):
    steps["step"] = steps["evaluation"] // 2
    at = base.placed(steps)["at"]
    assert list(at[:4]) == [0, 0.5, 1, 1.5] and at.iloc[-1] == 12


def test_hovering_says_all_of_the_nearest_evaluation(steps):
    spec = guidance.eps_norms(steps, "sigma").to_dict()
    target = mark(spec, "point")["encoding"]
    assert {"half", "norm", "evaluation"} <= {t["field"] for t in target["tooltip"]}
    assert mark(spec, "rule")["mark"]["tooltip"] is None


@pytest.mark.parametrize(("count", "legend"), [(4, True), (16, {"columns": 2}), (17, None)])
def test_the_legend_of_many_channels_is_whole_or_left_out(channels, count, legend):
    one = channels[channels["channel"] == 0]
    many = pd.concat([one.assign(channel=number) for number in range(count)])
    color = latents.mean(many, "step").to_dict()["layer"][1]["encoding"]["color"]
    if legend is None:
        assert color["legend"] is None
    else:
        assert color["legend"].get("columns") == (legend["columns"] if count > 4 else None)
