"""The bench's charts have their axes, guides, floors and titles, and name what they miss."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dashboard.charts import bench as charts

COLORS = {"euler": "#111111", "ddpm": "#222222"}


@pytest.fixture
def errors():
    n = np.array([8, 16, 32, 64])
    strong = pd.DataFrame({"solver": "euler", "num_steps": n, "nfe": n, "error": 1.0 / n})
    weak = pd.DataFrame({"solver": "ddpm", "num_steps": n, "nfe": n, "error": 2.0 / n})
    strong = strong.assign(measure="strong", floor=0.01, low=np.nan, high=np.nan)
    weak = weak.assign(measure="weak", floor=np.nan, low=1.0 / n, high=3.0 / n)
    return pd.concat([strong, weak]).assign(curve="karras", end=0.0)


def layers(chart):
    return chart.to_dict()["layer"]


def rows(chart):
    return [row for data in chart.to_dict()["datasets"].values() for row in data]


def marks(chart, kind):
    return [layer for layer in layers(chart) if layer["mark"]["type"] == kind]


@pytest.mark.parametrize(("cost", "title"), charts.COSTS.items())
def test_convergence_stands_on_log_axes(errors, cost, title):
    spec = charts.convergence(errors, cost, COLORS)
    line = marks(spec, "line")[-1]["encoding"]
    assert line["x"]["field"] == cost and line["x"]["title"].startswith(title)
    assert line["x"]["scale"]["type"] == line["y"]["scale"]["type"] == "log"
    assert line["y"]["title"] == "error / spread of the data (log scale)"
    assert line["color"]["scale"] == {"domain": list(COLORS), "range": list(COLORS.values())}
    legend = line["color"]["legend"]
    assert legend["columns"] == 1 and legend["labelLimit"] >= 330  # whole names, of a few
    tips = {tip["field"] for tip in line["tooltip"]}
    assert {"solver", "num_steps", "nfe", "error", "floor"} <= tips


def test_convergence_names_its_guides_and_floors(errors):
    found = rows(charts.convergence(errors, "nfe", COLORS))
    guides = {row["guide"] for row in found if "guide" in row}
    assert guides == {"order 1", "order 2", "order 3"}
    assert [row["name"] for row in found if "name" in row] == ["floor 1.0e-02"]
    for name in sorted(guides):
        (first, last) = sorted((r for r in found if r.get("guide") == name), key=lambda r: r["nfe"])
        slope = np.log(first["error"] / last["error"]) / np.log(last["nfe"] / first["nfe"])
        assert slope == pytest.approx(int(name[-1]))


def test_rounding_is_no_error(errors):
    errors.loc[errors["nfe"] == 64, "error"] = 1e-17
    found = rows(charts.convergence(errors, "nfe", COLORS))
    assert {row["nfe"] for row in found if "measure" in row} == {8, 16, 32}


def test_convergence_of_nothing_is_still_a_chart(errors):
    assert layers(charts.convergence(errors.assign(error=np.nan), "nfe", {}))


def test_bad_input_is_named(errors):
    with pytest.raises(ValueError, match="cost must be one of nfe, num_steps, got 'time'"):
        charts.convergence(errors, "time", COLORS)
    with pytest.raises(ValueError, match="needs the column.*floor"):
        charts.convergence(errors.drop(columns="floor"), "nfe", COLORS)


@pytest.fixture
def way():
    particle, step = np.divmod(np.arange(12), 4)
    frame = pd.DataFrame({"particle": particle, "step": step, "sigma": 3.0 - step})
    return frame.assign(x=step / 2, y=0.1 * particle, true_x=step / 2, true_y=0.0)


@pytest.fixture
def density():
    centres = (np.arange(8) + 0.5) / 8 * 4 - 2
    x, y = np.meshgrid(centres, centres)
    value = ((x > 0) & (y > 0)).astype(float)
    return pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "density": value.ravel()})


def test_paths_go_up_to_the_step(way, density):
    chart = charts.paths(way, density, 2, "#123456")
    assert max(row["step"] for row in rows(chart) if "particle" in row) == 2
    assert marks(chart, "line")[0]["encoding"]["detail"]["field"] == "particle"
    now = marks(chart, "circle")[0]
    assert now["transform"] == [{"filter": "datum.step == 2"}]
    assert now["encoding"]["x"]["scale"]["domain"] == [-2.0, 2.0]


def test_the_density_is_a_picture_the_right_way_up(way, density):
    (url,) = [row["url"] for row in rows(charts.paths(way, density, 1)) if "url" in row]
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    alpha = np.asarray(picture)[..., 3]
    high = alpha[: charts.SIDE // 2, charts.SIDE // 2 :]  # x > 0 on the right, y > 0 at the top
    assert high.mean() > 150 and alpha.mean() < 60


def test_drift_marks_the_step(way):
    table = pd.DataFrame({"step": [0, 1], "sigma": [2.0, 0.0], "distance": 0.1, "worst": 0.2})
    chart = charts.drift(table, 1)
    assert marks(chart, "rule") and {"step": 1} in rows(chart)
    assert marks(chart, "line")[0]["encoding"]["y"]["title"] == "distance from the truth (VP)"
