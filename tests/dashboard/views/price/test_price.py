"""The Price of a speed-up page measures what the library measures, and says what it leaves out."""

import pandas as pd
import pytest

from dashboard.charts import price as charts
from sdlab.pricing.columns import PRICES
from tests.dashboard.conftest import read, run_until

SHORT = {"price.steps": "4", "price.pictures": "2", "price.cfg": "1"}


def test_it_opens_with_what_it_would_take(open_page):
    at = open_page("price", **SHORT, **{"price.speedups": ["autocast", "TaylorSeer"]})
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    assert any("2 speed-ups on 2 pictures" in m.value for m in at.markdown)


@pytest.mark.every
def test_it_measures_and_says_what_was_left_out(open_page):
    at = open_page("price", **SHORT, **{"price.speedups": ["autocast", "TaylorSeer"]})
    assert not at.exception and not at.error, [read(e) for e in (*at.exception, *at.error)]
    assert any("2 speed-ups on 2 pictures" in m.value for m in at.markdown)
    next(b for b in at.button if b.label == "Measure").click().run()
    at = run_until(at, lambda at: at.metric)
    assert not at.exception and not at.error
    said = [m.value for m in at.markdown]
    assert any(s.startswith("- autocast changes the picture by") for s in said)
    assert any(s.startswith("- TaylorSeer was left out") for s in said)
    assert len(at.get("vega_lite_chart")) == 2
    assert list(at.dataframe[0].value["speedup"]) == ["autocast"]
    at.multiselect(key="price.speedups").set_value([]).run()
    assert any("Choose a speed-up" in i.value for i in at.info) and not at.exception


def test_the_chart_keeps_wide_intervals_inside():
    row = dict.fromkeys(PRICES, 1.0) | {"speedup": "a", "verdict": "worth it"}
    row |= {"good_as": 18.0, "quick_as": 12.0, "quick_as_high": 900.0}
    spec = charts.worth(pd.DataFrame([row]), 20).to_dict()
    values = [rows for rows in spec["datasets"].values() if "quick_as_high" in rows[0]]
    assert values[0][0]["quick_as_high"] == 26 and values[0][0]["good_as"] == 18
    with pytest.raises(ValueError, match="verdict"):
        charts.worth(pd.DataFrame([row]).drop(columns="verdict"), 20)


def test_the_ladder_has_a_line_a_seed():
    table = pd.DataFrame({"seed": ["0", "0"], "num_steps": [2, 4], "error": [1.0, 0.1]})
    assert charts.ladder(table).to_dict()["title"]["text"] == "The plain sampler"
