"""Options are fields: every field of an experiment is one, with its default and its meaning."""

import inspect
from dataclasses import dataclass, fields
from typing import Annotated, Any

import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app
from sdlab.cli.compare import Costs
from sdlab.cli.options import Fields, spread


def options(name):
    return {param.name: param for param in get_command(app).commands[name].params}


@pytest.mark.parametrize(
    "of, prefix, named",
    [
        (
            sdlab.Experiment,
            "",
            {
                "solver_options": "solver_option",
                "curve_options": "curve_option",
                "pipeline_options": "pipeline_option",
            },
        ),
        (sdlab.Record, "record_", {"tensors": "record", "statistics": "statistics"}),
        (
            sdlab.AttentionRecord,
            "attention_",
            {"self_layers": "attention_self", "max_bytes": "attention_limit"},
        ),
    ],
)
def test_every_field_is_one_option_of_run(of, prefix, named):
    found = options("run")
    for field in fields(of):
        if field.name in ("record", "attention"):
            continue  # these have options of their own
        option = found[named.get(field.name, prefix + field.name)]
        assert option.help, field.name
        if prefix != "attention_" and not isinstance(field.default, tuple):
            assert option.default == field.default, field.name


def test_the_defaults_of_compare_are_the_comparisons():
    asked = sdlab.Comparison(entrants=("euler",), prompts=("a cat",))
    found = options("compare")
    shared = {field.name for field in fields(asked)} & set(found)
    assert shared >= {"budget", "align", "curve", "guidance_scale", "reference_steps", "fast"}
    for name in shared - {"seeds"}:
        assert found[name].default == getattr(asked, name), name
    assert (Costs.seeds, Costs.more) == ("0", "") and (asked.seeds, asked.more_budgets) == (
        (0,),
        (),
    )


def test_help_says_what_the_commands_own_default_is():
    assert options("order")["curve"].default == "karras"
    assert options("order")["curve"].help.endswith('or "points" for your own.')
    assert "without it, what the model's" in options("run")["curve"].help
    every = options("run")["record_every"].help
    assert every == "Keep one evaluation in so many, and the last one always."


def test_a_new_field_is_a_new_option():
    @dataclass(frozen=True)
    class Bread:
        """A loaf.

        Attributes:
            grams: How much it
                weighs; None for as it comes. Not read.
            seeded: Whether it has seeds.
        """

        grams: float | None = None
        seeded: bool = False

    baked = []

    @spread
    def bake(loaf: Annotated[dict[str, Any], Fields(Bread)], oven: str = "hot"):
        baked.append((loaf, oven))

    grams, seeded, oven = inspect.signature(bake).parameters.values()
    (about,) = grams.annotation.__metadata__
    assert about.help == "How much it weighs; without it, as it comes."
    assert (seeded.name, oven.name) == ("seeded", "oven")
    bake(grams=None, seeded=True, oven="cold")
    assert baked == [({"seeded": True}, "cold")]


def test_pictures_and_further_fields_reach_the_experiment(monkeypatch, tmp_path):
    Image.new("RGB", (16, 8), "red").save(tmp_path / "a.png")
    Image.new("L", (16, 8), 255).save(tmp_path / "mask.png")
    asked = []
    monkeypatch.setattr(sdlab, "load", lambda *given, **how: None)
    monkeypatch.setattr(sdlab, "plan", lambda model, experiment: asked.append(experiment) or 1 / 0)
    done = CliRunner().invoke(
        app,
        [
            *("run", "a cat", "--image", str(tmp_path / "a.png"), "--strength", "0.5"),
            *("--mask-image", str(tmp_path / "mask.png"), "--control-image"),
            *(str(tmp_path / "a.png"), "--controlnet-conditioning-scale", "0.8"),
            *("--prompt-2", "two", "--prompt-3", "three", "--negative-prompt-2", "rain"),
            *("--negative-prompt-3", "fog", "--true-cfg-scale", "4", "--max-sequence-length", "77"),
            *("--pipeline-option", "clip_skip=1", "--pipeline-option", "word=a b"),
        ],
    )
    assert isinstance(done.exception, ZeroDivisionError), done.output
    assert asked[0] == sdlab.Experiment(
        prompt="a cat",
        image=tmp_path / "a.png",
        strength=0.5,
        mask_image=tmp_path / "mask.png",
        control_image=tmp_path / "a.png",
        controlnet_conditioning_scale=0.8,
        prompt_2="two",
        prompt_3="three",
        negative_prompt_2="rain",
        negative_prompt_3="fog",
        true_cfg_scale=4.0,
        max_sequence_length=77,
        pipeline_options={"clip_skip": 1, "word": "a b"},
    )
    assert asked[0].image.has_pixels


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--image", "nowhere.png"], "image: 'nowhere.png' cannot be read"),
        (["--strength", "0.5"], "strength needs image"),
        (["--pipeline-option", "clip_skip"], "--pipeline-option must be NAME=VALUE"),
        (["--pipeline-option", "width=8"], "which is the experiment field 'width'"),
    ],
)
def test_wrong_ones_are_refused_in_a_sentence(options, said):
    done = CliRunner().invoke(app, ["run", "a cat", *options])
    assert done.exit_code == 2 and said in " ".join(done.output.split())


def test_compare_takes_them_too():
    found = options("compare")
    for name in ("image", "strength", "control_image", "prompt_2", "pipeline_option"):
        assert found[name].help, name
