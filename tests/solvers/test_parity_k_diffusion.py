"""Own solvers against k-diffusion's functions, in float64, on a mixture of Gaussians.

k-diffusion's ends are stored in tests/data/k_diffusion.json; make_k_diffusion.py made them.
"""

import json
from pathlib import Path

import pytest
import torch

from sdlab.solvers.registry import solvers
from tests.solvers import parity

ENDS = json.loads((Path(__file__).parents[1] / "data" / "k_diffusion.json").read_text())


@pytest.mark.parametrize("num_steps", parity.STEPS)
@pytest.mark.parametrize("curve", parity.CURVES)
@pytest.mark.parametrize("name", parity.K_DIFFUSION)
def test_ends_where_k_diffusion_ends(name, curve, num_steps):
    _, options, _ = parity.K_DIFFUSION[name]
    sigmas = parity.sigmas_of(curve, num_steps)
    x = parity.start() * sigmas[0]
    end, _ = solvers()[name].solve(x, sigmas, parity.noise(), parity.mixture().denoise, options)
    theirs = torch.tensor(ENDS[f"{name} {curve} {num_steps}"], dtype=torch.float64)
    scale = float(theirs.abs().max())
    torch.testing.assert_close(end.flatten(), theirs, rtol=0, atol=1e-8 * scale)


def test_every_solver_with_figures_of_k_diffusion_is_compared():
    """Its figures are added by make_k_diffusion.py; a solver that it has not needs none."""
    figures = {key.split()[0] for key in ENDS}
    assert set(parity.K_DIFFUSION) == figures <= set(solvers())
    assert len(figures) == 12
