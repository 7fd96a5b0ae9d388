"""The Compare page by AppTest: choose, refuse, run, fail, cancel, reopen, repeat."""

import json
import os
import shutil
from dataclasses import replace
from urllib.parse import parse_qs

import pandas as pd
import pytest

import sdlab
from dashboard.shell.lab import lab
from dashboard.views.compare import asked_comparisons as notes
from dashboard.views.compare.earlier import listed
from dashboard.views.compare.forecast import forecast
from dashboard.views.compare.result import _tile, is_of, made_at, opened, ranked
from dashboard.views.compare.run_states import queue_runner, states
from dashboard.views.compare.viewer import difference, signed
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.comparing.result import result_path
from sdlab.comparing.run import comparing
from sdlab.experiment.record import Record
from sdlab.solvers import registry
from sdlab.work import finish
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import errors
from tests.dashboard.views.compare.filled_in import GO, QUICK, go, headers, shown

# The page.


def test_says_before_what_it_takes_and_what_is_unfair(page):
    said = [read(caption) for caption in page.caption]
    assert any("**6 runs**, 2 for references" in text for text in said)
    assert any("of memory" in (caption.help or "") for caption in page.caption)
    assert any("over the curve **karras**" in text for text in said)
    page.multiselect(key="compare.samplers").set_value(["euler", "euler_ancestral"]).run()
    assert any("cannot be compared fairly: 1 sampler" in e.label for e in page.expander)


def test_a_curve_that_a_sampler_was_not_made_with_is_said_in_a_line(page):
    page.multiselect(key="compare.samplers").set_value(["ddim", "dpmpp_2m"]).run()
    said = [read(caption) for caption in page.caption]
    assert any("ddim over karras: not made with that curve" in t for t in said)
    assert any("can be compared fairly" in text for text in said)


def test_menus_and_addresses_name_samplers_as_the_field_does_and_as_we_do(open_page, page):
    options = page.multiselect(key="compare.samplers").options
    assert {"DPM++ 2M (dpmpp_2m)", "DPM++ 2M Karras (dpmpp_2m + karras)"} <= set(options)
    ours = {**QUICK, "compare.samplers": ["dpmpp_2m"]}
    theirs = {**QUICK, "compare.samplers": ["DPM++ 2M (dpmpp_2m)"]}
    for address in (ours, theirs):
        at = open_page("compare", **address)
        assert at.multiselect(key="compare.samplers").value == ["dpmpp_2m"] and not at.error


def test_without_a_reference_the_page_says_what_it_cannot(open_page):
    at = open_page("compare", **{**QUICK, "compare.reference": "0", "compare.more": ""})
    assert any("without a reference" in read(caption) for caption in at.caption)
    at = go(at)
    assert not at.exception and not at.error and not at.warning
    for section in ("Order of finish", "Each other", "Step by step", "Reference"):
        at.segmented_control(key="compare.section").set_value(section).run()
        assert not at.exception and not at.error, section
        assert any("made without a reference" in read(info) for info in at.info), section


def test_presets_choose(page):
    page.number_input(key="compare.budget").set_value(20).run()
    page.text_input(key="compare.more").set_value("").run()
    page.button(key="compare.preset_1").click().run()
    chosen = page.multiselect(key="compare.samplers").value
    assert "ddim" in chosen and len(chosen) > 3
    assert not page.exception and not page.error


def test_ten_evaluations_against_fifty_are_one_press(page):
    page.button(key="compare.few").click().run()
    assert page.number_input(key="compare.budget").value == 10
    assert page.text_input(key="compare.more").value == "50"
    (link,) = [one.proto for one in page.get("page_link") if "best at" in one.proto.label]
    assert link.label == "Which is best at 10 evaluations?" and "bench.at=10" in link.query_string
    assert (
        parse_qs(link.query_string)["bench.solvers"]
        == page.multiselect(key="compare.samplers").value
    )
    assert any("heun asks the network twice a step" in read(c) for c in page.caption)
    assert not page.exception and not page.error


def test_the_smallest_comparison_is_one_press(page):
    page.button(key="compare.two").click().run()
    assert page.multiselect(key="compare.samplers").value == ["ddim", "dpmpp_2m"]
    said = [read(caption) for caption in page.caption]
    assert any("**4 runs**, 2 for references" in text for text in said)
    assert not page.exception and not page.error


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("samplers", ["hoin"], "hoin"),
        ("samplers", ["ddim {eta=7}"], "eta"),
        ("seeds", "1-", "seeds are whole numbers"),
        ("more", "many", "more budgets are whole numbers"),
        ("prompts", " ", "prompts must hold at least one"),
        ("reference", "7", "reference_steps must be even"),
    ],
)
def test_what_is_not_valid_is_refused_in_words(open_page, name, value, said):
    at = open_page("compare", **{**QUICK, f"compare.{name}": value})
    assert not at.exception
    assert any(said in error for error in errors(at))
    assert at.button(key=GO).disabled


def test_an_unknown_word_in_the_address_is_told(open_page):
    at = open_page("compare", **{**QUICK, "compare.curve": "spaghetti"})
    assert any("spaghetti" in read(w) and "karras" in read(w) for w in at.warning)
    assert at.selectbox(key="compare.curve").value == "karras"


@pytest.mark.parametrize("comparison", ["0" * 16, "../x", "nothing"])
def test_an_unknown_comparison_is_told(open_page, comparison):
    at = open_page("compare", id=comparison)
    assert not at.exception and any("is stored here" in read(info) for info in at.info)


def test_runs_to_the_verdict_and_reopens_without_running(page, open_page, runs_folder):
    at = go(page)
    assert not at.exception and not at.error
    assert headers(at) == ["Measurements", "Two against each other", "Files and link"]
    one = shown(at)
    made, runs = made_at(runs_folder, one), sorted(p.name for p in runs_folder.iterdir())
    by_id = open_page("compare", id=one)
    assert "Measurements" in headers(by_id) and not by_id.exception
    assert not by_id.multiselect  # the form is closed, and follows when it is opened
    by_id.session_state[f"compare.form_{one}"] = True
    by_id.run()
    assert by_id.multiselect(key="compare.samplers").value == ["euler", "heun"]
    assert by_id.number_input(key="compare.budget").value == 3
    by_choice = open_page("compare", **QUICK)
    assert "Measurements" in headers(by_choice)
    by_choice.button(key="compare.leave").click().run()
    assert headers(by_choice) == ["Earlier comparisons"]
    plain = open_page("compare")
    assert headers(plain) == ["Earlier comparisons"]  # nothing asked for, nothing shown
    assert made_at(runs_folder, one) == made
    assert sorted(p.name for p in runs_folder.iterdir()) == runs
    assert one in set(listed(runs_folder)["id"])


def test_earlier_comparisons_are_judged_as_now_and_a_spoilt_one_is_named(page, tmp_path):
    one = shown(go(page))
    for name in (one, "0" * 16):
        shutil.copytree(result_path(lab().runs, one), result_path(tmp_path, name))
    old, spoilt = (result_path(tmp_path, name) for name in (one, "0" * 16))
    columns = ["a", "b", "ratio", "p", "pictures"]
    pd.read_parquet(old / "ties.parquet")[columns].to_parquet(old / "ties.parquet")
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(manifest | {"verdict": ["All are tied."]}))
    (spoilt / "manifest.json").write_text('{"comparison": 5}')
    told = listed(tmp_path).set_index("id")["verdict"]
    assert told[one] == opened(lab().runs, one, made_at(lab().runs, one)).verdict[0]
    assert told["0" * 16].startswith("cannot be read: ")


@pytest.mark.every
def test_a_damaged_result_is_told_and_made_anew(page, open_page, runs_folder):
    one = shown(go(page))
    table = result_path(runs_folder, one) / "cost.parquet"
    table.write_bytes(b"no parquet")
    os.utime(table.parent / "manifest.json")  # what is in memory is of another time
    at = open_page("compare", id=one)
    assert any("cost.parquet" in said for said in errors(at)) and "Measurements" not in headers(at)
    at.button(key="compare.anew").click().run()
    run_until(at, lambda a: "Measurements" in headers(a))
    assert not at.error and not at.exception


def test_every_section_draws_or_says_why_not(page):
    at = go(page)
    sections = at.segmented_control(key="compare.section").options
    assert len(sections) == 11
    for section in sections:
        at.segmented_control(key="compare.section").set_value(section).run()
        assert not at.exception and not at.error, section
        assert at.get("vega_lite_chart") or at.info or section == "Tables"
        tables = at.get("download_button")
        assert len(tables) % 2 == 0 and (tables or section == "Another model")  # none is stored yet


def test_a_sampler_that_falls_over_has_its_error_and_the_rest_finish(open_page):
    @sdlab.solver("falls", order=1)
    def falls(x, sigmas, noise):
        for number, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
            if number == 2 and x.shape[1] == 4:
                raise RuntimeError("the bridge is out")
            x = x + (sigma_next - sigma) * (x - (yield x, sigma)) / sigma
        return x

    try:
        at = go(open_page("compare", **{**QUICK, "compare.samplers": ["euler", "falls"]}))
        one = shown(at)
        found = opened(lab().runs, one, made_at(lab().runs, one))
        states = found.tables["runs"].query("budget == 3").set_index("entrant")
        assert states["state"].to_dict() == {"euler": "done", "falls": "failed"}
        assert "RuntimeError: the bridge is out" in states["error"]["falls"]
        assert any("not done: 1 failed" in read(w) for w in at.warning)
        assert any(b.key == "compare.rest" for b in at.button)
    finally:
        registry._SOLVERS.pop("falls")


@pytest.mark.every  # as the test below and the browser's
def test_cancel_keeps_what_is_done_and_shows_it(open_page, unhurried):
    at = open_page("compare", **{**QUICK, "compare.reference": "30", "compare.seeds": "5"})
    at.button(key=GO).click().run()
    run = shown(at)
    found = notes.asked(lab().runs, run)
    cells = [cell.experiment.id for cell in found.cells]

    def all_cells_done(a):
        at_hand = states(lab(), found)
        return all(at_hand[cell].state == "done" for cell in cells)

    run_until(at, all_cells_done)
    at.button(key="compare.cancel").click().run()
    unhurried()
    run_until(at, lambda a: "Measurements" in headers(a))
    assert any("nothing can be ranked yet" in read(i) for i in at.info)
    runs = opened(lab().runs, run, made_at(lab().runs, run)).tables["runs"]
    assert set(runs["state"]) == {"done"}
    assert any("References not done" in read(w) and "1 of 1" in read(w) for w in at.warning)
    at.button(key="compare.rest").click().run()
    run_until(at, lambda a: "Measurements" in headers(a))
    result = opened(lab().runs, run, made_at(lab().runs, run))
    assert not result.unreferenced and result.runs["distance"].notna().all()


@pytest.mark.every
def test_cancel_in_the_middle_of_a_samplers_run(open_page, unhurried):
    choices = {"compare.budget": "10", "compare.more": "", "compare.reference": "4"}
    at = open_page("compare", **{**QUICK, **choices, "compare.seeds": "7"})
    at.button(key=GO).click().run()
    run = shown(at)
    found = notes.asked(lab().runs, run)
    cells = [cell.experiment.id for cell in found.cells]

    def under_way(a):
        return any(states(lab(), found)[cell].evaluation > 3 for cell in cells)

    run_until(at, under_way)
    at.button(key="compare.cancel").click().run()
    unhurried()
    run_until(at, lambda a: "Measurements" in headers(a))
    assert any("not done: 2 cancelled" in read(w) for w in at.warning)
    at.button(key="compare.rest").click().run()
    run_until(at, lambda a: "Measurements" in headers(a))
    result = opened(lab().runs, run, made_at(lab().runs, run))
    assert set(result.runs["state"]) == {"done"} and not result.unreferenced


@pytest.mark.every
def test_what_is_left_by_the_click_itself_is_compared(open_page):
    at = open_page("compare", **{**QUICK, "compare.seeds": "8"})
    at.text_area(key="compare.prompts").set_value("a typed sun")
    one = shown(go(at))  # one rerun has both
    assert opened(lab().runs, one, made_at(lab().runs, one)).comparison.prompts == ("a typed sun",)


@pytest.mark.every
def test_the_forecast_counts_the_evaluations_that_are_made(open_page, model):
    samplers = ["heun", "HeunDiscreteScheduler", "EulerDiscreteScheduler"]
    choices = {"compare.samplers": samplers, "compare.more": ""}
    one = shown(go(open_page("compare", **{**QUICK, **choices})))
    found = opened(lab().runs, one, made_at(lab().runs, one))
    told = forecast(found.comparison.to_json(), model.name, model.hash, dict(model.config))
    assert told.evaluations == found.runs["nfe"].sum()
    assert len(told.sums) == len(found.comparison.entrants)
    for said, entrant in zip(told.sums, found.comparison.entrants, strict=True):
        nfe = int(found.runs.query("entrant == @entrant.label")["nfe"].iloc[0])
        assert said.startswith(entrant.label) and said.endswith(f" {nfe}.")
    assert told.runs == len(found.runs)
    many = found.comparison.with_(seeds=tuple(range(300))).to_json()
    asked = forecast(many, model.name, model.hash, dict(model.config))
    assert asked.bytes > 2 * told.bytes  # all are held together when they are summed up


def test_pictures_of_other_weights_are_not_shown_beside_old_numbers(page):
    one = shown(go(page))
    found = opened(lab().runs, one, made_at(lab().runs, one))
    run = found.tables["runs"]["run"].iloc[0]
    assert is_of(found, run)
    file = lab().runs / run / "manifest.json"
    before = file.read_text()
    manifest = json.loads(before)
    manifest["model"]["hash"] = "0" * 16
    file.write_text(json.dumps(manifest))
    assert not is_of(found, run)
    assert is_of(found, found.tables["runs"]["run"].iloc[1])
    tile = _tile(
        ranked(found, *found.comparison.pictures[0], found.comparison.budget)
        .set_index("run", drop=False)
        .loc[run]
        .to_dict(),
        "any",
        {"any": "#000000"},
        "a sun",
        found,
    )
    file.write_text(before)  # other tests have the run too
    assert tile.state == "done" and not tile.src and "other weights" in tile.line


@pytest.mark.every
def test_the_error_asked_for_is_answered(page):
    at = go(page)
    at.segmented_control(key="compare.section").set_value("Error and cost").run()
    at.number_input(key="compare.target").set_value(0.9).run()
    assert any("error of 0.9 " in read(m) for m in at.markdown)


@pytest.mark.every
def test_lost_runs_are_missing_and_one_may_go_on(model, runs_folder, open_page):
    comparison = Comparison((Entrant("euler"),), ("a lost tree",), (3,), 2, (3,), reference_steps=4)
    needed = NeededRuns.of(comparison, model)
    bare = Record(tensors=(), statistics=False)  # as noted when further budgets kept no tensors
    cells = [
        cell if cell.budget == 2 else cell._replace(experiment=cell.experiment.with_(record=bare))
        for cell in needed.cells
    ]
    needed = replace(needed, cells=tuple(cells))
    path = runs_folder / ".dashboard" / notes.FOLDER / f"{needed.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notes._to_dict(needed, mix=False), default=str))
    at = open_page("compare", id=needed.id)
    assert any("0 of 4 runs" in read(w) for w in at.warning)
    at.button(key="compare.go_on").click().run()
    run_until(at, lambda a: "Measurements" in headers(a))
    result = opened(lab().runs, needed.id, made_at(lab().runs, needed.id))
    assert result.runs["state"].tolist() == ["done", "done"]


def test_the_queues_runs_give_the_librarys_result(page):
    one = shown(go(page))
    found = opened(lab().runs, one, made_at(lab().runs, one))
    work = comparing(found.comparison, lab().ask(ModelFacts.of), queue_runner(lab()))
    seen = []
    again = finish(work, lambda *of: seen.append(of))
    assert seen == [(n, 6) for n in range(1, 7)]
    for name in found.tables:
        pd.testing.assert_frame_equal(again.tables[name], found.tables[name])


def test_two_runs_differ_by_sign_and_one_from_itself_by_nothing(page):
    one = shown(go(page))
    runs = opened(lab().runs, one, made_at(lab().runs, one)).tables["runs"]
    a, b = runs[runs["budget"] == 3]["run"]
    there, back, same = difference(a, b), difference(b, a), difference(a, a)
    assert (there.picture == -back.picture).all() and (there.latents == -back.latents).all()
    assert not same.picture.any() and same.divergence is None
    assert signed(same.picture, 4) == signed(same.picture, 1)
    c, d = runs[runs["budget"] == 2]["run"]
    for one, other in ((c, d), (a, c)):  # of another budget, and of two
        found = difference(one, other)
        assert found.recorded and found.divergence is not None
