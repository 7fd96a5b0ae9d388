"""The chart panel of runs too long for a chart, and of one without statistics."""

import pandas as pd
from streamlit.testing.v1 import AppTest

from dashboard.charts import seen_in_run as seen
from tests.dashboard.forms import open_tab


def _panel(n):
    from dashboard.views.run.charts import chart_panel
    from tests.dashboard.tables import channels_table, steps_table

    chart_panel(steps_table(n), channels_table(n), "heun")


def test_a_long_run_is_drawn_thinned():
    at = AppTest.from_function(_panel, args=(1279,), default_timeout=240).run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 3
    said = "One evaluation in 2 is drawn; the tables below have all of them."
    assert [c.value for c in at.caption].count(said) == 1


def test_a_short_run_is_drawn_whole():
    at = AppTest.from_function(_panel, args=(25,), default_timeout=240).run()
    drawn = {"Noise and time": 3, "Latents": 3, "Guidance": 3, "Path": 2}
    for name, count in drawn.items():
        opened = open_tab(at, name)
        assert len(opened.get("vega_lite_chart")) == count
        assert len(opened.caption) == 1 + count  # the first says what x0_pred and x_t are
        assert [fold.label for fold in opened.expander] == ["Why?"]


def test_what_is_said_of_noise_and_time_is_in_the_table():
    sigma, ms = pd.Series([14.61, 3.0, 0.0292]), pd.Series([12.0, 9.0, float("nan")])
    assert seen.noise_level(sigma) == "From sigma 14.6 to 0.0292."
    assert seen.noise_level(pd.Series([float("inf"), 3.0])) == "From noise alone to sigma 3."
    assert seen.pace(ms) == "10.5 ms each (median), 12 ms at most."
    slow = pd.Series([2481.0, 30_000.0, 2_000_000.0])
    assert seen.pace(slow) == "30 s each (median), 2,000 s at most."
    assert seen.duration(2481.0) == "2.48 s" and seen.duration(999.4) == "999 ms"
    assert seen.pace(ms[2:]) == "No time was kept."


def _bare():
    from dashboard.views.run.charts import chart_panel
    from tests.dashboard.tables import channels_table, steps_table

    chart_panel(steps_table(25, guided=False), channels_table(25).head(0), "heun")


def test_without_statistics_only_noise_and_time_are_drawn():
    from dashboard.charts.of_run import NO_GUIDANCE
    from dashboard.views.run.charts import NO_STATISTICS

    at = AppTest.from_function(_bare, default_timeout=240).run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 3
    said = [c.value for c in at.caption]
    assert said[3:] == [NO_STATISTICS] and NO_GUIDANCE not in said
