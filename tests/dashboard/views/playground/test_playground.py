"""The Playground page trains the library's network, shows it, and can be left."""

import pandas as pd
import pytest

from dashboard.charts import playground as charts
from sdlab.playground.compared import comparing
from sdlab.playground.train import Settings, train
from sdlab.work import finish
from tests.dashboard.conftest import read, run_until

SHORT = {"playground.steps": "50", "playground.data": "ring", "playground.seed": "3"}


def start(at):
    next(b for b in at.button if b.label == "Train").click().run()
    return at


@pytest.mark.every
def test_it_trains_and_measures_as_the_library_does(open_page):
    at = open_page("playground", **SHORT, **{"playground.prediction": "velocity (flow)"})
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    assert [t.value for t in at.title] == ["Playground"]
    assert any("in 50 steps" in m.value for m in at.markdown)
    at = run_until(start(at), lambda at: at.metric)
    assert not any("in 50 steps" in m.value for m in at.markdown) and not at.exception
    work = train(Settings("ring", "flow", steps=50, seed=3), pictures=0)
    losses = []
    try:
        while True:
            losses.append(next(work).loss)
    except StopIteration as stop:
        trained = stop.value
    own, gaussian, truth = finish(comparing(trained)).values()
    shown = {m.label: m.value for m in at.metric}
    assert shown["Distance to the truth"] == f"{own.value:.3f}"
    assert shown["Of a fitted Gaussian"] == f"{gaussian.value:.3f}"
    assert shown["Truth against truth"] == f"{truth.value:.3f}"
    assert shown["Last loss"] == f"{losses[-1]:.4f}"
    assert len(at.get("vega_lite_chart")) == 4
    at.number_input(key="playground.sampling").set_value(2).run()
    few = finish(comparing(trained, steps=2))
    assert at.metric[0].value == f"{next(iter(few.values())).value:.3f}" and not at.exception


def test_a_training_can_be_left(open_page):
    at = open_page("playground", **{**SHORT, "playground.steps": "10000", "playground.seed": "4"})
    at = run_until(start(at), lambda at: any(b.label == "Cancel" for b in at.button))
    next(b for b in at.button if b.label == "Cancel").click().run()
    at = run_until(at, lambda at: any("Cancelled" in i.value for i in at.info))
    assert any(b.label == "Start again" for b in at.button) and not at.metric
    at.text_input(key="playground.seed").set_value("-1").run()
    assert "seed must be from 0" in read(at.error[0]) and not at.exception


class TestCharts:
    POINTS = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, -1.0]})

    def test_points_and_field(self):
        assert len(charts.cloud(self.POINTS).to_dict()["layer"]) == 1
        spec = charts.cloud(self.POINTS, self.POINTS).to_dict()
        assert spec["title"]["text"] == "Drawn points over the truth" and len(spec["layer"]) == 2
        arrows = self.POINTS.assign(to_x=[0.6, 0.0], to_y=[0.0, -1.2])
        found = charts.field(self.POINTS, arrows).to_dict()["datasets"].values()
        ends = [
            [r["end_x"], r["end_y"], r["length"]] for rows in found for r in rows if "end_x" in r
        ]
        assert ends == [pytest.approx([0.1, 1.0, 0.6]), pytest.approx([1.0, -1.2, 1.2])]
        with pytest.raises(ValueError, match=r"needs the column\(s\) to_x"):
            charts.field(self.POINTS, arrows.drop(columns="to_x"))

    def test_loss_and_distances(self):
        loss = charts.loss(pd.DataFrame({"step": [25, 50], "loss": [0.5, 0.4]})).to_dict()
        assert loss["encoding"]["y"]["title"] == "training loss"
        table = pd.DataFrame({"points": ["a"], "distance": [0.2], "low": [0.1], "high": [0.3]})
        spec = charts.distances(table).to_dict()
        assert spec["layer"][0]["encoding"]["x2"]["field"] == "high"
