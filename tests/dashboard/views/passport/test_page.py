"""The Schedule passport page by AppTest."""

import json

import pytest

from sdlab.passports.passport import passport
from tests.dashboard.conftest import read

ROWS = "passport.rows.sigma.discrete"


def told(at):
    return [read(e) for e in at.error]


def differences(at):
    return "".join(h.value for h in at.get("html"))


def test_it_opens_on_settings_that_are_taken_for_the_same(open_page):
    at = open_page("passport")
    assert not at.exception and not told(at)
    assert [t.value for t in at.title] == ["Schedule passport"]
    assert len(at.get("vega_lite_chart")) == 1
    assert "They part at the start: 14.61 against 11.03." in differences(at)
    drawn = json.dumps(json.loads(at.get("vega_lite_chart")[0].proto.spec))
    assert '["ComfyUI: karras = 2 others", "InvokeAI: euler_k = diffusers: Euler' in drawn
    lines = at.multiselect(key=ROWS).value
    assert len(lines) == 5 and lines[0] == "ComfyUI: karras"
    summary = at.dataframe[0].value
    assert summary["line"].tolist() == lines and summary["same as first"].tolist()[:2] == [True] * 2
    sigmas = at.dataframe[1].value
    assert tuple(sigmas["ComfyUI: karras"]) == passport("comfyui", "sd15", "karras", 20).sigmas
    assert at.code[0].value.startswith("14.6146412, ")


def test_the_address_holds_every_choice_and_finds_the_equal_setting(open_page):
    at = open_page(
        "passport",
        **{
            "passport.model": "sdxl",
            "passport.steps": "9",
            "passport.denoise": "0.5",
            "passport.sampler": "heun",
            ROWS: ["ComfyUI: normal", "AUTOMATIC1111: uniform", "k-diffusion: get_sigmas"],
            "passport.elsewhere": "AUTOMATIC1111",
            "passport.format": "k-diffusion",
        },
    )
    assert not at.exception and not told(at)
    made = passport("comfyui", "sdxl", "normal", 9, 0.5, sampler="heun")
    assert at.dataframe[0].value["evaluations"].tolist()[0] == made.evaluations == 17
    assert any("k-diffusion has no denoise" in read(caption) for caption in at.caption)
    assert "img2img_fix_steps" in read(at.success[0])
    assert "import torch" in at.code[0].value


def test_flow_matching_is_drawn_over_t_and_by_its_size(open_page):
    at = open_page("passport", **{"passport.model": "flux-dev", "passport.height": "512"})
    assert not at.exception and not told(at)
    lines = at.multiselect(key="passport.rows.flow.flux").value
    assert "ComfyUI: simple" in lines and "diffusers: FlowMatchEulerDiscreteScheduler" in lines
    assert "flow_time" in json.dumps(json.loads(at.get("vega_lite_chart")[0].proto.spec))
    sigmas = at.dataframe[1].value["diffusers: FlowMatchEulerDiscreteScheduler"]
    wanted = passport("diffusers", "flux-dev", None, 20, width=1024, height=512).sigmas
    assert tuple(sigmas) == pytest.approx(wanted)


def test_a_dropped_file_fills_the_fields(open_page):
    at = open_page("passport")
    text = "x\nSteps: 12, Sampler: Heun, Schedule type: Beta, CFG scale: 7, Seed: 1, Model: ponyXL"
    at.get("file_uploader")[0].upload("parameters.txt", text.encode(), "text/plain").run()
    assert not at.exception and not told(at)
    assert at.number_input(key="passport.steps").value == 12
    assert at.selectbox(key="passport.model").value == "sdxl"
    lines = at.multiselect(key=ROWS).value
    assert lines[:2] == ["AUTOMATIC1111: beta", "ComfyUI: karras"] and len(lines) == 6
    assert at.dataframe[0].value["evaluations"].tolist()[0] == 23


def test_a_dropped_workflow_at_the_edges_of_the_fields(open_page):
    inputs = {"steps": 1000, "sampler_name": "uni_pc", "scheduler": "karras", "denoise": 0.02}
    graph = json.dumps({"3": {"class_type": "KSampler", "inputs": inputs}})
    at = open_page("passport", **{"passport.sampler": "heun"})
    at.get("file_uploader")[0].upload("graph.json", graph.encode(), "application/json").run()
    assert not at.exception and not told(at)
    assert "There is no field here for: sampler uni_pc." in read(at.success[0])
    assert at.selectbox(key="passport.sampler").value == "euler"
    assert at.number_input(key="passport.denoise").value == 0.02
    at.number_input(key="passport.denoise").set_value(1.0).run()
    assert not told(at) and len(at.get("vega_lite_chart")) == 1  # of more points than one holds
    assert len(at.dataframe[1].value) == 1001


def test_a_denoise_of_no_field_is_told(open_page):
    at = open_page("passport", **{"passport.denoise": "0.0001"})
    assert "The default is used instead" in "".join(map(read, (*at.warning, *at.info)))
    for denoise, kept in ((0.003, 0.003), (0.0003, 0.003)):
        inputs = {"steps": 9, "scheduler": "karras", "denoise": denoise}
        graph = json.dumps({"3": {"class_type": "KSampler", "inputs": inputs}})
        name = f"{denoise}.json"
        at.get("file_uploader")[0].upload(name, graph.encode(), "application/json").run()
        assert at.number_input(key="passport.denoise").value == kept and not at.exception
    assert "0.0003.json has a denoise of 0.0003; the field here takes 0.001" in told(at)[0]


def test_no_line_and_a_wrong_file_are_told(open_page):
    at = open_page("passport")
    at.multiselect(key=ROWS).set_value([]).run()
    assert "Choose a program and a scheduler" in at.info[0].value and not at.exception
    at.get("file_uploader")[0].upload("a.json", b'{"a": 1}', "application/json").run()
    assert "no scheduler config" in told(at)[0]
