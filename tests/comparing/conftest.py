"""A comparison, a mixture of Gaussians and a result that was measured on it."""

import pytest

from sdlab.bench import problem
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.exact import EXACT_MODEL, exact_runs
from sdlab.comparing.summary import summarise


def comparison(*names, **fields):
    """A comparison of samplers by name, small."""
    fields = {"prompts": ["data"], "seeds": range(6), "budget": 32, **fields}
    return Comparison([Entrant(name) for name in names], **fields)


@pytest.fixture(scope="session")
def mixture():
    """Six soft patterns with an exact denoiser, [4, 8, 8]."""
    return problem("mixture_image").denoiser


@pytest.fixture(scope="session")
def measured(mixture):
    """A comparison on the mixture with several budgets: its runs and its result."""
    spec = comparison(
        *("euler", "heun", "dpmpp_2m", "euler_ancestral"),
        more_budgets=(16, 64, 128),
        reference_steps=600,
    )
    runs = exact_runs(spec, mixture)
    return runs, summarise(spec, runs, EXACT_MODEL)
