"""Swapped or wrong arguments of public functions are told, with the right order."""

import pytest
from PIL import Image

import sdlab

ASKED = sdlab.Experiment(num_steps=1, width=64, height=64)
PICTURE = Image.new("RGB", (64, 64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: sdlab.run(ASKED, m), r"model of run\(\) .* Model, got Experiment; call it"),
        (lambda m: sdlab.run(m, "a car"), r"experiment of run\(\) .* got str; .*Experiment\("),
        (lambda m: sdlab.run("embedded", ASKED), r"run\(model, experiment.*sdlab.load"),
        (lambda m: sdlab.run_many([ASKED], m), r"model of run_many\(\) .* got list"),
        (lambda m: sdlab.run_many(m, ASKED), r"experiments of run_many\(\) .* got Experiment"),
        (lambda m: sdlab.run_many(m, ["a"]), r"experiment of submit\(\) .* got str"),
        (lambda m: sdlab.plan(ASKED, m), r"model of plan\(\) .* plan\(model, experiment\)"),
        (lambda m: sdlab.invert(m, PICTURE, "a"), r"Tensor, got Image; .*latents\.image\.encode"),
        (lambda m: sdlab.invert(PICTURE, m, "a"), r"model of invert\(\) .* got Image"),
        (lambda m: sdlab.regenerate(m, PICTURE, "a"), r"must be of the type Inversion, got Image"),
        (lambda m: sdlab.compare("embedded", prompts=["a"]), r"model of compare\(\) .* got str"),
        (lambda m: sdlab.compare(m, ASKED), r"Comparison, got Experiment"),
        (lambda m: sdlab.tokens("a car", m), r"prompt of tokens\(\) .* tokens\(source, prompt"),
        (lambda m: sdlab.trace(m, ASKED).__enter__(), r"record of trace\(\) .* got Experiment"),
        (lambda m: sdlab.picture_attention(PICTURE, m, "a"), r"model of picture_attention\(\)"),
        (lambda m: sdlab.schedulers(ASKED), r"model of schedulers\(\) .* Model, got Experiment"),
        (lambda m: sdlab.lint("euler", 4, model=ASKED), r"model of lint\(\) .* got Experiment"),
        (lambda m: sdlab.lint(m, 4), r"name of lint\(\) .* str, got Model"),
        (lambda m: sdlab.Engine(ASKED), r"model of Engine\(\) .* Engine\(model, mix"),
        (lambda m: sdlab.Model("embedded", "a"), r"pipeline of Model\(\) .* got str"),
        (lambda m: sdlab.Engine(m).submit(m), r"experiment of submit\(\) .* got Model"),
        (lambda m: m.decode("x"), r"latents of decode\(\) .* Tensor, got str"),
        (lambda m: sdlab.open_run(5), r"path of open_run\(\) .* str or Path, got int"),
        (lambda m: sdlab.course(5, "euler"), r"call it as course\(solver, num_steps"),
        (lambda m: sdlab.Entrant(5), r"solver of Entrant\(\) .* str, got int"),
        (lambda m: sdlab.Grid({"cfg": "1"}, ASKED), r"call it as Grid\(base, axes\)"),
        (lambda m: sdlab.as_diffusers_scheduler(m), r"solver of as_diffusers_.* str, got Model"),
    ],
)  # fmt: skip
def test_it_names_what_was_given_and_the_order(small, call, message):
    with pytest.raises(TypeError, match=message):
        call(small)
