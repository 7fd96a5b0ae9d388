"""Paths of samples start on the exact distribution and end near the truth; densities match it."""

import numpy as np
import pytest

from sdlab import bench


@pytest.mark.parametrize("name", ["heun", "DDIMScheduler", "EulerDiscreteScheduler"])
def test_trajectories_start_on_the_truth_and_end_near_it(name):
    table = bench.trajectories(name, 12, curve="leading", particles=9)
    assert len(table) == 9 * 13 and table["step"].max() == 12
    by_step = table.groupby("step")["sigma"].first()
    assert (np.diff(by_step) < 0).all()
    off = np.hypot(table["x"] - table["true_x"], table["y"] - table["true_y"])
    assert off[table["step"] == 0].max() < 1e-5  # diffusers scales its start in float32
    assert 0 < off[table["step"] == 12].median() < 0.3
    assert table[["x", "y"]].abs().max().max() < 6  # VP: the cloud keeps its size


def test_stochastic_trajectories_have_no_truth():
    table = bench.trajectories("euler_ancestral", 5, particles=3)
    assert table["true_x"].isna().all() and table["x"].notna().all()


def test_density_is_that_of_the_noised_data():
    clean, noisy = bench.density(sigma=0.0, side=40), bench.density(sigma=14.6, side=40)
    assert len(clean) == 1600 and clean["density"].max() == 1
    peak = clean.loc[clean["density"].idxmax()]
    assert np.hypot(peak["x"], peak["y"]) == pytest.approx(1.3, abs=0.1)
    centre = noisy.loc[noisy["density"].idxmax()]
    assert np.hypot(centre["x"], centre["y"]) < 0.2  # nearly a standard normal


def test_only_two_dimensions_have_trajectories():
    with pytest.raises(ValueError, match="need a problem of two dimensions, 'mixture_1d' has 1"):
        bench.trajectories("heun", 5, problem="mixture_1d")
    with pytest.raises(ValueError, match="need a problem of two dimensions"):
        bench.density("pictures")
