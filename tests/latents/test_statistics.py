"""Statistics of latents against closed forms."""

import numpy as np
import pytest
import torch

from sdlab.latents import statistics


@pytest.fixture
def noise():
    return torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))


def test_noise_looks_like_noise(noise):
    table = statistics.moments(noise).set_index("channel")
    assert table.index.tolist() == ["0", "1", "2", "3", "all"]
    assert table.loc["all"].abs()[["mean", "skew", "kurtosis"]].max() < 0.05
    assert table.loc["all", "std"] == pytest.approx(1, abs=0.02)
    assert abs(statistics.shell(noise)["z"].iloc[0]) < 3
    power = statistics.spectrum(noise)
    assert power[power["channel"] == "all"]["power"].mean() == pytest.approx(1, abs=0.1)


def test_a_wave_stands_at_its_own_frequency():
    wave = np.cos(2 * np.pi * 4 * np.arange(32) / 32)
    table = statistics.spectrum(np.broadcast_to(wave, (1, 32, 32)).copy())
    one = table[table["channel"] == "0"]
    at = one["power"].to_numpy().argmax()
    assert one["frequency"].iloc[at] == pytest.approx(4 / 32)
    assert (one["power"] * one["count"]).sum() == pytest.approx(32 * 32 / 2)


def test_power_of_any_size_adds_up_to_the_variance():
    x = np.random.default_rng(0).normal(size=(2, 24, 40))
    table = statistics.spectrum(x)
    assert table["frequency"].max() <= 0.5 + 0.5 / 24
    assert (table["power"] > 0).all()


def test_a_histogram_is_a_density(noise):
    table = statistics.histogram(noise, bins=40)
    for _, rows in table.groupby("channel"):
        width = rows["high"] - rows["low"]
        assert (rows["density"] * width).sum() == pytest.approx(1)
        assert (rows["normal"] * width).sum() == pytest.approx(1, abs=1e-4)


def test_correlations_find_a_copied_channel(noise):
    noise[:, 3] = -noise[:, 1]
    table = statistics.correlations(noise).set_index(["channel_a", "channel_b"])["correlation"]
    assert table["1", "3"] == pytest.approx(-1)
    assert table["2", "2"] == pytest.approx(1)
    assert abs(table["0", "2"]) < 0.1


def test_correlations_are_numpys_own_and_empty_where_a_channel_is_constant(noise):
    x = noise[0].double().numpy()
    found = statistics.correlations(x)["correlation"].to_numpy().reshape(4, 4)
    np.testing.assert_allclose(found, np.corrcoef(x.reshape(4, -1)), atol=1e-12)
    assert statistics.correlations(np.ones((2, 1, 1)))["correlation"].isna().all()


def test_every_value_has_its_place(noise):
    table = statistics.values(noise[..., :2, :3])
    assert len(table) == 4 * 2 * 3
    row = table[(table["channel"] == "2") & (table["row"] == 1) & (table["column"] == 2)]
    assert row["value"].item() == noise[0, 2, 1, 2]


def test_one_pixel_has_no_spectrum():
    none = statistics.spectrum(np.ones((4, 1, 1)))
    assert none.empty and list(none) == list(statistics.spectrum(np.ones((4, 2, 2))))


def test_a_scaled_noise_leaves_its_shell(noise):
    row = statistics.shell(noise * 1.1).iloc[0]
    assert row["dimensions"] == 4 * 64 * 64
    assert row["expected"] == pytest.approx(np.sqrt(4 * 64 * 64 - 0.5), rel=1e-6)
    assert row["z"] > 10 and row["norm"] > row["high"]


def test_constant_channels_have_no_shape():
    table = statistics.moments(torch.ones(1, 4, 8, 8)).iloc[0]
    assert table["std"] == 0 and np.isnan(table["skew"]) and np.isnan(table["kurtosis"])


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (torch.zeros(2, 4, 8, 8), r"got \[2, 4, 8, 8\]"),
        (torch.zeros(8, 8), r"got \[8, 8\]"),
        (torch.full((1, 4, 8, 8), float("inf")), "256 of 256"),
    ],
)
def test_what_is_not_one_images_latents_is_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        statistics.moments(bad)
