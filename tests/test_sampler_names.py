"""Everyday names of samplers lead to a solver and a curve, wherever a solver is asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sdlab
from sdlab.comparing.presets import preset
from sdlab.noise.curves import names
from sdlab.sampler_names import NAMES, everyday, titled, titled_row, unknown_solver
from sdlab.solvers.registry import solver as register
from sdlab.solvers.registry import solvers
from tests.solvers import parity

# The menus of AUTOMATIC1111 and ComfyUI, and how InvokeAI and others spell them.
MEANT = {
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "dpm++ 2m karras": ("dpmpp_2m", "karras"),
    "DPM++ SDE Karras": ("dpmpp_sde", "karras"),
    "DPM++ 2M SDE Exponential": ("dpmpp_2m_sde", "exponential"),
    "DPM++ 2M SDE SGM Uniform": ("dpmpp_2m_sde", "sgm_uniform"),
    "DPM++ 2M Align Your Steps": ("dpmpp_2m", "ays_sd15"),
    "DPM++ 3M SDE": ("dpmpp_3m_sde", "linspace"),
    "DPM++ 2S a": ("dpmpp_2s_ancestral", "linspace"),
    "DPM++ 2M Simple": ("dpmpp_2m", "simple"),
    "DPM++ 2M KL Optimal": ("dpmpp_2m", "kl_optimal"),
    "DPM++ 2M Automatic": ("dpmpp_2m", "linspace"),
    "DPM-Solver++ 2M": ("dpmpp_2m", "linspace"),
    "DPM2 a Karras": ("dpm_2_ancestral", "karras"),
    "Euler": ("euler", "linspace"),
    "Euler a": ("euler_ancestral", "linspace"),
    "Euler Ancestral": ("euler_ancestral", "linspace"),
    "k_euler_a": ("euler_ancestral", "linspace"),
    "sample_dpmpp_2m": ("dpmpp_2m", "linspace"),
    "Heun": ("heun", "linspace"),
    "LMS Karras": ("lms", "karras"),
    "DDIM": ("ddim", None),
    "PLMS": ("plms", None),
    "UniPC": ("unipc", None),
    "uni_pc_bh2": ("unipc", None),
    "LCM": ("lcm", "lcm"),
    "dpmpp_2s_ancestral": ("dpmpp_2s_ancestral", "linspace"),
    "dpmpp_2m_sde_gpu": ("dpmpp_2m_sde", "linspace"),
    "dpmpp_2m sgm_uniform": ("dpmpp_2m", "sgm_uniform"),
    "euler ddim_uniform": ("euler", "leading"),
    "euler beta": ("euler", "beta"),
    "res_multistep": ("res_multistep", "linspace"),
    "SEEDS 2": ("seeds_2", "linspace"),
    "sample_sa_solver_pece": ("sa_solver_pece", "linspace"),
    "ER SDE Karras": ("er_sde", "karras"),
    "Restart": ("restart", "karras"),
}


@pytest.mark.parametrize("name", MEANT)
def test_everyday_names_are_solver_and_curve(name):
    assert everyday(name)[:2] == MEANT[name]
    solver, curve = MEANT[name]
    assert solver in solvers() and curve in (None, *names())
    told = unknown_solver(name, ["x"])
    assert f"Here that is solver {solver!r}" in told and (not curve or repr(curve) in told)


@pytest.mark.parametrize("name", ["DPM fast", "DPM adaptive", "euler_cfg_pp", "dpmpp_2m_sde_heun"])
def test_what_the_laboratory_has_not_is_said(name):
    assert everyday(name) is None
    assert "no counterpart" in unknown_solver(name, ["x"])


@pytest.mark.parametrize("name", ["", "karras", "huen", "eulerr", "K", "gpu"])
def test_other_names_are_none_of_them(name):
    assert everyday(name) is None
    assert unknown_solver("huen", ["heun"]).startswith(
        "Unknown solver 'huen'. Did you mean 'heun'? Valid"
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda name: sdlab.course(name, 4),
        lambda name: sdlab.bench.errors([name], steps=[4]),
        lambda name: sdlab.check_solver(name),
        lambda name: sdlab.as_diffusers_scheduler(name),
        lambda name: sdlab.lint(name, 4),
    ],
)
def test_every_place_that_takes_a_solver_says_so(ask):
    with pytest.raises(ValueError, match="solver 'dpmpp_2m' with curve 'karras'.* Valid: "):
        ask("DPM++ 2M Karras")


def test_the_preset_is_made_of_the_same_table():
    found = {
        entrant.label: (entrant.solver, entrant.curve)
        for entrant in preset("what SD web UIs offer")
    }
    assert len(found) == 18
    assert found["DPM++ 2M Karras"] == ("dpmpp_2m", "karras")
    assert found["DDIM"] == ("ddim", "linspace")


ENDS = json.loads((Path(__file__).parent / "data" / "k_diffusion.json").read_text())
TRAINED = np.sqrt(1 / np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2) - 1)
"""Stable Diffusion's noise levels; the curves over them are written as in k-diffusion."""
K_CURVES = {
    "karras": lambda low, high, n: np.linspace(high ** (1 / 7), low ** (1 / 7), n) ** 7,
    "exponential": lambda low, high, n: np.exp(np.linspace(np.log(high), np.log(low), n)),
    "linspace": lambda low, high, n: np.exp(
        np.interp(np.linspace(999, 0, n), np.arange(1000), np.log(TRAINED))
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_k_diffusions_noise_levels_and_ends_where_it_does(name):
    found = NAMES[name]
    course = sdlab.course(found.solver, 10, curve=found.curve, options=found.options)
    if found.curve not in K_CURVES:
        assert name in ("DDIM", "PLMS", "UniPC", "LCM") and len(course.sigmas) >= 10
        return
    theirs = K_CURVES[found.curve](TRAINED[0], TRAINED[-1], 10)
    ours = course.table().groupby("step")["sigma"].first()[:10]
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)  # the schedule's betas are float32
    if (key := f"{found.solver} {found.curve} 10") in ENDS:
        options = {**found.options, **parity.K_DIFFUSION[found.solver][1]}
        sigmas = (*theirs.tolist(), 0.0)
        end, _ = solvers()[found.solver].solve(
            parity.start() * sigmas[0], sigmas, parity.noise(), parity.mixture().denoise, options
        )
        expected = torch.tensor(ENDS[key], dtype=torch.float64)
        torch.testing.assert_close(end.flatten(), expected, rtol=0, atol=1e-4)


def test_an_experiment_and_an_entrant_take_a_name_as_what_it_means():
    meant = sdlab.Experiment(solver="dpmpp_2m", curve="karras")
    assert sdlab.Experiment(solver="DPM++ 2M Karras") == meant
    assert sdlab.Experiment(solver="DDIM").id == sdlab.Experiment().id
    assert sdlab.Experiment(solver="Euler a", curve="karras").curve == "karras"
    unipc = sdlab.Experiment(solver="UniPC", solver_options={"order": 2})
    assert dict(unipc.solver_options) == {"order": 2, "variant": "bh1"}
    with pytest.raises(ValueError, match="with curve 'karras', got curve 'beta'; name the solver"):
        sdlab.Experiment(solver="DPM++ 2M Karras", curve="beta")
    named = sdlab.Entrant("DPM++ 2M Karras")
    assert named == sdlab.Entrant("dpmpp_2m", "karras", label="DPM++ 2M Karras")
    assert sdlab.Entrant("Euler a", "karras").label == "euler_ancestral, karras"


def test_a_grid_takes_names_whatever_the_curve_of_the_others():
    base = sdlab.Experiment(curve="beta", curve_options={"alpha": 0.5})
    grid = sdlab.Grid(base, {"sampler": "DPM++ 2M Karras, DDIM, heun"})
    made = [(e.solver, e.curve, dict(e.curve_options)) for e in grid.experiments]
    own = {"alpha": 0.5}
    assert made == [("dpmpp_2m", "karras", {}), ("ddim", "beta", own), ("heun", "beta", own)]
    assert [cell.labels for cell in grid.cells] == [("DPM++ 2M Karras",), ("DDIM",), ("heun",)]
    both = sdlab.Grid(base, {"curve": "exponential, beta", "sampler": "DPM++ 2M Karras"})
    assert [e.curve for e in both.experiments] == ["exponential", "beta"]


def test_no_solver_may_be_called_as_web_uis_call_another():
    with pytest.raises(ValueError, match="'DDIM' is what web UIs call 'ddim'; choose another"):
        register("DDIM")


def test_a_heading_has_both_names():
    assert titled("dpmpp_2m") == "DPM++ 2M (dpmpp_2m)"
    assert titled("euler_ancestral") == "Euler a (euler_ancestral)"
    assert titled("heun") == "heun"
    assert titled("DDIMScheduler") == "DDIMScheduler"  # no name of a web UI means it


def test_rows_of_lists_have_both_names():
    assert titled_row("dpmpp_2m + karras") == "DPM++ 2M Karras (dpmpp_2m + karras)"
    assert titled_row("dpmpp_2m") == "DPM++ 2M (dpmpp_2m)"
    for same in ("heun", "heun + karras", "DPM++ 2M Karras", "dpmpp_2m {order=1} + karras"):
        assert titled_row(same) == same
