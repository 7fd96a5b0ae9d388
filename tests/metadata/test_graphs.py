"""ComfyUI's workflows as JSON, and samplers in parts, become experiments."""

import json

import pytest

from sdlab.metadata.reading import read_parameters
from tests.explaining.files import IN_PARTS, as_interface, comfyui, png


@pytest.mark.parametrize("saved", [dict, as_interface], ids=["API", "interface"])
def test_a_workflow_is_read_as_its_picture_is(saved):
    graph = comfyui(sampler_name="dpmpp_2m", steps=12)
    found = read_parameters(json.dumps(saved(graph)).encode())
    assert found.program == "ComfyUI"
    assert found.fields == read_parameters(png(prompt=graph)).fields
    assert found.fields["num_steps"] == 12 and found.fields["prompt"].startswith("a (red")
    assert found.fields["width"] == 512 and found.fields["seed"] == 7


@pytest.mark.parametrize("saved", [dict, as_interface], ids=["API", "interface"])
def test_a_sampler_in_parts_is_put_together(saved):
    data = json.dumps(saved(IN_PARTS)).encode()
    picture = png(**{"prompt" if saved is dict else "workflow": saved(IN_PARTS)})
    for source in (data, picture):
        found = read_parameters(source)
        assert found.fields["prompt"] == "a fox" and found.fields["num_steps"] == 20
        assert found.fields["seed"] == 11 and found.fields["solver"] == "euler"
        assert (found.fields["width"], found.fields["height"]) == (1024, 768)
        assert found.unknown["FluxGuidance.guidance"] == "3.5"


def test_nodes_that_are_switched_off_are_left_out():
    shown = as_interface(comfyui())
    for node in shown["nodes"]:
        node["mode"] = 4
    with pytest.raises(ValueError, match="no sampler|no valid experiment"):
        read_parameters(json.dumps(shown).encode())


@pytest.mark.parametrize(
    "graph",
    [
        {"1": {"class_type": "KSampler", "inputs": {}}},
        {"1": {"class_type": "X", "inputs": {"steps": {}, "scheduler": [], "sampler_name": 3}}},
        {"1": {"class_type": "X", "inputs": {"a": ["1", 0]}}},
    ],
)
def test_a_graph_that_says_nothing_is_refused_in_a_sentence(graph):
    with pytest.raises(ValueError, match="no sampler"):
        read_parameters(json.dumps(graph).encode())
