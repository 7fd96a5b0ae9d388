"""The course: where each solver and scheduler goes, on one axis."""

import math

import pytest

import sdlab
from sdlab.solvers import from_diffusers as adapter


@pytest.mark.parametrize("name", sorted(adapter.compatible_classes()))
def test_a_schedulers_course_falls_to_its_end(name):
    table = sdlab.course(name, 9).table()
    assert table["sigma"].iloc[0] == table["sigma"].max()
    assert table["sigma"].iloc[-1] == table["sigma"].min()
    assert table["step"].is_monotonic_increasing and table["step"].iloc[-1] == 9
    assert table["evaluation"].iloc[:-1].tolist() == list(range(len(table) - 1))


def test_ddim_without_alpha_one_ends_at_the_first_timestep():
    end = sdlab.course("DDIMScheduler", 10).end
    assert end == pytest.approx(
        sdlab.NoiseSchedule.from_config(adapter.SD_CONFIG).sigma_min, rel=1e-4
    )
    config = {**adapter.SD_CONFIG, "set_alpha_to_one": True}
    assert sdlab.course("DDIMScheduler", 10, config=config).end == 0


def test_heun_asks_twice_a_step_and_the_end_has_no_evaluation():
    found = sdlab.course("heun", 5, curve="karras")
    assert found.nfe == 9 and found.steps == (0, 0, 1, 1, 2, 2, 3, 3, 4)
    last = found.table().iloc[-1]
    assert last["sigma"] == 0 and math.isinf(last["log_snr"]) and last["alpha_bar"] == 1


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="heun"):
        sdlab.course("huen", 5)
