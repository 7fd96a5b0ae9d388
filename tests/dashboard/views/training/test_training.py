"""The Training page with the real embedded model: each section holds the library's numbers."""

import pandas as pd
import pytest
import torch

from dashboard.charts import training as charts
from dashboard.shell.lab import lab
from sdlab.noise.schedule import NoiseSchedule
from sdlab.objective.chain import step_numbers
from sdlab.objective.looking import looking
from sdlab.objective.loss_curve import weights
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.work import finish
from tests.dashboard.conftest import read, run_until


def section(open_page, name, **params):
    at = open_page("training", **{"training.section": name}, **params)
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    assert [t.value for t in at.title] == ["Training"]
    return at


def test_one_timestep_shows_the_loss_of_the_look(open_page):
    from sdlab.embedded.samples import sample_picture
    from sdlab.latents.image import encode

    words = "a penguin in the snow"
    at = section(open_page, "One timestep", **{"training.sample": words, "training.t": "800"})
    assert at.slider(key="training.t").value == 800

    def ask(model):
        with torch.no_grad():
            latents = encode(model, sample_picture(words))
            return finish(looking(model, latents, 800, words, seed=7))

    look = lab().ask(ask)
    metrics = {m.label: m.value for m in at.metric}
    assert metrics["Loss with its caption"] == f"{look.loss('caption'):.4f}"
    assert metrics["Loss with none"] == f"{look.loss('none'):.4f}"
    (said,) = [m.value for m in at.markdown if m.value.startswith("**At t = 800** x_t is ")]
    assert f"by {look.loss('caption'):.3g} per value with the caption" in said
    captions = [c.value for c in at.caption]
    assert "Squared difference, with none" in captions
    assert any(c.startswith(f"t = 800 · alpha_bar {look.level.alpha_bar:.4g}") for c in captions)
    at.text_input(key="training.seed").set_value("x").run()
    assert "seed must be a whole number" in read(at.error[0]) and not at.exception


def test_the_loss_over_t_is_measured_when_asked(open_page):
    at = section(open_page, "Loss over t", **{"training.timesteps": "8", "training.noises": "2"})
    assert any("32 network evaluations" in c.value for c in at.caption)
    assert len(at.get("vega_lite_chart")) == 1
    next(b for b in at.button if b.label == "Measure the loss").click().run()
    run_until(at, lambda at: len(at.get("vega_lite_chart")) == 2)
    assert any("The caption helps most at t = " in m.value for m in at.markdown)
    assert not at.exception and not at.error


def test_the_step_back_holds_the_numbers_of_the_timestep(open_page):
    at = section(open_page, "The step back", **{"training.t": "20", "training.v": "0.25"})
    numbers = step_numbers(lab().ask(lambda model: model.schedule), 20)
    shown = " ".join(latex.value for latex in at.latex)
    for value in (numbers.beta, numbers.beta_tilde, numbers.learned(0.25)):
        assert f"{value:.6f}" in shown
    assert f"{numbers.of_x0:.5f}" in shown and f"{numbers.of_x_t:.5f}" in shown
    ratio = numbers.beta_tilde / numbers.beta
    assert any(f"At t = 20 beta_tilde is {ratio:.2%} of beta" in m.value for m in at.markdown)
    table = at.dataframe[0].value
    assert list(table["value"]) == pytest.approx(
        [numbers.beta_tilde, numbers.beta, numbers.learned(0.25)]
    )
    at.segmented_control(key="training.section").set_value("eps, x0, v, velocity").run()
    four = at.dataframe[0].value
    assert list(four["quantity"]) == ["eps (predicted)", "x0", "v", "velocity u"]
    scaled = four["loss_caption"] / four["error_over_x0"] ** 2
    assert list(scaled) == pytest.approx([scaled[1]] * 4, rel=1e-3)
    assert not at.exception


class TestCharts:
    LOSS = pd.DataFrame(
        {
            "conditioning": ["caption", "caption", "none", "none"], "timestep": [10, 20] * 2,
            "sigma": [0.1, 0.2] * 2, "loss": [0.5, 0.4, 0.6, 0.5], "low": [0.0, 0.3, 0.5, 0.4],
            "high": [1.0, 0.5, 0.7, 0.6], "noises": 8,
        }
    )  # fmt: skip

    def test_loss_over_t(self):
        spec = charts.loss_over_t(self.LOSS, 15).to_dict()
        rows = next(iter(spec["datasets"].values()))
        assert {row["conditioning"] for row in rows} == {"with its caption", "with none"}
        assert min(row["drawn"] for row in rows) == pytest.approx(0.5 / charts.LOWEST)
        assert len(spec["layer"]) == 4 and "timestep t" in str(spec)
        flow = charts.loss_over_t(self.LOSS.assign(flow_time=0.5)).to_dict()
        assert len(flow["layer"]) == 3 and "flow time t" in str(flow)
        with pytest.raises(ValueError, match=r"needs the column\(s\) noises"):
            charts.loss_over_t(self.LOSS.drop(columns="noises"))

    def test_weights_and_variances(self):
        schedule = NoiseSchedule.from_config(SD_CONFIG)
        spec = charts.weights(weights(schedule), 500).to_dict()
        assert {row["loss"] for row in next(iter(spec["datasets"].values())) if "loss" in row} <= {
            *charts.WEIGHTS.values()
        }
        table = pd.DataFrame({"timestep": [1, 2], "beta": [0.2, 0.4], "beta_tilde": [0.1, 0.3]})
        spec = charts.variances(table, 0).to_dict()
        ratios = [row["ratio"] for row in next(iter(spec["datasets"].values()))]
        assert ratios == pytest.approx([0.5, 0.75]) and len(spec["layer"]) == 1
        assert len(charts.variances(table, 2).to_dict()["layer"]) == 2
