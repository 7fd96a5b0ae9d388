"""Experiments on latents do what they say, and nothing to what they are given."""

import math

import pytest
import torch

from sdlab.latents import edit


@pytest.fixture
def latents():
    return torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(1))


def test_channels_are_changed_one_at_a_time(latents):
    before = latents.clone()
    assert edit.zero(latents, 2)[:, 2].abs().max() == 0
    assert torch.equal(edit.scale(latents, 1, 2.0)[:, 1], 2 * before[:, 1])
    assert torch.equal(edit.shift(latents, 0, 0.5)[:, 0], before[:, 0] + 0.5)
    swapped = edit.swap(latents, 0, 3)
    assert torch.equal(swapped[:, 0], before[:, 3]) and torch.equal(swapped[:, 1], before[:, 1])
    assert torch.equal(latents, before)


def test_moves(latents):
    assert torch.equal(edit.flip(edit.flip(latents)), latents)
    assert torch.equal(edit.flip(latents, vertical=True)[..., 0, :], latents[..., -1, :])
    assert torch.equal(edit.roll(edit.roll(latents, 3, 5), -3, -5), latents)
    assert edit.crop(latents, 2, 4, 6, 8).shape == (1, 4, 6, 8)


def test_noise_has_the_sigma_and_the_seed(latents):
    once, again = (edit.add_noise(latents, 2.0, 7) for _ in range(2))
    assert torch.equal(once, again)
    assert (once - latents).std() == pytest.approx(2.0, abs=0.2)
    assert torch.equal(edit.add_noise(latents, 0.0, 7), latents)


def test_the_great_circle_keeps_the_norm():
    a, b = torch.randn(2, 1, 4, 32, 32, generator=torch.Generator().manual_seed(2)).unbind(0)
    shares = [0, 0.25, 0.5, 0.75, 1]
    circle = edit.between(a, b, shares).flatten(1).norm(dim=1)
    line = edit.between(a, b, shares, "linear").flatten(1).norm(dim=1)
    assert circle.min() > 0.98 * min(a.norm(), b.norm())
    assert line[2] < 0.75 * a.norm()
    torch.testing.assert_close(edit.between(a, b, [0, 1]), torch.cat((a, b)))


def test_the_norm_is_tabled_along_both_walks():
    a, b = torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    a[0, 0], b[0, 1] = 3.0, 3.0  # at a right angle, of one length
    table, shares = edit.norms_between(a, b, 5), [0, 0.25, 0.5, 0.75, 1]
    assert table["share"].tolist() == shares * 2
    norms = table.groupby("walk")["norm"].apply(list)
    assert norms["spherical"] == pytest.approx([3.0] * 5)
    assert norms["linear"] == pytest.approx([3 * math.hypot(1 - s, s) for s in shares])


def test_one_and_the_same_end_stays(latents):
    torch.testing.assert_close(edit.between(latents, latents, [0.5]), latents)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: edit.zero(x, 4), "from 0 to 3, got 4"),
        (lambda x: edit.scale(x, 0, float("nan")), "factor must be finite"),
        (lambda x: edit.add_noise(x, -1.0, 0), "sigma"),
        (lambda x: edit.crop(x, 4, 0, 8, 4), "8 x 12"),
        (lambda x: edit.between(x, x[..., :4], [0.5]), "one size"),
        (lambda x: edit.between(x, x, [0.5], "spheric"), "spherical"),
    ],
)
def test_bad_arguments_are_named(latents, call, match):
    with pytest.raises(ValueError, match=match):
        call(latents)
