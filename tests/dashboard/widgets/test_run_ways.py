"""From a run onwards: the row of ways, forms filled with it, what comes from the store."""

import pytest

from dashboard.shell.lab import lab
from dashboard.widgets.run_fields import (
    NOISY_PARTNERS,
    PARTNERS,
    address_for,
    comparison_fields,
    partner,
)
from dashboard.widgets.run_fields import experiment_fields as fields_of
from sdlab.experiment.experiment import Experiment
from tests.dashboard.conftest import run_until
from tests.dashboard.forms import FORM, start

RICH = Experiment(
    prompt="a penguin in the snow",
    negative_prompt="rain",
    seed=2**40 + 1,
    solver="dpmpp_2m_sde",
    solver_options={"s_noise": 0.9},
    curve="karras",
    curve_options={"rho": 5},
    num_steps=3,
    guidance_scale=2.5,
    guidance_rescale=0.25,
    eta=0.5,
    width=64,
    height=96,
    fast=True,
)
PLAIN = Experiment(prompt="a parrot on a beach", seed=7, num_steps=25)


def texts(at) -> list[str]:
    return [c.value for c in at.caption]


def test_a_run_has_its_ways(open_page):
    run = lab().submit(PLAIN.with_(num_steps=2))
    # while it goes, another heading stands there
    at = run_until(
        open_page("run", id=run), lambda a: "Measurements" in [h.value for h in a.header]
    )
    links = {link.proto.label: link.proto for link in at.get("page_link")}
    assert {"Attention", "Latents", "Words", "DDIM", "Network", "Learn"} <= set(links)
    assert run in links["Latents"].query_string and run in links["Attention"].query_string
    assert "a+parrot+on+a+beach" in links["Words"].query_string
    labels = [button.label for button in at.button]
    assert "Change and run again" in labels and "Compare with DPM++ 2M (dpmpp_2m)" in labels
    assert not at.exception


@pytest.mark.parametrize("experiment", [RICH, PLAIN])
def test_the_form_is_filled_with_a_run(open_page, experiment):
    at = open_page("experiment")
    at.number_input(key="experiment.steps").set_value(40)
    at.text_input(key="experiment.negative").set_value("typed before")
    at.text_input(key="experiment.seeds").set_value("1-4").run()
    for key, value in fields_of(experiment).items():
        at.session_state[key] = value
    at.run()
    assert not at.exception and not at.error
    at.button(key=FORM).click().run()
    assert "".join(at.query_params["run"]) == experiment.id
    lab().cancel(experiment.id, "nobody")


def test_the_address_alone_fills_the_form(open_page):
    fields = address_for("experiment", fields_of(RICH), RICH)
    at = open_page("experiment", **fields)
    assert not at.exception and not at.error and not at.warning
    at.button(key=FORM).click().run()
    assert "".join(at.query_params["run"]) == RICH.id
    lab().cancel(RICH.id, "nobody")


def test_changed_fields_come_back_and_a_repeated_run_says_so(quick):
    quick.text_input(key="experiment.seed").set_value("9174").run()  # nobody's in these runs
    at = start(quick)
    assert not any("From the store" in text for text in texts(at))
    at.number_input(key="experiment.steps").set_value(30).run()
    at.button(key="experiment.change").click().run()
    assert at.number_input(key="experiment.steps").value == 3
    at.button(key=FORM).click().run()
    assert any("**From the store**, made on" in text for text in texts(at))
    assert not at.exception


@pytest.mark.parametrize("experiment", [RICH.with_(eta=None, curve_options={}), PLAIN])
def test_compare_opens_with_the_run_and_a_fair_partner(open_page, experiment):
    at = open_page("compare")
    for key, value in comparison_fields(experiment).items():
        at.session_state[key] = value
    at.run()
    assert not at.exception and not at.error
    samplers = at.multiselect(key="compare.samplers").value
    assert len(samplers) == 2 and samplers[1] == partner(experiment)
    assert at.text_area(key="compare.prompts").value == experiment.prompt
    assert at.text_input(key="compare.seeds").value == str(experiment.seed)
    if experiment is PLAIN:
        assert any("can be compared fairly" in text for text in texts(at))


def test_partners():
    for name in (*PARTNERS, "ddim", "EulerDiscreteScheduler", "UniPCMultistepScheduler"):
        assert partner(Experiment(solver=name)) in set(PARTNERS) - {name}
    for name in (*NOISY_PARTNERS, "lcm", "EulerAncestralDiscreteScheduler", "TCDScheduler"):
        assert partner(Experiment(solver=name)) in set(NOISY_PARTNERS) - {name}
    assert partner(Experiment(solver="ddim", eta=1.0)) in NOISY_PARTNERS


def test_an_address_goes_before_an_earlier_visit(open_page):
    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import MAIN

    at = AppTest.from_file(str(MAIN), default_timeout=240)
    at.session_state["tokens.prompt"] = "typed before"
    at.query_params["tokens.prompt"] = "a parrot on a beach"  # the field's own default
    at.switch_page("../../pages/tokens.py")
    at.run()
    assert at.text_area(key="tokens.prompt").value == "a parrot on a beach"
    at.text_area(key="tokens.prompt").set_value("a sun").run()
    assert at.text_area(key="tokens.prompt").value == "a sun" and not at.exception


def test_no_unknown_run_is_a_dead_end(open_page):
    for page, params in (("run", {"id": "0" * 16}), ("experiment", {"run": "0" * 16})):
        at = open_page(page, **params)
        assert "is stored here" in at.info[0].value
        assert {"All runs", "Make one"} <= {link.proto.label for link in at.get("page_link")}
