"""Comparisons are one row of the Runs page, and ticks hold over searches."""

import json
import shutil

import pytest

from dashboard.views.runs import rows as page_rows
from dashboard.views.runs import table, ticked
from sdlab.runs.index import RunIndex
from sdlab.runs.parts import COMPARISONS
from sdlab.runs.search import Search
from tests.dashboard.views.runs.reading import read_captions, rows


@pytest.fixture
def comparison(made, runs_folder):
    """A stored comparison of two of the three runs."""
    folder = runs_folder / COMPARISONS / ("c" * 16)
    folder.mkdir(parents=True)
    spec = {"entrants": [{"solver": "heun"}, {"solver": "ddim"}], "prompts": ["a boat at night"]}
    told = {"format": 1, "runs": [made[1001], made[1002]], "comparison": spec}
    (folder / "manifest.json").write_text(json.dumps(told))
    yield folder.name
    shutil.rmtree(folder)


BOATS = {"runs.text": "boat night", "runs.order": "Seed"}


def test_a_comparison_is_one_row_that_opens(open_page, made, comparison):
    at = open_page("runs", **BOATS)
    assert rows(at) == [made[1003], comparison]
    fold = at.dataframe[0].value.iloc[1]
    assert (fold["parts"], fold["prompt"]) == (
        ":material/chevron_right: 2 runs",
        "heun, ddim: a boat at night",
    )
    assert "2 of them are parts of 1 comparison or sweep, one row" in read_captions(at)
    at = open_page("runs", open=comparison, **BOATS)
    assert rows(at) == [made[1003], comparison, made[1002], made[1001]]
    prompts = at.dataframe[0].value["prompt"].tolist()
    assert prompts[0] == "a boat at night" and prompts[2] == "└ a boat at night"


def test_the_button_of_a_comparison_opens_and_folds_it(monkeypatch, made, comparison, runs_folder):
    index, address = RunIndex(runs_folder), {}
    index.refresh()
    monkeypatch.setattr(page_rows, "given", lambda name: address.get(name, ""))
    monkeypatch.setattr(page_rows, "keep", address.__setitem__)
    listed = page_rows.Listed(Search(text="boat night", order="seed"), True, 50)
    state = {table._SHOWN: ("key", listed.rows(index)), table._TURNED: {"row": 1}}
    monkeypatch.setattr(table.st, "session_state", state)
    table._turn()
    assert address == {"open": comparison} and listed.row_count(index, 3) == 4
    table._turn()
    assert address == {"open": ""} and listed.row_count(index, 3) == 2
    state[table._TURNED] = {"row": 0}  # a run, which has no button
    table._turn()
    assert address == {"open": ""}


def test_parts_can_be_left_out_or_shown(open_page, made, comparison):
    at = open_page("runs", **BOATS, **{"runs.comparison": "Leave out"})
    assert rows(at) == [
        made[1003]
    ] and "2 more are parts of 1 comparison or sweep;" in read_captions(at)
    at = open_page("runs", **BOATS, **{"runs.comparison": "Show"})
    assert rows(at) == [made[1003], made[1002], made[1001]]


def test_only_parts_that_the_search_finds_are_counted(open_page, made, comparison):
    at = open_page("runs", **{"runs.text": "boat night heun"})
    assert rows(at) == [comparison] and "1 of them are parts of 1 comparison" in read_captions(at)
    assert at.dataframe[0].value["parts"].tolist() == [":material/chevron_right: 1 run"]
    at.text_input(key="runs.text").set_value("no such words").run()
    assert "parts of" not in read_captions(at)


def ticked_page(open_page, rows, **fields):
    at = open_page("runs", **BOATS, **fields)
    at.session_state["runs.ticked"], at.session_state["runs.revision"] = rows, 1
    return at.run()


def of(at):
    return next(text.value for text in at.text if "ticked" in text.value)


@pytest.mark.parametrize("look", ["Table", "Gallery"])
def test_ticks_hold_in_table_and_gallery_and_over_searches(open_page, made, look):
    at = ticked_page(open_page, {made[1001]: (made[1001],)}, **{"runs.look": look})
    assert of(at) == "1 ticked" and not at.button(key="runs.open").disabled
    other = "Gallery" if look == "Table" else "Table"
    at.segmented_control(key="runs.look").set_value(other).run()
    assert of(at) == "1 ticked"
    at.text_input(key="runs.text").set_value("boat heun").run()
    assert of(at) == "1 ticked, 1 not shown here" and not at.exception
    assert "1 of them are not shown here." in [text.value for text in at.text]
    at.button(key="runs.untick").click().run()
    assert of(at) == "0 ticked" and at.button(key="runs.open").disabled


def test_a_ticked_comparison_stands_for_its_runs(open_page, made, comparison):
    pair = (made[1002], made[1001])
    at = ticked_page(open_page, {f"comparison {comparison}": pair})
    assert of(at) == "2 ticked" and not at.button(key="runs.open").disabled
    links = [link.proto.url for link in at.get("link_button")]
    assert any(url.endswith(f"report.html?id={comparison}") for url in links)
    at.button(key="runs.compare").click().run()
    differs = at.dataframe[0].value.set_index("setting")
    assert not at.exception and "solver" in differs.index


def test_rows_are_ticked_and_unticked(monkeypatch, made, comparison, runs_folder):
    index, state = RunIndex(runs_folder), {}
    index.refresh()
    monkeypatch.setattr(ticked.st, "session_state", state)
    search = Search(text="boat night", order="seed")
    listed = index.folded(search).assign(row=[made[1003], f"comparison {comparison}"])
    ticked.tick(listed, listed["row"].tolist(), index, search)
    assert ticked.ticked_runs(index, listed)["run"].tolist() == [made[1003], made[1002], made[1001]]
    assert ticked.ticked_comparison() == "" and ticked.not_shown(listed.iloc[:1]) == 2
    ticked.tick(listed.iloc[:1], [], index, search)  # the other row is on another page
    assert ticked.ticked_comparison() == comparison and ticked.is_ticked(listed).tolist() == [0, 1]
