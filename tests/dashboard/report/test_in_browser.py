"""Reports in a real browser without a network: nothing is asked for, every chart is drawn."""

import pytest

from dashboard.report import making
from tests.dashboard.report.conftest import HOSTILE

DRAWN = "[...document.querySelectorAll('.chart')].every(chart => chart.dataset.state)"
STATES = "[...document.querySelectorAll('.chart')].map(chart => chart.dataset.state)"


@pytest.fixture
def offline(browser, tmp_path):
    """Opens a report without a network; what it asks for and complains of is in two lists."""
    context = browser.new_context(offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)

    def opened(data):
        path = tmp_path / "report.html"
        path.write_bytes(data)
        page.goto(path.as_uri())
        page.wait_for_function(DRAWN)
        return page

    yield opened, asked, said
    context.close()


@pytest.mark.parametrize(
    ("kind", "charts"),
    [
        ("run", 11),
        pytest.param("comparison", 6, marks=pytest.mark.every),
        pytest.param("sweep", 1, marks=pytest.mark.every),
    ],
)
def test_nothing_is_asked_for_and_every_chart_is_drawn(store, offline, kind, charts):
    root, ids = store
    opened, asked, said = offline
    page = opened(making.report(root, [ids[kind]]))
    states = page.evaluate(STATES)
    assert set(states) == {"drawn"} and len(states) >= charts
    marks = page.locator(".chart svg .mark-symbol path, .chart svg .mark-rect path")
    assert marks.count() > charts
    assert {url for url in asked if not url.startswith("data:")} == {page.url}
    assert not said
    if kind == "run":
        assert page.locator("h1").text_content() == HOSTILE and page.title() == HOSTILE
        page.locator(".chart svg").first.hover()
        tip = page.locator("#vg-tooltip-element.visible")
        tip.wait_for()
        assert "noise level" in tip.text_content() and not said
