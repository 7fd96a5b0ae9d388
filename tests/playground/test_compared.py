"""The references of a distance: a Gaussian fits Gaussian data, and truth is nearest to truth."""

import pytest
import torch

from sdlab.playground import data
from sdlab.playground.compared import GAUSSIAN, NETWORK, TRUTH, comparing
from sdlab.playground.train import Settings, train
from sdlab.work import finish


@pytest.fixture(scope="module")
def trained():
    work = train(Settings("ring", steps=10, batch=32), pictures=0)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def test_truth_is_nearer_than_a_gaussian_and_that_than_an_untrained_network(trained):
    seen = []
    found = finish(comparing(trained, count=2000), lambda done, total: seen.append((done, total)))
    assert list(found) == [NETWORK, GAUSSIAN, TRUTH] and seen == [(1, 3), (2, 3), (3, 3)]
    assert found[TRUTH].high < found[GAUSSIAN].low < found[NETWORK].value
    assert {distance.count for distance in found.values()} == {125}
    assert len({distance.floor for distance in found.values()}) == 1
    again = finish(comparing(trained, count=2000))
    assert again == found


def test_of_gaussian_data_the_gaussian_is_as_near_as_the_truth(trained, monkeypatch):
    def normal(count, generator):
        return torch.randn(count, 2, generator=generator) * torch.tensor([1.2, 0.5]) + 0.3

    monkeypatch.setitem(data.DATA, "ring", normal)
    found = finish(comparing(trained, count=4000))
    assert found[GAUSSIAN].low < found[TRUTH].high < found[NETWORK].low


def test_sampling_steps_out_of_range_are_refused(trained):
    with pytest.raises(ValueError, match="steps must lie between 1 and 1000, got 0"):
        finish(comparing(trained, count=100, steps=0))
