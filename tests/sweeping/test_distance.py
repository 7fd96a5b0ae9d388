"""How far a sweep's runs are from the run to which their settings converge, which is made once."""

import pytest

import sdlab
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.converged import converged
from sdlab.comparing.reference import flat, rms, spread_of
from sdlab.sweeping.distance import Distance
from sdlab.sweeping.estimate import estimate
from sdlab.sweeping.measures import measures_of
from sdlab.sweeping.result import sweep_result
from sdlab.sweeping.search import Search
from tests.sweeping.test_sweep import inodes

BASE = sdlab.Experiment(prompt="a car", width=64, height=64, num_steps=2, model="small")
SPEC = sdlab.Sweep(BASE, {"solver": ["ddim", "heun"], "num_steps": [2, 3]})


@pytest.fixture(scope="module")
def store(small, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    asked = []
    sdlab.sweep(
        small, SPEC, root=root, measures=["error"], on_progress=lambda *done: asked.append(done)
    )
    runs = sum(len(sdlab.open_run(root / x.id).steps) for x in SPEC.experiments)
    assert asked[-1] == (runs + 199, runs + 199)
    return root


def test_it_is_compares_distance_to_compares_reference(small, store):
    compared = Comparison(("ddim",), (BASE.prompt,), width=64, height=64, model="small",
                          guidance_scale=BASE.guidance_scale)  # fmt: skip
    (reference,) = compared.references(small.scheduler_config)
    made = inodes(store).keys() - {x.id for x in SPEC.experiments}
    assert made == {reference.fine.id}  # one for all four
    end = sdlab.open_run(store / reference.fine.id)
    table = sweep_result(SPEC, store, measures_of(["distance"])).table
    for run, distance in zip(table["run"], table["distance"], strict=True):
        apart = rms(flat(sdlab.open_run(store / run).latents)[0] - flat(end.latents)[0])
        assert distance == pytest.approx(apart / spread_of(end))
    assert table["distance"].nunique() == 4


def test_a_search_by_error_makes_no_reference_again(small, store):
    before = inodes(store)
    result = sdlab.sweep(small, SPEC, root=store, search=Search("minimize: error", 4))
    assert inodes(store) == before
    assert result.best("minimize: error")["distance"] == result.table["distance"].min()
    assert result.cells("error")["distance"].min() == result.table["distance"].min()


def test_without_a_run_there_is_no_reference_and_without_that_no_distance(small, store, tmp_path):
    refused = sdlab.Sweep(BASE, {"solver": ["hoin", "dimm"]})
    with pytest.raises(ValueError, match="hoin"):
        sdlab.sweep(small, refused, root=tmp_path, measures=["error"])
    assert not inodes(tmp_path)
    told = estimate(small, SPEC, tmp_path, measures=measures_of(["error"]))
    assert told.missing == 5 and told.evaluations == 2 + 3 + 3 + 5 + 199
    run = sdlab.open_run(store / SPEC.experiments[0].id)
    assert Distance()(run) is None and Distance(tmp_path)(run) is None


def test_what_decides_the_sampler_alone_shares_a_reference():
    odd = BASE.with_(
        solver="euler", curve="exponential", curve_options={}, eta=0.5, num_steps=7, fast=True,
        record=sdlab.Record(tensors=()),
    )  # fmt: skip
    assert converged(odd, flow=False) == converged(BASE, flow=False)
    assert (
        converged(BASE, flow=False).curve == "karras" and converged(BASE, flow=True).curve is None
    )
    assert converged(BASE.with_(guidance_scale=1), False) != converged(BASE, False)
