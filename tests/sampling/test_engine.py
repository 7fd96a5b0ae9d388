"""Runs share network calls, fairly and within the cap, and none changes by more than rounding."""

import pandas as pd
import pytest
import torch

import sdlab
from sdlab.runs.manifest import calls_in_words, is_exact, was_shared
from sdlab.sampling import engine as engine_module
from sdlab.sampling import plain_job
from sdlab.solvers import registry

SMALL = {"width": 64, "height": 64}


def experiment(**fields):
    fields = {"prompt": "a parrot", "solver": "euler", "num_steps": 4, **fields}
    return sdlab.Experiment(model="small", **fields)


@pytest.fixture
def calls(monkeypatch):
    """The number of runs in every network call."""
    sizes, evaluate = [], engine_module.evaluate

    def spy(model, samples):
        sizes.append(len(samples))
        return evaluate(model, samples)

    monkeypatch.setattr(engine_module, "evaluate", spy)
    return sizes


@pytest.fixture
def picky(monkeypatch):
    """The network raises whenever a run with guidance 6.66 is in the call."""
    evaluate = engine_module.evaluate

    def evaluating(model, samples):
        if any(sample.guidance_scale == 6.66 for sample in samples):
            raise RuntimeError("bad sample")
        return evaluate(model, samples)

    monkeypatch.setattr(engine_module, "evaluate", evaluating)


def finish(engine, limit=500):
    for _ in range(limit):
        if not engine.round():
            return
    raise AssertionError("the engine does not come to an end")


def test_runs_share_calls(small, calls):
    engine = sdlab.Engine(small, mix=True)
    jobs = [engine.submit(experiment(seed=s, num_steps=n)) for s, n in enumerate((4, 4, 2))]
    finish(engine)
    assert [job.state for job in jobs] == ["done"] * 3
    assert calls == [3, 3, 2, 2]
    assert jobs[0].result.manifest["largest_call"] == 6


def test_only_jobs_that_may_be_together_share_calls(small, calls):
    engine = sdlab.Engine(small, mix=True)
    engine.together = lambda one, other: one.experiment.prompt == other.experiment.prompt
    for seed, prompt in enumerate(("a parrot", "a cat", "a parrot")):
        engine.submit(experiment(seed=seed, prompt=prompt, num_steps=2))
    finish(engine)
    assert calls == [2, 1] * 2


def test_guided_and_unguided_runs_share_calls(small, calls):
    engine = sdlab.Engine(small, mix=True)
    wanted = [experiment(guidance_scale=1.0), experiment(guidance_scale=3.0)]
    jobs = [engine.submit(e) for e in wanted]
    finish(engine)
    assert calls == [2] * 4
    for job, one in zip(jobs, wanted, strict=True):
        alone = sdlab.run(small, one)
        torch.testing.assert_close(job.result.latents, alone.latents, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("guidance", [pytest.param(1.0, marks=pytest.mark.every), 3.0])
def test_the_manifest_tells_what_was_made_in_shared_calls(small, guidance):
    wanted = [
        experiment(seed=s, num_steps=n, guidance_scale=guidance) for s, n in enumerate((2, 4))
    ]
    alone = [sdlab.run(small, one) for one in wanted]
    together = sdlab.run_many(small, wanted)
    apart = sdlab.run_many(small, wanted, mix=False)
    assert [run.manifest["shared_calls"] for run in together] == [2, 2]  # two, then one is alone
    assert [was_shared(run.manifest) for run in together] == [True, True]
    for run, other in zip(alone, apart, strict=True):
        assert run.manifest["shared_calls"] == other.manifest["shared_calls"] == 0
        assert not was_shared(run.manifest) and torch.equal(run.latents, other.latents)
    assert [run.id for run in together] == [one.id for one in wanted]


def test_older_manifests_tell_by_their_largest_call():
    assert [was_shared(facts) for facts in ({}, {"largest_call": 2}, {"largest_call": 4})] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("facts", "exact", "words"),
    [
        ({"shared_calls": 0, "largest_call": 2}, True, "exact, as made alone"),
        ({"shared_calls": 3, "largest_call": 16}, False, "made in shared calls of up to 16 rows"),
        ({"largest_call": 1}, True, "exact, as made alone"),
        ({"largest_call": 2}, False, "whether it shared calls is not recorded"),
        ({"largest_call": 4}, False, "made in shared calls of up to 4 rows"),
        ({}, False, "whether it shared calls is not recorded"),
    ],
)
def test_a_manifest_says_whether_a_run_is_exact(facts, exact, words):
    assert is_exact(facts) == exact and calls_in_words(facts) == words


def test_an_exact_run_shares_no_call_with_those_that_do(small, calls):
    engine = sdlab.Engine(small)
    others = [engine.submit(experiment(seed=seed), mix=True) for seed in range(3)]
    exact = engine.submit(experiment(seed=3))
    finish(engine)
    assert calls == [3, 1] * 4
    assert [job.result.manifest["shared_calls"] for job in (*others, exact)] == [4, 4, 4, 0]
    assert torch.equal(exact.result.latents, sdlab.run(small, exact.experiment).latents)


def test_a_run_can_leave_the_shared_calls(small, calls):
    engine = sdlab.Engine(small, mix=True)
    jobs = [engine.submit(experiment(seed=seed)) for seed in range(3)]
    engine.round()
    jobs[0].mix = False
    finish(engine)
    assert calls == [3, *[1, 2] * 3]
    assert [job.shared for job in jobs] == [1, 4, 4]


def test_unmixed_runs_do_not(small, calls):
    engine = sdlab.Engine(small)
    for seed in range(3):
        engine.submit(experiment(seed=seed, num_steps=2))
    finish(engine)
    assert calls == [1] * 6


def test_other_shapes_are_served_in_turn(small):
    engine = sdlab.Engine(small, mix=True)
    small_job = engine.submit(experiment(width=64, height=64))
    large_job = engine.submit(experiment(width=64, height=96))
    for _ in range(4):
        engine.round()
    assert small_job.evaluation == large_job.evaluation == 2


def test_late_joiners_of_another_shape_are_not_starved(small):
    engine = sdlab.Engine(small, mix=True, max_samples=2)
    crowd = [engine.submit(experiment(seed=s, guidance_scale=1.0)) for s in range(4)]
    engine.round()
    late = engine.submit(experiment(width=64, height=64, guidance_scale=1.0))
    for _ in range(6):
        engine.round()
    assert late.evaluation >= 2
    assert max(job.evaluation for job in crowd) - min(job.evaluation for job in crowd) <= 1


def test_the_cap_holds_and_nobody_starves(small, calls):
    engine = sdlab.Engine(small, mix=True, max_samples=4)
    jobs = [engine.submit(experiment(seed=s, guidance_scale=3.0)) for s in range(5)]
    for _ in range(5):
        engine.round()
        progress = [job.evaluation for job in jobs]
        assert max(progress) - min(progress) <= 1
    assert set(calls) == {2}
    finish(engine)
    assert all(job.state == "done" for job in jobs)


def test_a_crowd_is_split_into_calls_that_the_cpu_gains_from(small, calls):
    sdlab.run_many(small, [experiment(seed=seed, num_steps=2) for seed in range(10)])
    assert (max(calls), sum(calls), len(calls)) == (8, 20, 3)


def test_a_run_joins_and_leaves_between_evaluations(small):
    engine = sdlab.Engine(small, mix=True)
    first = engine.submit(experiment(num_steps=4))
    engine.round()
    late = engine.submit(experiment(seed=1, num_steps=6))
    finish(engine)
    for job in (first, late):
        alone = sdlab.run(small, job.experiment)
        torch.testing.assert_close(job.result.latents, alone.latents, rtol=1e-5, atol=1e-5)


def test_the_tables_so_far_are_the_beginning_of_the_final_ones(small):
    engine = sdlab.Engine(small, mix=True)
    job = engine.submit(experiment(num_steps=4))
    assert job.so_far() == {}
    while job.evaluation < 3:
        engine.round()
    so_far = job.so_far()
    finish(engine)
    for name, table in so_far.items():
        final = job.result.tables[name].iloc[: len(table)]
        ends = table["evaluation"] == 2  # the last one's way is known once the next is made
        ways = ["displacement", "angle_deg"]
        assert table.loc[ends, ways].isna().all(axis=None)
        pd.testing.assert_frame_equal(table[~ends], final[~ends.to_numpy()], check_exact=True)
        pd.testing.assert_frame_equal(table.drop(columns=ways), final.drop(columns=ways))


def test_cancel_ends_at_the_next_evaluation(small):
    closed = []

    @registry.solver("closable")
    def closable(x, sigmas, noise):
        try:
            for sigma in sigmas[:-1]:
                x = yield x, sigma
        except GeneratorExit:
            closed.append(True)
            raise
        return x

    try:
        engine = sdlab.Engine(small, mix=True)
        job = engine.submit(experiment(solver="closable", num_steps=50))
        other = engine.submit(experiment(seed=1))
        engine.round()
        closed.clear()  # the dry run of the plan
        job.cancel()
        engine.round()
        assert (job.state, job.evaluation, job.result) == ("cancelled", 1, None)
        assert closed == [True]
        finish(engine)
        assert other.state == "done"
    finally:
        registry._SOLVERS.pop("closable")


def test_a_solver_that_raises_fails_alone(small):
    @registry.solver("fragile")
    def fragile(x, sigmas, noise):
        for i, sigma in enumerate(sigmas[:-1]):
            x = yield x, sigma
            if i == 1 and x.shape[1] == 4:  # not in the plan's dry run
                raise RuntimeError("the solver broke")
        return x

    try:
        engine = sdlab.Engine(small, mix=True)
        bad = engine.submit(experiment(solver="fragile"))
        good = engine.submit(experiment())
        finish(engine)
        assert (bad.state, str(bad.error)) == ("failed", "the solver broke")
        alone = sdlab.run(small, good.experiment)
        torch.testing.assert_close(good.result.latents, alone.latents, rtol=1e-5, atol=1e-5)
        with pytest.raises(RuntimeError, match="the solver broke") as caught:
            sdlab.run_many(small, [bad.experiment, good.experiment])
        assert any("fragile" in note for note in caught.value.__notes__)
    finally:
        registry._SOLVERS.pop("fragile")


def test_a_network_that_raises_on_one_run_fails_that_run(small, picky):
    """A shared call that fails is taken apart until the culprit is found."""
    engine = sdlab.Engine(small, mix=True)
    jobs = [engine.submit(experiment(guidance_scale=s)) for s in (2.0, 6.66, 3.0)]
    finish(engine)
    assert [job.state for job in jobs] == ["done", "failed", "done"]
    assert str(jobs[1].error) == "bad sample"


def test_a_lowered_cap_is_for_its_shape_and_its_time(small, monkeypatch, calls):
    evaluate = engine_module.evaluate

    def tight(model, samples):
        if samples[0].x_t.shape[-1] == 16 and len(samples) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return evaluate(model, samples)

    engine = sdlab.Engine(small, mix=True)
    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "evaluate", tight)
        for seed in range(3):
            engine.submit(experiment(seed=seed, guidance_scale=1.0))
            engine.submit(experiment(seed=seed, guidance_scale=1.0, width=64, height=64))
        finish(engine)
    calls.clear()
    for seed in range(3):
        engine.submit(experiment(seed=seed, guidance_scale=1.0))
    finish(engine)
    assert calls == [3] * 4


def test_an_error_in_one_answer_fails_one_run(small, monkeypatch):
    predictions = plain_job.predictions

    def broken(schedule, x_t, sigma, output):
        if sigma > 3 and x_t.flatten()[0] == marked:
            raise ValueError("no prediction")
        return predictions(schedule, x_t, sigma, output)

    engine = sdlab.Engine(small, mix=True)
    jobs = [engine.submit(experiment(seed=s, guidance_scale=1.0)) for s in range(2)]
    engine._admit()
    marked = jobs[0].query.x_t.flatten()[0].clone()
    monkeypatch.setattr(plain_job, "predictions", broken)
    finish(engine)
    assert [job.state for job in jobs] == ["failed", "done"]


def test_failures_can_be_returned_in_place(small, picky):
    wanted = [experiment(guidance_scale=s) for s in (6.66, 2.0)]
    bad, good = sdlab.run_many(small, wanted, return_exceptions=True)
    assert str(bad) == "bad sample"
    assert good.experiment == wanted[1]


def test_progress_is_reported(small):
    seen = []
    sdlab.run(small, experiment(), on_progress=lambda job: seen.append((job.evaluation, job.nfe)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_recording_changes_nothing(small):
    """Bit for bit, with all tensors, none, and no statistics."""
    everything = sdlab.Record(tensors=("x_t", "x0_pred", "output_cond", "output_uncond"))
    nothing = sdlab.Record(tensors=(), statistics=False)
    for solver in ("heun", "DDPMScheduler", "UniPCMultistepScheduler"):
        latents = [
            sdlab.run(small, experiment(solver=solver, record=record, **SMALL)).latents
            for record in (everything, nothing)
        ]
        assert torch.equal(*latents)


def test_the_global_generator_is_left_alone(small):
    for name in ("euler_ancestral", "DDPMScheduler", "DPMSolverSDEScheduler"):
        before = torch.get_rng_state()
        sdlab.run(small, experiment(solver=name, **SMALL))
        assert torch.equal(torch.get_rng_state(), before), name


def test_same_seed_same_run_and_other_seed_another(small):
    for name in ("euler_ancestral", "DPMSolverSDEScheduler"):
        one, two, other = (
            sdlab.run(small, experiment(solver=name, seed=s, **SMALL)).latents for s in (1, 1, 2)
        )
        assert torch.equal(one, two)
        assert not torch.equal(one, other)


def test_a_cap_below_a_pair_is_refused(small):
    with pytest.raises(ValueError, match="max_samples must be at least 2, got 1"):
        sdlab.Engine(small, max_samples=1)


def test_no_experiments_no_runs(small):
    assert sdlab.run_many(small, []) == []


def test_latents_that_are_not_finite_are_said(small):
    @registry.solver("wild")
    def wild(x, sigmas, noise):
        for sigma in sigmas[:-1]:
            x = (yield x, sigma) * float("inf")
        return x

    try:
        run = sdlab.run(small, experiment(solver="wild"))
        assert run.manifest["warnings"] == ["The latents are not finite since evaluation 1."]
    finally:
        registry._SOLVERS.pop("wild")
