"""A line of the bench that bends is explained where lint knows why."""

import numpy as np
import pandas as pd

from dashboard.views.solver_bench.bent import bent, finding, worse
from dashboard.widgets.sampler_rows import parse_row


def line(name, errors):
    return pd.DataFrame({"solver": name, "num_steps": [10, 20, 40, 80], "error": errors})


def test_a_line_is_bent_if_its_slopes_differ():
    straight = 3.0 / np.array([10, 20, 40, 80]) ** 2
    flat = np.maximum(straight, straight[2])
    errors = pd.concat([line("straight", straight), line("flat", flat), line("exact", 0.0)])
    assert bent(errors) == ["flat"]


def test_lint_says_why_a_line_bends():
    said = finding(parse_row("DDIMScheduler + linspace"), 20)
    assert said.startswith("Steps end at another timestep than the next evaluation's. DDIM and")
    assert said.endswith("(spacing-mismatch)")
    assert finding(parse_row("heun + karras"), 20) == ""


def test_a_line_that_rises_is_said_to_get_worse():
    errors = pd.concat(
        [line("falls", [0.4, 0.2, 0.1, 0.05]), line("rises", [0.4, 0.2, 0.3, 0.5])],
        ignore_index=True,
    )
    assert worse(errors) == {
        "rises": "gets worse with more steps: error 0.2 with 20, 0.5 with 80",
    }
