"""A schedule is fitted on the Noise schedules page, shown, and kept as a curve."""

import pandas as pd
import pytest

from dashboard.charts.fitted import schedules
from sdlab.runs.curves import curve_names, load_curve
from tests.dashboard.conftest import read, run_until


@pytest.mark.every
def test_it_is_fitted_and_kept(open_page):
    given = {
        "fit_steps": "2",
        "fit_cfg": "1",
        "fit_seeds": "1",
        "fit_held": "2",
        "fit_teacher": "3",
    }
    at = open_page("noise_schedules", **{f"schedules.{name}": x for name, x in given.items()})
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    next(b for b in at.button if b.label == "Fit").click().run()
    at = run_until(at, lambda at: any(b.label == "Save as a curve" for b in at.button))
    at.text_input(key="schedules.fit_name").set_value("two steps").run()
    next(b for b in at.button if b.label == "Save as a curve").click().run()
    assert any("two steps is saved" in s.value for s in at.success) and not at.exception
    assert "two steps" in curve_names() and load_curve("two steps").num_steps == 2


def test_the_chart_has_a_line_a_curve():
    table = pd.DataFrame({"curve": ["fitted", "karras"], "step": [0, 0], "sigma": [14.6, 14.6]})
    spec = schedules(table).to_dict()
    assert spec["layer"][0]["encoding"]["color"]["sort"] == ["fitted", "karras"]
    with pytest.raises(ValueError, match="sigma"):
        schedules(table.drop(columns="sigma"))
