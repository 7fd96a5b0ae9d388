"""The Noise schedules page by AppTest."""

import json
import re

import pytest

from dashboard.widgets.sampler_rows import DEFAULT, preset
from sdlab.solvers.from_diffusers import SD_CONFIG, compatible_classes
from tests.dashboard.conftest import read
from tests.zoo.chosen import cases

ROWS = "schedules.rows"


def told(at):
    return [read(e) for e in at.error]


def findings(at):
    return "".join(h.value for h in at.get("html"))


@pytest.fixture
def page(open_page):
    at = open_page("noise_schedules")
    assert not at.exception and not told(at)
    return at


@pytest.fixture
def two(open_page):
    return open_page("noise_schedules", **{ROWS: ["DDIMScheduler", "euler + karras"]})


def test_it_opens_with_charts_findings_and_table(page):
    assert [t.value for t in page.title] == ["Noise schedules"]
    assert len(page.get("vega_lite_chart")) == 2
    assert [t.label for t in page.tabs] == [
        *("What lint says", "Step ratio", "Table", "Fit a schedule"),
    ]
    assert set(page.dataframe[0].value["sampler"]) == set(DEFAULT)
    assert len(page.get("download_button")) == 2


def test_the_address_holds_every_choice(open_page):
    params = {
        ROWS: ["heun + karras [rho=5]", "DDIMScheduler {eta=0.5}"],
        "schedules.steps": "9",
        "schedules.y": "log-SNR",
        "schedules.x": "NFE",
        "schedules.severity": ["note"],
        "schedules.by": "sampler",
        "schedules.config": "zero terminal SNR (v-prediction, trailing)",
    }
    at = open_page("noise_schedules", **params)
    assert not at.exception and not told(at)
    table = at.dataframe[0].value
    assert set(table["sampler"]) == set(params[ROWS])
    assert table["step"].max() == 9 and table["sigma"].max() > 4000
    assert at.segmented_control(key="schedules.y").value == "log-SNR"
    assert at.pills(key="schedules.severity").value == ["note"]


@pytest.mark.every
def test_what_coincides_is_one_line_with_its_names(page, open_page):
    page.button(key="schedules.preset_0").click().run()
    said = re.findall(r"<b>These (\d+) are the same:</b> ([^<]*)", findings(page))
    assert said and all(int(count) == len(names.split(", ")) for count, names in said)
    assert any("EulerDiscrete" not in names and "Euler, " in names for _, names in said)
    other = ["euler + karras", "heun + karras", "euler + exponential"]
    at = open_page("noise_schedules", **{ROWS: other})
    assert "These 2 are the same:</b> euler + karras, heun + karras<" in findings(at)
    at.toggle(key="schedules.evaluations").set_value(True).run()
    assert "are the same" not in findings(at) and not at.exception


@pytest.mark.parametrize("number", cases(range(4), {0, 2}))
def test_presets(page, number):
    page.number_input(key="schedules.steps").set_value(6)
    page.button(key=f"schedules.preset_{number}").click().run()
    assert not page.exception and not told(page)
    samplers = list(dict.fromkeys(page.dataframe[0].value["sampler"]))
    assert samplers == page.multiselect(key=ROWS).value and len(samplers) > 8
    if number == 0:
        assert samplers == sorted(compatible_classes())
    if number == 2:
        assert all(text.startswith("heun + ") for text in samplers)


def test_what_is_wrong_with_one_row_leaves_the_others(open_page):
    rows = ["euler", "huen + karras", "heun + karras [rho=-1]", "a b c", "DDIMScheduler {x=1}"]
    at = open_page("noise_schedules", **{ROWS: rows})
    assert not at.exception
    assert set(at.dataframe[0].value["sampler"]) == {"euler"}
    said = told(at)
    for part in ("huen", "rho must be above 0", "is no sampler", "Unknown parameter of DDIM"):
        assert any(part in text for text in said), (part, said)


def test_no_row_is_said(two):
    two.multiselect(key=ROWS).set_value([]).run()
    assert not two.exception and "Choose a sampler" in two.info[0].value


def test_lint_shows_and_hides_kinds_and_groups(two):
    assert "starts below" not in findings(two) and "training went up to" in findings(two)
    assert "amplitude is left" not in findings(two)
    two.pills(key="schedules.severity").set_value(["note"]).run()
    assert "amplitude is left" in findings(two) and "training went up to" not in findings(two)
    assert "(DDIM, euler + karras)" in findings(two) and "arXiv 2305.08891" in findings(two)
    two.segmented_control(key="schedules.by").set_value("sampler").run()
    assert "(DDIM, " not in findings(two) and findings(two).count("<h2>") == 2
    two.pills(key="schedules.severity").set_value(["error"]).run()
    assert any("Nothing of this kind" in c.value for c in two.caption)
    assert not two.exception


def test_lint_of_many_steps_waits_to_be_asked(two):
    two.number_input(key="schedules.steps").set_value(400).run()
    assert not two.pills and two.toggle(key="schedules.slow").value is False
    assert not two.exception


def test_adding_a_sampler_with_options(two):
    two.selectbox(key="schedules.add_name").set_value("ddim").run()
    two.selectbox(key="schedules.add_curve_ddim").set_value("karras")
    two.text_input(key="schedules.add_curve_options").set_value("rho=5")
    two.text_input(key="schedules.add_options").set_value("eta=0.5")
    two.button(key="schedules.add").click().run()
    assert not two.exception and not told(two)
    text = "ddim {eta=0.5} + karras [rho=5]"
    assert two.multiselect(key=ROWS).value[-1] == text
    assert text in set(two.dataframe[0].value["sampler"])


def test_an_upload_is_the_config_in_force(two):
    config = {**SD_CONFIG, "timestep_spacing": "linspace", "clip_sample": True}
    two.file_uploader(key="schedules.file").upload(
        "scheduler_config.json", json.dumps(config).encode(), "application/json"
    )
    two.run()
    assert not two.exception and not told(two)
    assert "x0_pred is clipped" in findings(two)


@pytest.mark.parametrize(
    "data",
    cases([b"\x00\xff", b"[]", b'{"beta_schedule": "cubic"}', b"{" * 9999], {b"\x00\xff", b"[]"}),
)
def test_a_hostile_upload_is_refused_and_nothing_lost(two, data):
    two.file_uploader(key="schedules.file").upload("<b>x</b>.json", data, "application/json")
    two.run()
    assert not two.exception
    assert len(told(two)) == 1 and "cannot be used" in told(two)[0] and "<b>" not in told(two)[0]
    assert len(two.get("vega_lite_chart")) == 2


def test_presets_hold_only_what_can_run(page):
    from dashboard.shell.lab import lab

    catalogue = lab().catalogue()
    known = set(catalogue.loc[catalogue["compatible"], "name"])
    for name in ("All of diffusers", "Karras against own spacing", "All own solvers"):
        assert {text.partition(" ")[0] for text in preset(name, catalogue, "euler")} <= known


def test_where_a_scheduler_balks_there_is_an_error_and_the_page_goes_on(open_page):
    rows = [
        "euler",
        "UniPCMultistepScheduler {solver_order=3}",
        "UniPCMultistepScheduler {solver_order=3, lower_order_final=false}",
        "DPMSolverMultistepScheduler {variance_type=learned_range}",
        "EulerDiscreteScheduler {use_karras_sigmas=true, use_beta_sigmas=true}",
        "DDIMScheduler {num_train_timesteps=100000000}",
    ]
    at = open_page("noise_schedules", **{ROWS: rows, "schedules.severity": ["error"]})
    assert not at.exception
    said = told(at)
    assert len(said) == 2 and "Only one of" in said[0]
    assert "must be a whole number from 2 to 10000, got 100000000" in said[1]
    assert findings(at).count("cannot make evaluation") == 1
    assert "must match the size" in findings(at)
