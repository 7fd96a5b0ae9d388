"""Moves keep a schedule one, and bring it nearer to the pictures of its own seeds."""

import numpy as np
import pytest

import sdlab
from sdlab.comparing.reference import flat, rms
from sdlab.fitting.refining import joined, moves

WAY = np.array([9.0, 4.0, 1.0, 0.0])


def test_a_level_moves_towards_its_neighbours_alone():
    up_4, up_1, down_4, down_1 = moves(WAY, 0.5, 0.1)
    assert 4 < up_4[1] < 9 and 1 < up_1[2] < 4 and 1 < down_4[1] < 4 and 0.1 < down_1[2] < 1
    for made, place in ((up_4, 1), (up_1, 2), (down_4, 1), (down_1, 2)):
        assert (np.diff(made) < 0).all() and made[-1] == 0
        assert (np.delete(made, place) == np.delete(WAY, place)).all()
    assert moves(WAY, 0.5, 2.0)[-1][2] == pytest.approx(1)  # it is below the lowest already


def test_the_moves_that_bring_it_nearer_are_joined():
    tried = moves(WAY, 0.5, 0.1)
    made = joined(WAY, tried, [0.5, 2.0, 0.4, 0.9], 1.0)
    assert made.tolist() == pytest.approx([9, tried[2][1], tried[3][2], 0])
    assert joined(WAY, tried, [1.0, 1.0, 1.0, 1.0], 1.0).tolist() == WAY.tolist()


def test_on_its_own_seed_it_is_no_farther_than_karras(small):
    spec = sdlab.Experiment(
        prompt="a red car", solver="euler", num_steps=3, guidance_scale=1, width=64, height=64
    )
    fitted = sdlab.fit_schedule(small, spec, (0,), (5, 6), ("karras",), teacher_steps=6)
    ways = [
        fitted.experiment,
        spec.with_(curve="karras"),
        spec.with_(solver="heun", curve="karras"),
    ]
    ways[2] = ways[2].with_(num_steps=6)
    own, karras, end = (flat(sdlab.run(small, way.with_(seed=0)).latents) for way in ways)
    assert rms(own - end)[0] <= rms(karras - end)[0]
