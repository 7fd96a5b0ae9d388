"""What the Sweep page says of the best cell."""

from pathlib import Path

import pandas as pd
import pytest

from dashboard.views.sweep.figures import MOST, best_in_words
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep
from sdlab.sweeping.result import SweepResult


def result(fidelity, seeds):
    sweep = Sweep(Experiment(prompt="a car"), {"num_steps": "1, 2, 3", "seed": seeds})
    rows = [{"run": c.experiment.id, "num_steps": c.values[0], "seed": c.values[1]}
            for c in sweep.cells]  # fmt: skip
    table = pd.DataFrame(rows).assign(state="done", fidelity=fidelity, error="")
    return SweepResult(sweep, table, Path())


def test_equal_cells_of_one_run_are_counted():
    said = best_in_words(result([0.5, 1.0, 1.0], "0"), "fidelity", MOST, ["seed"])
    assert said.startswith("**fidelity (0 to 1): most with steps 2**, 1, as have 1 of 2 others. ")
    assert "nothing is known of luck" in said
    alone = best_in_words(result([0.5, 0.7, 1.0], "0"), "fidelity", MOST, ["seed"])
    assert "most with steps 3**, 1. One run" in alone


def test_cells_whose_intervals_overlap_are_counted():
    values = [0.1, 0.5, 0.52, 0.12, 0.54, 0.56]
    said = best_in_words(result(values, "0, 1"), "fidelity", MOST, ["seed"])
    assert "most with steps 3**, 0.54 (95 % interval" in said
    assert said.endswith("1 of 2 others overlap with it, so these may be as good.")


def test_a_measure_that_no_run_has_is_refused():
    with pytest.raises(ValueError, match="No run of this sweep has the measure"):
        best_in_words(result([None] * 3, "0"), "fidelity", MOST, ["seed"])
