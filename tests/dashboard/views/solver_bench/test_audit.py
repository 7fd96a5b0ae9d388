"""The Audit tab of the Solver bench page."""

import pytest

from sdlab.auditing.known import COLUMNS
from tests.auditing import samplers

AUDITED = "bench.audited"


def known(at):
    (table,) = [frame.value for frame in at.dataframe if "equals" in frame.value]
    return table


def test_known_samplers_are_listed_and_a_link_opens_an_audit(open_page):
    at = open_page("solver_bench", **{"bench.steps": ["8", "16"], AUDITED: "heun"})
    assert not at.exception and not at.error
    table = known(at)
    assert list(table.columns) == list(COLUMNS)
    assert {"heun", "HeunDiscreteScheduler", "ComfyUI's heunpp2"} <= set(table["sampler"])
    assert at.selectbox(key=AUDITED).value == "heun"
    (page,) = [m.value for m in at.markdown if "##### Over sigma" in m.value]
    assert "Order 2.06 (95 %: 2.01 to 2.10)" in page and "HeunDiscreteScheduler" in page
    assert any("SDLAB_ALLOW_CODE" in c.value for c in at.caption)


def test_nobody_is_audited_unasked(open_page):
    at = open_page("solver_bench", **{"bench.steps": ["8", "16"]})
    assert at.selectbox(key=AUDITED).value == "Nobody yet"
    assert not [m for m in at.markdown if "##### Over sigma" in m.value]


@pytest.mark.every
def test_typed_code_is_audited_where_the_operator_allows_it(open_page, monkeypatch):
    monkeypatch.setenv("SDLAB_ALLOW_CODE", "1")
    at = open_page("solver_bench", **{"bench.steps": ["8", "16"]})
    with open(samplers.__file__) as file:
        text = file.read()
    only = text[: text.index("def sample_heun")]
    at.text_area(key="bench.audit_code").set_value(only)
    at.button(key="bench.audit_go").click().run()
    (page,) = [m.value for m in at.markdown if "##### Over sigma" in m.value]
    assert "Order 1.00" in page
    at.text_area(key="bench.audit_code").set_value("1 / 0")
    at.button(key="bench.audit_go").click().run()
    assert any("ZeroDivisionError" in error.value for error in at.error)
