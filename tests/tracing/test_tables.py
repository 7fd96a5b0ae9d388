"""The tables against plain formulas on the recorded tensors."""

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

import sdlab
from sdlab.columns import TABLES
from sdlab.denoisers.network import NetworkOutput, predictions
from sdlab.solvers.protocol import Query
from sdlab.tracing.recorder import Recorder

ALL = sdlab.Record(tensors=("x_t", "x0_pred", "output_cond", "output_uncond"))


@pytest.fixture(scope="module", params=["heun", "DPMSolverMultistepScheduler"])
def run(small, request):
    return sdlab.run(
        small,
        sdlab.Experiment(
            prompt="a parrot", solver=request.param, num_steps=5, model="small", record=ALL
        ),
    )


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_as_documented(run, name):
    table = run.tables[name]
    assert list(table.columns) == list(TABLES[name])
    assert (table["run"] == run.id).all()


def norm(x):
    return x.double().square().sum().sqrt().item()


def test_steps_are_right(run, small):
    steps, trace = run.steps, run.trace
    sigmas = steps["sigma"].to_numpy()
    x_ve = [x.double() * (1 + s**2) ** 0.5 for x, s in zip(trace.x_t, sigmas, strict=True)]
    path = [b - a for a, b in zip(x_ve, [*x_ve[1:], run.latents[0].double()], strict=True)]
    for e, row in steps.iterrows():
        x, x0 = trace.x_t[e].double(), trace.x0_pred[e].double()
        cond, uncond = (
            predictions(small.schedule, trace.x_t[e], row["sigma"], out[e])[1].double()
            for out in (trace.output_cond, trace.output_uncond)
        )
        expected = {
            "x_t_mean": x.mean().item(),
            "x_t_std": x.std(correction=0).item(),
            "x_t_min": x.min().item(),
            "x_t_max": x.max().item(),
            "x0_pred_mean": x0.mean().item(),
            "x0_pred_std": x0.std(correction=0).item(),
            "x0_pred_min": x0.min().item(),
            "x0_pred_max": x0.max().item(),
            "eps_cond_norm": norm(cond),
            "eps_uncond_norm": norm(uncond),
            "guidance_norm": norm(cond - uncond),
            "cosine": (cond * uncond).sum().item() / norm(cond) / norm(uncond),
            "displacement": norm(path[e]),
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-9), (e, name)
    assert np.isnan(steps.loc[0, "angle_deg"])
    cosine = (path[1] * path[0]).sum().item() / norm(path[1]) / norm(path[0])
    assert steps.loc[1, "angle_deg"] == pytest.approx(np.degrees(np.arccos(cosine)), rel=1e-6)


def test_channels_add_up_to_steps(run):
    steps, channels = run.steps, run.channels
    assert len(channels) == 4 * len(steps)
    by = channels.groupby("evaluation")
    for name in ("x_t", "x0_pred"):
        np.testing.assert_allclose(by[f"{name}_mean"].mean(), steps[f"{name}_mean"], atol=1e-12)
        assert (by[f"{name}_max"].max().to_numpy() == steps[f"{name}_max"].to_numpy()).all()
    for name in ("eps_cond_norm", "eps_uncond_norm", "guidance_norm", "displacement"):
        squares = (channels[name] ** 2).groupby(channels["evaluation"]).sum()
        np.testing.assert_allclose(np.sqrt(squares), steps[name], rtol=1e-9)


def test_noise_columns_follow_from_sigma(run):
    steps = run.steps
    np.testing.assert_allclose(steps["alpha_bar"], 1 / (1 + steps["sigma"] ** 2), rtol=1e-12)
    np.testing.assert_allclose(steps["log_snr"], -2 * np.log(steps["sigma"]), rtol=1e-12)


def test_the_last_evaluation_of_a_zero_ending_solver_goes_to_its_prediction(small):
    run = sdlab.run(small, sdlab.Experiment(solver="euler", num_steps=3, model="small"))
    torch.testing.assert_close(run.latents[0], run.trace.x0_pred[-1], rtol=0, atol=1e-4)


def test_x_t_is_what_the_network_saw(small):
    """The trace of a VE scheduler and of a VP one start at the same noise, on the same scale."""
    runs = [
        sdlab.run(
            small,
            sdlab.Experiment(solver=name, curve="leading", num_steps=4, model="small", seed=5),
        )
        for name in ("EulerDiscreteScheduler", "DDIMScheduler", "euler", "ddim")
    ]
    for run in runs[1:]:
        torch.testing.assert_close(run.trace.x_t[0], runs[0].trace.x_t[0], rtol=1e-5, atol=1e-5)


def test_without_guidance_its_columns_are_missing(small):
    experiment = sdlab.Experiment(guidance_scale=1.0, num_steps=2, model="small", record=ALL)
    run = sdlab.run(small, experiment)
    assert run.steps[["eps_uncond_norm", "guidance_norm", "cosine"]].isna().all(axis=None)
    assert run.steps["eps_cond_norm"].notna().all()
    with pytest.raises(ValueError, match="output_uncond was not recorded .*Without guidance"):
        _ = run.trace.output_uncond


def test_every_and_dtype(small):
    record = sdlab.Record(tensors=("x0_pred",), every=3, dtype="bfloat16")
    experiment = sdlab.Experiment(num_steps=8, model="small", record=record)
    trace = sdlab.run(small, experiment).trace
    assert trace.kept == [0, 3, 6, 7]
    assert trace.x0_pred.shape == (4, 4, 16, 16)
    assert trace.x0_pred.dtype == torch.bfloat16
    assert len(trace.sigmas) == 8
    assert trace.names() == ["x0_pred"]


def test_a_record_is_not_held_twice():
    """160 MiB of record must not need 320 MiB at the end."""
    x = torch.ones(1, 4, 512, 512)
    recorder = Recorder("run", sdlab.Record(statistics=False), nfe=20)
    for e in range(20):
        recorder.add(Query(x, 500.0, 1.0, e), NetworkOutput(x, None, x), x, (x, None))
    before = psutil.Process().memory_info().rss
    _, tensors = recorder.finish(x)
    assert sum(t.nbytes for t in tensors.values()) == 160 * 2**20
    assert psutil.Process().memory_info().rss - before < 40 * 2**20


def test_a_solver_that_asks_more_often_than_planned_is_kept():
    x = torch.ones(1, 4, 8, 8)
    recorder = Recorder("run", sdlab.Record(), nfe=2)
    for e in range(5):
        recorder.add(Query(x * e, 500.0, 1.0, e), NetworkOutput(x, None, x), x, (x, None))
    trace, _ = recorder.finish(x)
    assert trace.kept == [0, 1, 2, 3, 4]
    assert trace.x_t[:, 0, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_without_statistics_the_timings_stay(small):
    record = sdlab.Record(tensors=(), statistics=False)
    run = sdlab.run(small, sdlab.Experiment(num_steps=2, model="small", record=record))
    assert run.steps["x_t_mean"].isna().all()
    assert (run.steps["ms"] > 0).all()
    assert run.channels.empty
    assert list(run.channels.columns) == list(TABLES["channels"])


def test_timings_have_every_stage(run):
    counts = run.timings["stage"].value_counts()
    nfe = len(run.steps)
    assert counts.to_dict() == {"encode": 1, "network": nfe, "solver": nfe, "decode": 1}
    assert (run.timings["ms"] >= 0).all()
    assert isinstance(run.timings["evaluation"].dtype, pd.Int64Dtype)
