"""The DDIM page with the real embedded model, and its charts."""

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import ddim as charts
from dashboard.views.ddim.edit import _suggestion
from dashboard.views.ddim.eta import _most
from sdlab.ddim.eta import coefficients, injected
from tests.dashboard.conftest import run_until


def section(open_page, name, **params):
    at = open_page("ddim", **{"ddim.section": name}, **params)
    assert not at.exception, at.exception
    assert [t.value for t in at.title] == ["DDIM"]
    return at


def press(at, label, met):
    next(b for b in at.button if b.label == label).click().run()
    return run_until(at, met)


def metrics(at):
    return {m.label: m.value for m in at.metric}


@pytest.mark.every
def test_eta(open_page):
    at = section(open_page, "Eta", **{"ddim.eta.steps": "3", "ddim.eta.seeds": "2"})
    assert len(at.get("vega_lite_chart")) == 1
    promise = next(m.value for m in at.markdown if "One start noise" in m.value)
    assert "with 2 noise seeds: 9 pictures of 3 steps" in promise
    links = [link.proto for link in at.get("page_link")]
    (spacings,) = [link for link in links if link.label == "Why linspace gets worse"]
    assert "linspace" in spacings.query_string
    at = press(at, "Draw them all", lambda a: len(a.dataframe) == 1)
    assert not at.error and not at.exception
    spread = at.dataframe[0].value
    assert list(spread["eta"]) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert spread["std"][0] == 0 and (spread["std"][1:] > 0).all()
    assert len(at.get("vega_lite_chart")) == 2
    assert not any("noise seeds: 9 pictures" in m.value for m in at.markdown)


@pytest.mark.every
def test_there_and_back_by_the_exact_scheme(open_page):
    at = section(
        open_page, "There and back", **{"ddim.back.method": "EDICT", "ddim.back.steps": "3"}
    )
    at = press(at, "Invert and regenerate", lambda a: a.metric)
    assert float(metrics(at)["Relative RMSE"]) < 1e-3
    wanted = ["Error along both ways", "Is the noise found Gaussian?"]
    assert [h.value for h in at.header if h.value in wanted] == wanted
    (told,) = [m for m in at.markdown if "Both pictures are **after the VAE**" in m.value]
    assert any("EDICT undoes every step exactly" in m.value for m in at.markdown)
    assert any(c.value == "Your picture, before the VAE" for c in at.caption)
    assert "the VAE's: PSNR" in told.value and "/glossary?term=VAE" in told.help
    # Another setting has no result yet; the old one is remembered.
    at.number_input(key="ddim.back.steps").set_value(4).run()
    assert not at.metric
    at.number_input(key="ddim.back.steps").set_value(3).run()
    assert at.metric and not at.exception


@pytest.mark.every
def test_all_methods_are_compared_by_three_measures(open_page, monkeypatch):
    from dashboard.views.ddim import there_and_back

    monkeypatch.setitem(there_and_back.AGAINST, "Guidance", (None, (1.0, 2.0)))
    at = section(
        open_page, "There and back",
        **{"ddim.back.steps": "2", "ddim.back.rounds": "2", "ddim.back.against": "Guidance"},
    )  # fmt: skip
    # Two ways up and down of two steps: 2 + 2 naive, 4 + 2 fixed point, 4 + 4 EDICT, 2 + 1 O-BELM;
    # twice.
    assert any("42 network evaluations" in c.value for c in at.caption)
    at = press(at, "Compare", lambda a: a.dataframe)
    table = at.dataframe[0].value
    assert len(table) == 8 and set(table["guidance_scale"]) == {1.0, 2.0}
    assert len(at.get("vega_lite_chart")) == 3 and not at.exception


def test_the_negative_prompt_is_asked_for_where_guidance_uses_it(open_page):
    at = section(open_page, "There and back", **{"ddim.back.steps": "2"})
    labels = [t.label for t in at.text_input]
    assert "Negative prompt" not in labels
    at.number_input(key="ddim.back.cfg").set_value(2.0).run()
    assert "Negative prompt" in [t.label for t in at.text_input] and not at.exception


def test_edit(open_page):
    at = section(open_page, "Edit", **{"ddim.edit.steps": "3"})
    assert at.text_input(key="ddim.edit.edited").placeholder == "a penguin on a beach"
    at = press(at, "Edit", lambda a: any("steps kept" in c.value for c in a.caption))
    assert not at.error and not at.exception


def test_between_two_noises(open_page):
    at = section(
        open_page, "Between two noises", **{"ddim.walk.steps": "2", "ddim.walk.count": "3"}
    )
    at = press(at, "Draw the way", lambda a: a.get("vega_lite_chart"))
    assert not at.error and not at.exception
    assert [c.value for c in at.caption if c.value.endswith("%")] == ["0%", "50%", "100%"]


def test_equations_hold_the_numbers_of_the_step(open_page):
    at = section(open_page, "Equations")
    assert "eta_std = eta * sigma_next / sigma" in at.code[0].value
    row = at.dataframe[0].value.iloc[10]
    shown = " ".join(latex.value for latex in at.latex)
    assert f"{row['alpha_bar']:.5f}" in shown and f"{row['sigma_t']:.5f}" in shown
    assert not at.error


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("Eta", "ddim.eta.seed", "x", "seed must be a whole number"),
        ("There and back", "ddim.back.caption", "a\x07b", "control character"),
        ("Between two noises", "ddim.walk.second_seed", "-1", "seed must be from 0"),
    ],
)
def test_what_cannot_run_is_said(open_page, name, key, value, message):
    at = section(open_page, name)
    at.text_input(key=key).set_value(value).run()
    assert message in at.error[0].value and not at.exception


def test_a_suggestion_changes_one_word():
    assert _suggestion("a red car on a beach") == "a blue car on a beach"
    assert _suggestion("a parrot on a beach") == "a penguin on a beach"
    assert _suggestion("") == "a cat on a beach"


def test_coefficients_give_the_solvers_step():
    """Equation (12) with the table's numbers is the code's own step."""
    import torch

    from sdlab.noise import NoiseSchedule
    from sdlab.solvers.builtin.ddim import ddim
    from sdlab.solvers.from_diffusers import SD_CONFIG

    sigmas = (5.0, 2.0, 0.0)
    row = coefficients(sigmas, NoiseSchedule.from_config(SD_CONFIG), 0.6).iloc[0]
    x = torch.full((1, 1, 1, 1), 3.0, dtype=torch.float64)
    noise, x0_pred = 0.7, 0.4
    solver = ddim(x, sigmas, lambda x: torch.full_like(x, noise), eta=0.6)
    next(solver)
    reached, _ = solver.send(torch.full_like(x, x0_pred))
    eps = (3.0 - x0_pred) / 5.0
    paper = row["of_x0"] * x0_pred + row["of_eps"] * eps + row["sigma_t"] * noise
    assert float(reached) / 5.0**0.5 == pytest.approx(paper)  # sqrt(1 + 2^2)


class TestCharts:
    SIGMAS = (10.0, 3.0, 0.5, 0.0)

    def test_injected(self):
        chart = charts.injected(injected(self.SIGMAS)).to_dict()
        assert chart["title"]["text"] == "Noise that a step injects"
        with pytest.raises(ValueError, match="measure must be one of"):
            charts.injected(injected(self.SIGMAS), "variance")
        flow = injected(self.SIGMAS, path="flow")
        assert charts.measures(flow) == ["eta_std_flow", "eta_std"]
        assert "x_t" in str(charts.injected(flow, "eta_std_flow").to_dict())

    def test_spread_and_losses(self):
        spread = pd.DataFrame({"eta": [0.0, 1.0], "std": [0.0, 0.5], "distance": [0.0, 0.7]})
        assert charts.spread(spread).to_dict()["title"]["text"] == "Spread of the final latents"
        row = {"method": "edict", "num_steps": 10, "guidance_scale": 1.0}
        table = pd.DataFrame([row | {"rmse": 1e-5, "psnr": 80.0, "ssim": 1.0}])
        titles = {"rmse": "relative RMSE (log scale)", "psnr": "PSNR (dB)", "ssim": "SSIM"}
        for measure, title in titles.items():
            layer = charts.losses(table, "guidance_scale", measure).to_dict()["layer"][0][
                "encoding"
            ]
            assert layer["x"]["title"] == "guidance scale" and layer["y"]["title"] == title
        with pytest.raises(ValueError, match="x must be one of"):
            charts.losses(table, "seed")
        with pytest.raises(ValueError, match="measure must be one of"):
            charts.losses(table, "num_steps", "mse")

    def test_equal_pictures_have_no_place_on_the_psnr_axis_and_keep_their_colour(self):
        row = {"num_steps": 10, "guidance_scale": 1.0, "rmse": 1e-5, "ssim": 1.0}
        table = pd.DataFrame(
            [row | {"method": "naive", "psnr": 30.0}, row | {"method": "edict", "psnr": np.inf}]
        )
        chart = charts.losses(table, "num_steps", "psnr").to_dict()
        assert sum(len(rows) for rows in chart["datasets"].values()) == 1
        domain = chart["layer"][0]["encoding"]["color"]["scale"]["domain"]
        assert domain == ["naive", "edict"]

    def test_errors_of_zero_are_left_out(self):
        table = pd.DataFrame(
            {"method": "naive", "level": [0, 1], "sigma": [1.0, 0.0], "relative": [0.0, 0.1]}
        )
        chart = charts.way_errors(table).to_dict()
        assert sum(len(rows) for rows in chart["datasets"].values()) == 1

    @pytest.mark.parametrize("chart", [charts.injected, charts.spread, charts.way_errors])
    def test_a_missing_column_is_named(self, chart):
        with pytest.raises(ValueError, match="needs the column"):
            chart(pd.DataFrame({"eta": [0.0]}))


def test_where_most_noise_is_injected_is_the_greatest_of_its_table():
    table = injected([4.0, 2.0, 1.0, 0.0], (0.0, 0.5, 1.0))
    last = table[table["eta"] == 1.0].set_index("step")["eta_std_vp"]
    assert _most(table, "eta_std_vp") == f"Eta 1 injects most at step 0: {last[0]:.3g}."
    assert last[0] == last.max() > 0
