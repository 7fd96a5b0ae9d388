"""Where ComfyUI's samplers end on a Gaussian without noise, and where ours do.

Its figures, float64, are in ``tests/data/comfyui_ends.json``: 21 names, each over karras' ten steps
from 14.6 to 0.029 and over nine and a last one to 0. What is apart is shown to be one thing alone.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from sdlab.noise import curves
from sdlab.solvers.builtin import er_sde as er_sde_file
from sdlab.solvers.builtin.ipndm_v import stride_weights
from sdlab.solvers.builtin.lms import adams_weights
from sdlab.solvers.randomness import Noise, Silence
from sdlab.solvers.registry import solvers
from tests.solvers import parity
from tests.solvers.vp_time import density, place

MEAN = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64)
STD = torch.tensor([0.5, 1.5, 0.2], dtype=torch.float64)
ROWS = json.loads((Path(__file__).parents[1] / "data" / "comfyui_ends.json").read_text())["rows"]

# ComfyUI's name -> our solver, and its options for no noise.
SAME = {
    "euler": ("euler", {}),
    "heun": ("heun", {}),
    "heunpp2": ("heunpp2", {}),
    "dpm_2": ("dpm_2", {}),
    "dpmpp_2s_ancestral": ("dpmpp_2s_ancestral", {"eta": 0.0}),
    "dpmpp_sde": ("dpmpp_sde", {"eta": 0.0}),
    "dpmpp_2m": ("dpmpp_2m", {}),
    "dpmpp_2m_sde": ("dpmpp_2m_sde", {"eta": 0.0}),
    "dpmpp_2m_sde_heun": ("res_multistep", {}),
    "dpmpp_3m_sde": ("dpmpp_3m_sde", {"eta": 0.0}),
    "ipndm": ("ipndm", {}),
    "ipndm_v": ("ipndm_v", {}),
    "res_multistep": ("res_multistep", {}),
    "gradient_estimation": ("gradient_estimation", {}),
    "seeds_2": ("seeds_2", {"eta": 0.0}),
    "seeds_3": ("seeds_3", {"eta": 0.0}),
}
APART = {
    "lms": ("lms", {}),
    "deis": ("deis", {}),
    "er_sde": ("er_sde", {"scale": "ode"}),
    "sa_solver": ("sa_solver", {"tau": 0.0}),
    "sa_solver_pece": ("sa_solver_pece", {"tau": 0.0}),
}


def denoise(x, sigma):
    """E[x0 | x0 + sigma n] of the Gaussian, in closed form."""
    return MEAN + STD**2 / (STD**2 + sigma**2) * (x - MEAN)


def rows(*names):
    found = [row for row in ROWS if row["sampler"] in names]
    assert len(found) == 2 * len(names)
    return [pytest.param(r, id=f"{r['sampler']} to {r['sigmas'][-1]:.3g}") for r in found]


def row(name, *, to_zero):
    found = (r for r in ROWS if r["sampler"] == name and (r["sigmas"][-1] == 0) == to_zero)
    return next(found)


def ended(row, sigmas=None):
    """Our end and evaluations, from the row's start."""
    name, options = {**SAME, **APART}[row["sampler"]]
    start = torch.tensor(row["start"], dtype=torch.float64)
    sigmas = tuple(sigmas or row["sigmas"])
    return solvers()[name].solve(start, sigmas, Silence(), denoise, options)


def theirs(row):
    return torch.tensor(row["end"], dtype=torch.float64)


def test_every_name_is_here():
    assert {r["sampler"] for r in ROWS} == {*SAME, *APART} and len(SAME) + len(APART) == 21


@pytest.mark.parametrize("row", rows(*SAME))
def test_a_solver_ends_where_comfyui_does(row):
    end, asked = ended(row)
    assert len(asked) == row["nfe"]
    torch.testing.assert_close(end, theirs(row), rtol=0, atol=1e-12)


@pytest.mark.parametrize("row", rows(*APART))
def test_the_others_ask_as_often(row):
    assert len(ended(row)[1]) == row["nfe"]


def test_lms_parts_in_a_last_step_to_zero_alone():
    end, _ = ended(row("lms", to_zero=False))
    torch.testing.assert_close(end, theirs(row("lms", to_zero=False)), rtol=0, atol=1e-12)
    last = row("lms", to_zero=True)
    end, asked = ended(last, last["sigmas"][:-1])
    x0_pred = denoise(end, last["sigmas"][-2])  # what theirs gives
    torch.testing.assert_close(x0_pred, theirs(last), rtol=0, atol=1e-12)


@pytest.mark.parametrize("row", rows("deis"))
def test_deis_parts_in_the_time_of_its_polynomial(row):
    """Theirs is the time of a VP process from sigma 0.002 to 80, and its weights sums of 10,000."""
    x, before = torch.tensor(row["start"], dtype=torch.float64), []
    for sigma, after in pairwise(row["sigmas"]):
        x0_pred = denoise(x, sigma)
        before = [(place(sigma), (x - x0_pred) / sigma), *before][:3]
        if after == 0:
            x = x0_pred
            break
        weights = adams_weights([p for p, _ in before], place(sigma), place(after), density)
        x = x + sum(weight * slope for weight, (_, slope) in zip(weights, before, strict=True))
    torch.testing.assert_close(x, theirs(row), rtol=0, atol=1e-5)
    assert (ended(row)[0] - theirs(row)).abs().max() > 1e-2


@pytest.mark.parametrize("row", rows("er_sde"))
def test_er_sde_parts_by_sums_of_200_rectangles(row, monkeypatch):
    def rectangles(scale, sigma, sigma_next):
        step = (sigma - sigma_next) / 200
        levels = sigma_next + np.arange(200, dtype=np.float32) * step
        density = step / er_sde_file.SCALES[scale](levels)
        return float(density.sum()), float(density @ (levels - sigma))

    assert 1e-4 < (ended(row)[0] - theirs(row)).abs().max() < 1e-3
    monkeypatch.setattr(er_sde_file, "forgetting_integrals", rectangles)
    torch.testing.assert_close(ended(row)[0], theirs(row), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["sa_solver", "sa_solver_pece"])
def test_sa_solver_is_theirs_to_zero_and_elsewhere_they_return_a_step_too_soon(name):
    """Theirs returns the corrected point of the last evaluation, not where its last step leads."""
    to_zero = row(name, to_zero=True)
    torch.testing.assert_close(ended(to_zero)[0], theirs(to_zero), rtol=0, atol=1e-12)
    other = row(name, to_zero=False)
    almost = other["sigmas"][-2] * (1 - 1e-12)
    end, _ = ended(other, [*other["sigmas"][:-1], almost])
    torch.testing.assert_close(end, theirs(other), rtol=0, atol=1e-10)
    assert (ended(other)[0] - theirs(other)).abs().max() > 1e-2


def test_ipndm_v_is_adams_bashforth_but_for_three_slips():
    """Put right, its weights are the integrals of Lagrange's polynomials."""
    strides = [-0.5, -0.9, -1.4, -2.3]
    nodes = np.cumsum([0.0, *(-s for s in strides[1:])]).tolist()
    for count in (1, 2):
        exact = np.array(adams_weights(nodes[:count], 0.0, strides[0])) / strides[0]
        np.testing.assert_allclose(stride_weights(strides[:count]), exact, rtol=1e-12)
    slipped = np.array(stride_weights(strides))
    h, h_1, h_2, h_3 = strides
    a, q = h_1 / h_2, h_1 * (h_1 + h_2) / (h_2 * (h_2 + h_3))
    r, s = h / (3 * (h + h_1)), h * (h + h_1) / (h_1 * (h_1 + h_2))
    third = np.array([1, -1 - a, a, 0])
    u = -slipped[3] / (q * a)
    wide = s * (h + h_1 + h_2) / (h_1 + h_2 + h_3)
    right = u - 2 * wide * (1 - 1.5 * r) * h / (6 * (h + h_1 + h_2))
    mended = slipped - (slipped.sum() - 1) * np.array([0, 0, 0, 1])  # the weights add up to 1
    fourth = np.array([1, -1 - a - q, a + q * (1 + h_2 / h_3), -q * h_2 / h_3])
    mended = mended + (right - u) * fourth + ((1 - r) * s - (1 - r * s)) / 2 * third
    exact = np.array(adams_weights(nodes, 0.0, h)) / h
    np.testing.assert_allclose(mended, exact, rtol=1e-12)
    assert abs(slipped.sum() - 1) > 1e-3 and abs(slipped - exact).max() > 1e-2


def test_order_of_ipndm_v_over_karras():
    """Second, and further off than the weights that ignore the strides."""

    def error(name, num_steps):
        sigmas = tuple(curves.karras(num_steps + 1, 0.1, 10.0)[:-1].tolist())
        x = torch.tensor([10.0, -5.0, 2.5], dtype=torch.float64)
        end, _ = solvers()[name].solve(x, sigmas, Silence(), denoise)
        exact = MEAN + (x - MEAN) * ((STD**2 + 0.01) / (STD**2 + 100.0)).sqrt()
        return float((end - exact).norm())

    coarse, fine = error("ipndm_v", 512), error("ipndm_v", 1024)
    assert np.log2(coarse / fine) == pytest.approx(2, abs=0.15)
    assert fine > 2 * error("ipndm", 1024) and fine > 10 * error("lms", 1024)


def test_seeds_2_is_dpmpp_sde_on_the_same_path():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    ends = []
    for name in ("seeds_2", "dpmpp_sde"):
        noise = Noise(torch.Generator().manual_seed(3))
        x = parity.start() * 14.6
        ends.append(solvers()[name].solve(x, sigmas, noise, parity.mixture().denoise)[0])
    torch.testing.assert_close(*ends, rtol=0, atol=1e-10)
