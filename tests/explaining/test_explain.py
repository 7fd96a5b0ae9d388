"""Why two pictures differ: what is read off each file, and which causes are found."""

import json

import pytest

import sdlab
from sdlab.explaining.making import FACTS
from sdlab.explaining.reading import making_of
from sdlab.explaining.registry import EFFECTS, all_causes, cause
from sdlab.passports.passport import passport
from tests.explaining.files import (
    IN_PARTS,
    INVOKEAI,
    a1111,
    as_interface,
    comfyui,
    png,
)

EMBEDDED_CONFIG = "sdlab/models/embedded/scheduler/scheduler_config.json"


def found(a, b, **options):
    return {one.cause.id: one for one in sdlab.explain(a, b, **options).differences}


def test_the_same_settings_in_two_programs():
    told = sdlab.explain(a1111(), json.dumps(comfyui()).encode())
    ids = [one.cause.id for one in told.differences]
    assert ids == ["noise-device", "step-noise", "prompt-weights", "start-scale"]
    assert "cannot be compared by eye" in told.sentence
    assert {"Seed", "Steps that run", "Noise levels", "Prompt", "Size", "Model"} <= set(told.same)
    assert sorted(ids, key=lambda id: EFFECTS.index(found_effect(told, id))) == ids
    table = told.table()
    assert table["cause"].tolist() == ids and table.notna().all().all()
    json.dumps(told.to_dict(), allow_nan=False)


def found_effect(told, id):
    return next(one.effect for one in told.differences if one.cause.id == id)


def test_the_same_file_differs_in_nothing():
    for source in (a1111(), png(prompt=comfyui()), png(invokeai_metadata=INVOKEAI)):
        told = sdlab.explain(source, source)
        assert not told.differences and "do not differ" in told.sentence


CASES = [
    ("seed", a1111(), a1111(Seed="8"), "7 and 8"),
    ("noise-device", a1111(), a1111(RNG="CPU"), "CUDA"),
    ("variation", a1111(), a1111(Variation_seed="5", Variation_seed_strength="0.1"), "5 by 0.1"),
    ("step-noise", a1111(), a1111(ENSD="31337"), "seed + 31337"),
    ("size", a1111(), a1111(Size="512x768"), "512 x 768"),
    ("model", a1111(), a1111(Model_hash="ffff"), "ffff"),
    ("vae", a1111(), a1111(VAE="vae-ft-mse"), "vae-ft-mse"),
    ("loras", a1111(), a1111("a (red:1.3) car on the beach<lora:fog:0.5>"), "fog 0.5"),
    ("patches", a1111(), a1111(Token_merging_ratio="0.5"), "Token merging ratio 0.5"),
    ("prompt", a1111(), a1111("a cat"), "a cat"),
    ("clip-skip", a1111(), a1111(Clip_skip="2"), "Clip skip 1 and Clip skip 2"),
    ("sampler", a1111(), a1111(Sampler="Euler"), "draws noise on the way"),
    ("churn", a1111(), a1111(Sigma_churn="2"), "0 and 2"),
    ("eta", a1111(), a1111(Eta="0.5"), "1 and 0.5"),
    ("steps", a1111(), a1111(Steps="25"), "20 steps run"),
    ("spacing", a1111(), a1111(Schedule_type="Exponential"), "part at step 1"),
    ("denoise", a1111(), a1111(Denoising_strength="0.5"), "1 and 0.5"),
    ("guidance-scale", a1111(), a1111(CFG_scale="8"), "7 and 8"),
    ("guidance-rescale", a1111(), a1111(CFG_Rescale="0.7"), "0 and 0.7"),
    ("evaluations", a1111(Sampler="Euler"), a1111(Sampler="Heun"), "20 and 39"),
    ("version", a1111(), a1111(Version="v1.6.0"), "v1.6.0"),
    ("setting", a1111(), a1111(Hires_upscale="2"), "Hires upscale: none and 2"),
    ("left-out", a1111(Hires_upscale="2"), comfyui(), "Hires upscale 2"),
    ("break", a1111("a car BREAK a beach"), comfyui("a car BREAK a beach"), "like others"),
    ("prompt-weights", comfyui(), INVOKEAI, "compel"),
    ("start-scale", comfyui(), INVOKEAI, "less in an object (InvokeAI)"),
    ("batch-size", comfyui(), IN_PARTS, "1 and 4"),
    ("batch-place", IN_PARTS, IN_PARTS, "made 4 pictures from one generator"),
    ("distilled-guidance", comfyui(), IN_PARTS, "none and 3.5"),
    ("long-prompt", a1111("car, " * 40), sdlab.Experiment(prompt="car, " * 40), "2 chunks"),
    ("negative-prompt", a1111(), sdlab.Experiment(), '"rain"'),
]


@pytest.mark.parametrize(("id", "a", "b", "words"), CASES, ids=[case[0] for case in CASES])
def test_each_cause_is_found_where_it_is_and_not_where_it_is_not(id, a, b, words):
    assert words in found(a, b)[id].message
    if id != "batch-place":  # of a batch the place is not known, so it is told of equal files too
        assert id not in found(a, a)


def test_a_samplers_own_eta_is_known_and_only_its_own():
    own = sdlab.Experiment(solver="DDIMScheduler")
    assert found(own, own.with_(eta=0.5))["eta"].message == "Eta is 0 and 0.5."
    assert not found(own, own.with_(eta=0.0))
    assert "eta" not in found(own, own.with_(solver="ddpm"))


def test_every_cause_has_its_case_and_its_words():
    runs = {"dtype", "device", "machine", "config"}  # of manifests and configs, below
    assert {case[0] for case in CASES} | runs == set(all_causes())
    for one in all_causes().values():
        assert one.explanation.endswith(".") and one.fix.endswith(".") and one.source
        assert set(one.needs) <= {*FACTS, "levels"}


def test_manifests_say_machine_format_and_device():
    facts = {
        "experiment": sdlab.Experiment(prompt="a cat").to_dict(),
        "model": {"name": "embedded", "hash": "1", "dtype": "float32", "computed_in": "float32",
                  "device": "cpu"},
        "versions": {"torch": "2.13", "sdlab": "0.6"},
        "machine": {"threads": 2},
        **{"width": 128, "height": 128},
    }  # fmt: skip
    there = {
        **facts,
        "model": {**facts["model"], "computed_in": "bfloat16", "device": "cuda"},
        "versions": {"torch": "2.12", "sdlab": "0.6"},
        "machine": {"threads": 8},
    }
    told = found(facts, there)
    assert set(told) == {"dtype", "device", "machine"}
    assert told["dtype"].change == {"fast": True}
    messages = [one.message for one in sdlab.explain(facts, there).differences]
    assert {"threads: 2 and 8.", "torch: 2.13 and 2.12."} <= set(messages)


def test_configs_are_compared_entry_by_entry_and_over_a_pictures_steps():
    euler = {"_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear",
             "beta_start": 0.00085, "beta_end": 0.012}  # fmt: skip
    other = {**euler, "timestep_spacing": "leading", "steps_offset": 1}
    messages = [one.message for one in sdlab.explain(euler, other).differences]
    assert "timestep_spacing: linspace and leading." in [
        m.removeprefix("scheduler.") for m in messages
    ]
    told = sdlab.explain(euler, a1111(Steps="12", Sampler="Euler", Schedule_type=None))
    assert told.a.levels.steps == told.b.levels.steps == 12
    assert "Noise levels" in told.same
    assert told.a.experiment is None and "config" in told.a.no_experiment


def test_a_models_folder_names_its_weights(tmp_path):
    from sdlab.explaining.of_config import fingerprint

    for name, value in (("one", b"a"), ("two", b"b")):
        folder = tmp_path / name
        (folder / "unet").mkdir(parents=True)
        (folder / "scheduler").mkdir()
        index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]}
        (folder / "model_index.json").write_text(json.dumps(index))
        (folder / "unet" / "config.json").write_text('{"in_channels": 4}')
        (folder / "unet" / "model.safetensors").write_bytes(value * 100_000)
        config = json.loads(open(EMBEDDED_CONFIG).read())
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    told = sdlab.explain(tmp_path / "one", tmp_path / "two")
    assert [one.cause.id for one in told.differences] == ["config"]
    assert "unet.model.safetensors" in told.differences[0].message
    assert not sdlab.explain(tmp_path / "one", tmp_path / "one").differences
    assert "100,000 bytes" in fingerprint(tmp_path / "one" / "unet" / "model.safetensors")


@pytest.mark.parametrize("graph", [comfyui(), IN_PARTS], ids=["KSampler", "in parts"])
def test_a_workflow_says_the_same_however_it_was_saved(graph):
    api, shown = making_of(graph, "w"), making_of(as_interface(graph), "w")
    assert api.facts == shown.facts and api.levels == shown.levels
    assert api.experiment == shown.experiment


def test_the_experiment_of_ours_runs_over_the_very_levels():
    made = making_of(comfyui(sampler_name="dpmpp_2m"), "w")
    ran = passport("comfyui", "sd15", "karras", 20)
    assert tuple(dict(made.experiment.curve_options)["sigmas"]) == ran.sigmas
    assert made.experiment.solver == "dpmpp_2m" and made.experiment.seed == 7
    assert made.levels.sigmas == ran.sigmas
    img2img = making_of(comfyui(denoise=0.5), "w")
    assert img2img.experiment is None and "picture it began with" in img2img.no_experiment
    unknown = making_of(comfyui(sampler_name="heunpp9"), "w")
    assert unknown.experiment is None and unknown.no_levels


def test_what_is_none_of_these_is_refused(tmp_path):
    (tmp_path / "empty.png").write_bytes(png())
    with pytest.raises(ValueError, match="says nothing of how it was made"):
        sdlab.explain(tmp_path / "empty.png", a1111())
    with pytest.raises(ValueError, match="neither a file, a folder nor a run's id"):
        sdlab.explain("no such file", a1111())
    with pytest.raises(ValueError, match="no manifest, workflow"):
        sdlab.explain({"x": 1}, a1111())
    with pytest.raises(ValueError, match="neither a run's folder"):
        sdlab.explain(tmp_path, a1111())
    with pytest.raises(TypeError, match="got int"):
        sdlab.explain(3, a1111())
    with pytest.raises(ValueError, match="Unknown effect"):
        cause("x", "x", "huge", needs="", explanation="", fix="", source="")
    with pytest.raises(ValueError, match="Unknown fact"):
        cause("x", "x", "slight", needs="sede", explanation="", fix="", source="")
