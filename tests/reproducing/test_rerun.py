"""A stored run made again: the same bit for bit, or where it parts and what differs."""

import copy
from dataclasses import replace

import pytest
import torch

import sdlab
from sdlab.errors import ModelError
from sdlab.models.loaded_by import loading_of
from sdlab.models.model import Model
from sdlab.reproducing.rerun import compared, model_of, parting, rerun
from sdlab.reproducing.settings import Difference, differences
from sdlab.reproducing.snippet import run_snippet
from sdlab.runs.manifest import facts_of
from sdlab.runs.trace import Trace
from tests.conftest import make_pipeline


@pytest.fixture(scope="module")
def stored(stored_model, tmp_path_factory):
    wanted = sdlab.Experiment(
        prompt="a parrot", solver="heun", num_steps=3, seed=5, model=stored_model.name
    )
    return sdlab.open_run(sdlab.run(stored_model, wanted).save(tmp_path_factory.mktemp("runs")))


def test_the_same_model_makes_the_same_bits(stored):
    again = rerun(stored)  # loads the run's own model from its folder
    assert again.same and again.parting is None and again.pixels == 0
    assert not again.differences
    assert str(again).startswith("Bit-identical: the tensors of 5 recorded evaluations")


def changed(model, change):
    pipeline = copy.copy(model.pipeline)
    pipeline.unet = copy.deepcopy(model.pipeline.unet)
    change(pipeline.unet)
    return Model(pipeline, model.name)


def test_other_weights_are_named_and_where_the_runs_part(stored, stored_model):
    def change(unet):
        with torch.no_grad():
            unet.conv_out.bias += 1e-3

    again = rerun(stored, changed(stored_model, change))
    parted = again.parting
    assert (parted.evaluation, parted.tensor) == (0, "x0_pred")
    assert parted.sigma == stored.trace.sigmas[0]
    difference = again.now.trace.x0_pred[0] - stored.trace.x0_pred[0]
    spread = stored.latents.double().std(correction=0)
    apart = float(difference.double().square().mean().sqrt() / spread)
    assert parted.distance == pytest.approx(apart, rel=1e-6)
    assert [one.name for one in again.differences] == ["weights"]
    assert "Evaluation 0 (sigma" in str(again) and "weights: " in str(again)
    assert " 1 pixel of the picture differs." in str(replace(again, pixels=1))
    assert " 1,234 pixels of the picture differ." in str(replace(again, pixels=1234))


def test_it_parts_only_where_the_change_sets_in(stored, stored_model):
    late = stored.steps["timestep"].iloc[3]  # evaluation 2 is at the level of 1

    def change(unet):
        plain = unet.forward

        def forward(sample, timestep, *args, **kwargs):
            (out,) = plain(sample, timestep, *args, **kwargs)
            return (out + 1e-3 * (timestep[0] <= late),)

        unet.forward = forward

    assert rerun(stored, changed(stored_model, change)).parting.evaluation == 3


def test_a_run_that_does_not_know_its_latents_is_compared_all_the_same(stored):
    """As of the pipelines that do not report them."""

    def without(run):
        kept = {name: run.tensors[name] for name in run.tensors if name != "latents"}
        return replace(run, tensors=kept)

    again = rerun(without(stored))
    assert again.same and str(again).endswith("does not report its final latents.")
    x_t, x0_pred = stored.trace.x_t.clone(), stored.trace.x0_pred.clone()
    x0_pred[2] += 0.5
    trace = Trace(stored.trace.kept, stored.trace.sigmas, {"x_t": x_t, "x0_pred": x0_pred})
    parted = compared(without(stored), replace(stored, trace=trace))
    assert (parted.parting.evaluation, parted.parting.end) == (2, None)
    assert parted.parting.distance == pytest.approx(0.5, rel=1e-4)
    assert "x0_pred by 0.5; the pipeline does not report" in str(parted)


def test_latents_of_another_shape_are_of_another_model(stored, small):
    class Wide:
        latents = torch.zeros(1, 4, 8, 8)
        tensors = {"latents": latents}
        trace = stored.trace

    with pytest.raises(ModelError, match=r"\[1, 4, 16, 16\], those made now \[1, 4, 8, 8\]"):
        parting(stored, Wide())


def test_what_differs_is_told_by_its_name(stored_model):
    now = facts_of(stored_model)
    then = {**copy.deepcopy(now), "shared_calls": 4}
    then["versions"]["torch"] = "1.0"
    then["machine"]["threads"] = -1
    del then["machine"]["processor"]
    assert set(differences(then, now)) == {
        Difference("torch", "1.0", now["versions"]["torch"]),
        Difference("threads", -1, now["machine"]["threads"]),
        Difference("processor", None, now["machine"]["processor"]),
        Difference("evaluations in calls shared with other runs", 4, None),
    }
    assert str(Difference("threads", 8, 2)) == "threads: 8 then, 2 now"


def test_a_model_is_loaded_again_as_it_was_then(tmp_path, executed):
    folder = tmp_path / "model"
    make_pipeline().save_pretrained(folder, variant="fp16")
    model = sdlab.load(folder, device="cpu", dtype="bfloat16", variant="fp16", tiled=True)
    wanted = sdlab.Experiment(prompt="a car", num_steps=1, width=64, height=64, model=model.name)
    then = sdlab.open_run(sdlab.run(model, wanted).save(tmp_path / "runs"))
    assert {"variant": "fp16", "tiled": True}.items() <= then.manifest["model"].items()
    again = model_of(then)
    assert again.loading == {"variant": "fp16", "tiled": True} and again.dtype == torch.bfloat16
    assert again.parts["vae"].use_tiling and rerun(then, again).same
    assert model_of(then, dtype="float32").dtype == torch.float32
    snippet = run_snippet(wanted.to_dict(), then.manifest["model"])
    assert f"sdlab.load({model.name!r}, variant='fp16', tiled=True)" in snippet
    script = sdlab.diffusers_script(model, wanted)
    assert "torch_dtype=torch.bfloat16, variant='fp16'\n" in script
    assert "pipe.vae.enable_tiling()" in script
    assert executed(script, wanted).tobytes() == then.image.tobytes()


def test_a_script_offloads_as_the_model_was_loaded(small):
    model = Model(small.pipeline, small.name)
    model.loading = {"offload": "model", "revision": "main"}
    script = sdlab.diffusers_script(model, sdlab.Experiment(model="small", num_steps=1))
    assert ", revision='main'\n)\npipe.enable_model_cpu_offload(device=\"cpu\")" in script
    assert ".to(" not in script.partition("pipe = ")[2].partition("generator")[0]


@pytest.mark.parametrize("odd", [{}, {"offload": 3, "tiled": "yes"}, {"device": "cpu"}])
def test_what_older_or_damaged_manifests_say_of_loading_is_nothing(odd):
    assert loading_of(odd) == {}
