"""The chart panel of runs too long for a chart, and of one without statistics."""

from streamlit.testing.v1 import AppTest

from tests.dashboard.forms import open_tab


def _panel(n):
    from dashboard.views.run.charts import chart_panel
    from tests.dashboard.tables import channels_table, steps_table

    chart_panel(steps_table(n), channels_table(n), "heun")


def test_a_long_run_is_drawn_thinned():
    at = AppTest.from_function(_panel, args=(1279,), default_timeout=240).run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 3
    assert [c.value for c in at.caption] == [
        "One evaluation in 2 is drawn; the tables below have all of them."
    ]


def test_a_short_run_is_drawn_whole():
    at = AppTest.from_function(_panel, args=(25,), default_timeout=240).run()
    assert not at.caption
    drawn = {"Noise and time": 3, "Latents": 3, "Guidance": 3, "Path": 2}
    assert {name: len(open_tab(at, name).get("vega_lite_chart")) for name in drawn} == drawn


def _bare():
    from dashboard.views.run.charts import chart_panel
    from tests.dashboard.tables import channels_table, steps_table

    chart_panel(steps_table(25, guided=False), channels_table(25).head(0), "heun")


def test_without_statistics_only_noise_and_time_are_drawn():
    from dashboard.views.run.charts import NO_STATISTICS

    at = AppTest.from_function(_bare, default_timeout=240).run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 3
    assert [c.value for c in at.caption] == [NO_STATISTICS]  # nothing of guidance that is off
