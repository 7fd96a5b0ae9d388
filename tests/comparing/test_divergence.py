"""Where the predictions of two runs part for good, on runs made so that it is known."""

import pytest
import torch

from sdlab.comparing.divergence import divergence
from sdlab.comparing.exact import exact_runs
from tests.comparing.conftest import comparison


@pytest.fixture(scope="module")
def two(mixture):
    """Runs of Euler in 10 and in 40 steps from one start."""
    few = comparison("euler", seeds=[3], budget=10, more_budgets=(40,), reference_steps=4)
    many = few.with_(budget=40, more_budgets=())
    runs = exact_runs(few, mixture) | exact_runs(many, mixture)
    return [runs[spec.cells({})[0].experiment.id] for spec in (few, many)]


def shifted(run, evaluations, by):
    """The run with its predictions at some evaluations moved."""
    from dataclasses import replace

    from sdlab.runs.trace import Trace

    x0_pred = run.trace.x0_pred.clone()
    x0_pred[evaluations] += by * run.latents.std(correction=0)
    tensors = {"x_t": run.trace.x_t, "x0_pred": x0_pred}
    return replace(run, trace=Trace(run.trace.kept, run.trace.sigmas, tensors))


def thinned(run, every):
    """The run as if every so many evaluations had been kept."""
    from dataclasses import replace

    from sdlab.runs.trace import Trace

    tensors = {name: run.trace.tensor(name)[::every] for name in run.trace.names()}
    return replace(run, trace=Trace(run.trace.kept[::every], run.trace.sigmas, tensors))


def test_they_part_where_the_difference_stays(two):
    run = two[0]
    found = divergence(run, shifted(run, slice(6, None), 0.5))
    assert (found.evaluation_a, found.evaluation_b) == (6, 6)
    assert found.sigma == pytest.approx(run.trace.sigmas[6])
    assert found.distance == pytest.approx(0.5)


def test_a_difference_that_goes_again_is_no_parting(two):
    run = two[0]
    back = shifted(run, slice(2, 7), 0.5)
    assert divergence(run, back) is None
    assert divergence(run, run) is None


def test_the_trials_within_a_step_do_not_count(mixture):
    spec = comparison("heun", seeds=[3], budget=10, reference_steps=4)
    run = exact_runs(spec, mixture)[spec.cells({})[0].experiment.id]
    assert run.steps["step"].tolist()[:4] == [0, 0, 1, 1]
    assert divergence(run, shifted(run, slice(1, None, 2), 0.5)) is None
    assert divergence(run, shifted(run, slice(6, None, 2), 0.5)).evaluation_b == 6
    some = thinned(run, 3)  # 0, 3, 6 ...: every second one is a trial
    assert divergence(some, shifted(some, slice(1, None, 2), 0.5)) is None


def test_runs_of_other_step_counts_are_compared_at_the_same_level(two):
    few, many = two
    found = divergence(few, many, threshold=0.02)
    other = divergence(many, few, threshold=0.02)
    assert found is not None and other is not None
    level = many.trace.sigmas[found.evaluation_b]
    assert abs(level / found.sigma - 1) < 0.3
    assert divergence(few, many, threshold=5.0) is None


def test_what_cannot_be_compared_is_refused(two):
    from dataclasses import replace

    run = two[0]
    with pytest.raises(ValueError, match="threshold must be above 0, got 0"):
        divergence(run, run, 0)
    small = replace(run, tensors={"latents": torch.zeros(1, 4, 2, 2)})
    with pytest.raises(ValueError, match="latents of one shape"):
        divergence(run, small)
