"""What is said of the noise levels that a chart shows."""

import pandas as pd

from dashboard.views.noise_schedules.seen import span


def levels(**series: list[float]) -> pd.DataFrame:
    return pd.DataFrame([(name, s) for name, row in series.items() for s in row],
                        columns=["series", "sigma"])  # fmt: skip


def test_where_samplers_start_and_what_is_last_above_0():
    both = levels(a=[14.61, 1.0, 0.0292, 0.0], b=[8.39, 0.5, 0.0412, 0.0])
    assert (
        span(both)
        == "They start at sigma 8.39 to 14.6; the last noise above 0 is 0.0292 to 0.0412."
    )
    assert "at sigma infinity;" in span(levels(flow=[float("inf"), 1.0, 0.0]))
    assert span(levels(a=[2.0, 1.0])) == "They start at sigma 2; the last noise above 0 is 1."
