"""The Latents page with the real embedded model, and its charts."""

import numpy as np
import pandas as pd
import pytest
import torch

from dashboard.charts import latent_statistics as charts
from dashboard.shell.lab import lab
from sdlab.experiment.experiment import Experiment
from sdlab.latents import statistics
from sdlab.latents.edit import norms_between
from sdlab.runs.run_folder import open_run
from tests.dashboard.conftest import run_until

pytestmark = pytest.mark.usefixtures("decoded_frames")


@pytest.fixture(scope="module")
def run(runs_folder):
    import time

    run = lab().submit(Experiment(prompt="a red car on a beach", seed=3, num_steps=4))
    end = time.monotonic() + 240
    while (view := lab().get(run)) is not None and view.live:
        assert time.monotonic() < end
        time.sleep(0.1)
    return run


def section(open_page, name, **params):
    at = open_page("latents", **{"latents.section": name}, **params)
    assert not at.exception, at.exception
    assert [t.value for t in at.title] == ["Latents"]
    return at


def headers(at):
    return [h.value for h in at.header]


def test_what_they_hold(open_page):
    at = section(open_page, "What they hold")
    assert not at.error
    assert headers(at) == ["Channels", "Against standard normal noise", "Tables"]
    assert len(at.get("vega_lite_chart")) == 4
    assert [len(d.value) for d in at.dataframe] == [5, 250, 16, 40, 1, 1024]
    assert any("Noise of 1,024 values" in (c.help or "") for c in at.caption)


def test_what_is_large_is_decoded_in_tiles_and_says_so(open_page, monkeypatch):
    from dashboard.widgets import latent_source

    at = section(open_page, "What they hold")
    assert any(c.value == "Decoded by the VAE" for c in at.caption)
    monkeypatch.setattr(latent_source, "TILED_AREA", 0.5)
    at.run()
    assert any(c.value == "Decoded by the VAE, in tiles" for c in at.caption) and not at.exception


def test_a_sample_of_the_posterior_differs_by_its_seed(open_page):
    at = section(open_page, "What they hold", **{"latents.encoding": "Sample"})
    first = at.dataframe[0].value
    at.text_input(key="latents.encoding_seed").set_value("5").run()
    assert not at.dataframe[0].value.equals(first)
    at.text_input(key="latents.encoding_seed").set_value("many").run()
    assert "seed must be a whole number" in at.error[0].value and not at.exception


def test_through_a_run(open_page, run):
    at = section(open_page, "Through a run", **{"latents.from": "Run", "latents.run": run})
    assert not at.error
    assert headers(at)[0] == "One evaluation"
    assert {"Film (WEBP)", "Strip (PNG)"} <= {b.label for b in at.get("download_button")}
    at.segmented_control(key="latents.quantity").set_value("eps_pred").run()
    at.segmented_control(key="latents.means").set_value("Linear map").run()
    assert not at.exception and not at.error
    assert any("R²" in c.value for c in at.caption)


def test_any_evaluation_can_be_chosen_though_the_strip_is_thinned(open_page, run, monkeypatch):
    from dashboard.views.latents import run_steps

    monkeypatch.setattr(run_steps, "MOST_FRAMES", 2)
    films = []
    monkeypatch.setattr(run_steps, "show_frames", lambda page, layers: films.append(layers))
    chosen = {"latents.from": "Run", "latents.run": run, "latents.means": "Linear map"}
    at = section(open_page, "Through a run", **chosen)
    assert any("2 of 4 evaluations" in c.value for c in at.caption)
    assert list(at.select_slider[0].options) == ["0", "1", "2", "3"]
    assert films[0].marks == ["0", "3"] and films[0].labels[1].startswith("evaluation 3 ·")
    assert [layer.name for layer in films[0].layers] == ["x_t", "x0_pred", "eps_pred", "Latents"]
    at.select_slider[0].set_value(2).run()
    assert any("evaluation 2 · step 2" in c.value for c in at.caption) and not at.exception


def test_choosing_run_takes_the_latest(open_page, run):
    at = section(open_page, "What they hold")
    at.segmented_control(key="latents.from").set_value("Run").run()
    assert len(at.text_input(key="latents.run").value) == 16
    assert "Channels" in headers(at) and not at.exception


def test_a_runs_picture_can_be_encoded_again(open_page, run):
    at = section(open_page, "What they hold", **{"latents.from": "Run", "latents.run": run})
    own = at.dataframe[0].value
    stored = statistics.moments(open_run(lab().runs / run).latents)
    np.testing.assert_allclose(own["mean"], stored["mean"], rtol=1e-6)
    at.segmented_control(key="latents.run_latents").set_value("Mean").run()
    mean = at.dataframe[0].value
    at.segmented_control(key="latents.run_latents").set_value("Sample").run()
    drawn = at.dataframe[0].value
    assert not at.error and not at.exception
    assert not own.equals(mean) and not mean.equals(drawn)
    assert any("seed 0" in c.value for c in at.caption)


def test_only_a_run_has_a_way(open_page):
    at = section(open_page, "Through a run")
    assert any("only a run has steps" in i.value for i in at.info)


def test_vae_round_trip(open_page):
    at = section(open_page, "VAE round trip")
    figures = {m.label: m.value for m in at.metric}
    assert float(figures["PSNR"].split()[0]) > 25 and float(figures["SSIM"]) > 0.8
    row = at.dataframe[0].value.iloc[0]
    assert row["width"] == 128 and row["ssim"] > 0.8


def test_a_vae_that_has_overflowed_is_said_on_every_page(open_page, monkeypatch):
    """Frames, noised pictures and edits are decoded too, with no manifest to say it in."""

    def told(at):
        return [c.value for c in at.sidebar.caption if "VAE overflows" in c.value]

    assert not told(section(open_page, "VAE round trip"))
    model = lab().ask(lambda model: model, lab().status().model.hash, "test")
    monkeypatch.setattr(model.vae, "overflowed", True)
    assert len(told(section(open_page, "Experiments"))) == 1


@pytest.mark.parametrize(
    "name", ["Zero a channel", "Swap two channels", "Add noise", "Crop", "Flip", "Roll"]
)
def test_experiments(open_page, name):
    at = section(open_page, "Experiments", **{"latents.experiment": name})
    assert not at.error, [e.value for e in at.error]
    assert "Save latents (safetensors)" in {b.label for b in at.get("download_button")}


def test_one_latent_pixel_is_drawn_and_counted(open_page):
    size = {"latents.height": "1", "latents.width": "1"}
    at = section(open_page, "Experiments", **{"latents.experiment": "Crop"}, **size)
    assert not at.error and any("Noise of 4 values" in (c.help or "") for c in at.caption)


def test_a_crop_beyond_the_latents_is_explained(open_page):
    at = section(open_page, "Experiments", **{"latents.experiment": "Crop"})
    at.number_input(key="latents.top").set_value(12).run()
    assert "the crop must lie within 16 x 16" in at.error[0].value and not at.exception


def test_between_two_begins_with_two_pictures(open_page):
    at = section(open_page, "Between two")
    assert not at.error
    samples = [s.value for s in at.selectbox if s.label == "Sample"]
    assert len(set(samples)) == 2
    assert len(at.get("vega_lite_chart")) == 1


@pytest.fixture(scope="module")
def noise():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def title(chart):
    return chart.to_dict()["title"]["text"]


class TestCharts:
    def test_histogram(self, noise):
        chart = charts.histogram(statistics.histogram(noise))
        assert title(chart) == "Values of each channel; dashed: N(0, 1)"
        assert chart.to_dict()["layer"][0]["encoding"]["x"]["title"] == "value (latent units)"

    def test_spectrum_keeps_a_channels_colour_when_another_is_empty(self, noise):
        empty = noise.clone()
        empty[:, 0] = 0
        for latents in (noise, empty):
            plain = charts.spectrum(statistics.spectrum(latents)).to_dict()
            domain = plain["layer"][0]["encoding"]["color"]["scale"]["domain"]
            assert domain == ["0", "1", "2", "3"]

    def test_correlations_of_sixteen_channels_carry_no_text(self):
        x = np.random.default_rng(0).normal(size=(16, 4, 4))
        few, many = (charts.correlations(statistics.correlations(v)) for v in (x[:4], x))
        assert len(few.to_dict()["layer"]) == 2 and len(many.to_dict()["layer"]) == 1

    def test_shell_and_path_norm(self, noise):
        assert "shell" in title(charts.shell(statistics.shell(noise)))
        table = norms_between(noise, noise.flip(1))
        assert title(charts.path_norm(table)) == "Norm along the way"

    @pytest.mark.parametrize(
        "chart",
        [charts.histogram, charts.correlations, charts.spectrum, charts.shell, charts.path_norm],
    )
    def test_a_missing_column_is_named(self, chart):
        with pytest.raises(ValueError, match="needs the column"):
            chart(pd.DataFrame({"channel": ["0"]}))


def test_a_latents_file_is_read_and_hostile_ones_refused(open_page, noise):
    """AppTest cannot upload, so the page's own reader is asked as the uploader would ask it."""
    from dashboard.widgets.latent_source import read_file
    from sdlab.latents.files import latents_bytes

    at = section(open_page, "Experiments")
    run_until(at, lambda a: lab().status().model)
    data = lab().ask(lambda model: latents_bytes(model, noise, "noise"))
    found = lab().ask(lambda model: read_file(data, model, False))
    assert torch.equal(found.latents, noise)
    with pytest.raises(ValueError, match="no safetensors file"):
        lab().ask(lambda model: read_file(b"PK\x03\x04", model, False))
    big = lab().ask(lambda model: latents_bytes(model, torch.zeros(1, 4, 65, 64)))
    with pytest.raises(ValueError, match="are 64 x 65; at most 16 times the area of this model's"):
        lab().ask(lambda model: read_file(big, model, False))


def test_frames_that_the_viewer_has_are_not_decoded_again(open_page, run):
    import time

    from dashboard.views.latents import run_steps

    lab().frames.want(run)
    end = time.monotonic() + 240
    while (sheet := lab().frames.sheet(run)) is None or sheet.how != "decoded":
        assert time.monotonic() < end
        time.sleep(0.1)
    stored = open_run(lab().runs / run)
    there, address = run_steps._sheet(stored, "VAE", lab().status().model)
    assert there == sheet and address.startswith(f"/frames/{run}.webp")
    frames = there.pictures("x0_pred", [0, 3])
    assert [f.size for f in frames] == [sheet.size] * 2
    last = np.asarray(frames[1], float)
    assert np.abs(last - np.asarray(stored.image, float)).mean() < 12  # lossy, and x0_pred's
    assert there.pictures("x_t", [0])[0].tobytes() != frames[0].tobytes()
