"""Pipelines as processes: alone bit for bit, together within rounding, cancelled cleanly."""

import pytest
import torch
from diffusers import StableDiffusionPAGPipeline, StableDiffusionPipeline

from sdlab.sampling.joining import Apart, alone_because, join, part, rows
from sdlab.sampling.pipeline_process import Call, intercepting, pipeline_process
from tests import flow
from tests.conftest import make_pipeline
from tests.sampling.own_pipeline import own
from tests.tracing import pipelines as tiny
from tests.zoo.chosen import cases

SEEDS = (0, 1, 2)
SMALL = {"height": 64, "width": 64}


def sd3():
    return flow.sd3(), SMALL


def sd3_img2img():
    return flow.sd3_img2img(), {"image": tiny.PICTURE.resize((64, 64)), "strength": 0.75}


def sd3_inpaint():
    mask, picture = tiny.MASK.resize((64, 64)), tiny.PICTURE.resize((64, 64))
    return flow.sd3_inpaint(), {"image": picture, "mask_image": mask, **SMALL}


def flux():
    return flow.flux(), {**flow.FLUX_WORDS, "prompt": None, **SMALL}


MAKERS = [*tiny.PIPELINES, sd3, sd3_img2img, sd3_inpaint, flux]


def network(pipe):
    name = "unet" if hasattr(pipe, "unet") else "transformer"
    return {name: getattr(pipe, name)}


def call(pipe, arguments, seed):
    given = {"prompt": "a red car", "num_inference_steps": 4, "output_type": "latent", **arguments}
    return pipe(**given, generator=torch.Generator().manual_seed(seed)).images


def drive(process, reals):
    """The process alone: every call by itself."""
    calls = []
    try:
        asked = next(process)
        while True:
            calls.append(asked)
            with torch.no_grad():
                answer = reals[asked.network](**asked.arguments)
            asked = process.send(answer)
    except StopIteration as stop:
        return stop.value, calls


# Of Stable Diffusion 3 and XL one, for the others differ by what is done before the first call.
SOON = [make for make in MAKERS if not make.__name__.startswith(("sd3_", "xl_"))]


@pytest.mark.parametrize("make", cases(MAKERS, SOON), ids=lambda make: make.__name__)
def test_alone_bit_for_bit_and_together_within_rounding(make):
    pipe, arguments = make()
    want = [call(own(pipe), arguments, seed) for seed in SEEDS]
    networks = network(pipe)
    with intercepting(networks) as reals:
        alone = [
            drive(pipeline_process(lambda s=seed: call(own(pipe), arguments, s)), reals)
            for seed in SEEDS
        ]
        processes = [
            pipeline_process(lambda s=seed: call(own(pipe), arguments, s)) for seed in SEEDS
        ]
        waiting, ends = [next(process) for process in processes], []
        joint = 0
        while not ends:
            sizes = [rows(asked) for asked in waiting]
            with torch.no_grad():
                output = reals[waiting[0].network](**join(waiting))
            joint += 1
            asked = []
            for process, answer in zip(processes, part(output, sizes), strict=True):
                try:
                    asked.append(process.send(answer))
                except StopIteration as stop:
                    ends.append(stop.value)
            waiting = asked
        assert len(ends) == len(SEEDS)
    for (latents, calls), expected in zip(alone, want, strict=True):
        assert torch.equal(latents, expected)
        assert len(calls) == joint
    for latents, expected in zip(ends, want, strict=True):
        torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-4)
    assert all("forward" not in vars(module) for module in networks.values())


def test_cancelled_on_the_way_the_pipeline_is_as_before():
    pipe = make_pipeline()
    want = call(own(pipe), {}, 0)
    left = []

    class Watched(StableDiffusionPipeline):
        def __call__(self, **arguments):
            try:
                return super().__call__(**arguments)
            finally:
                left.append(torch.is_grad_enabled())

    watched = Watched(**pipe.components, requires_safety_checker=False)
    with intercepting(network(pipe)) as reals:
        process = pipeline_process(lambda: call(watched, {}, 0))
        asked = next(process)
        with torch.no_grad():
            process.send(reals["unet"](**asked.arguments))
        process.close()
        assert left == [True]  # its own no_grad has been left
        assert torch.is_grad_enabled()
        assert torch.equal(call(own(pipe), {}, 0), want)
    assert torch.equal(call(own(pipe), {}, 0), want)


def test_an_error_of_the_pipeline_comes_out_and_grad_mode_stays():
    pipe = make_pipeline()
    with intercepting(network(pipe)), pytest.raises(ValueError, match="divisible by 8"):
        next(pipeline_process(lambda: pipe("a", height=63, width=64)))
    assert torch.is_grad_enabled()


def test_an_error_thrown_in_reaches_the_pipeline():
    pipe = make_pipeline()
    with intercepting(network(pipe)):
        process = pipeline_process(lambda: call(own(pipe), {}, 0))
        next(process)
        with pytest.raises(MemoryError, match="full"):
            process.throw(MemoryError("full"))


def test_grad_mode_and_autocast_are_each_their_own():
    seen = []

    def work():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            layer(torch.zeros(1, 2))
            seen.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))

    layer = torch.nn.Linear(2, 2)
    with intercepting({"layer": layer}):
        process = pipeline_process(work)
        next(process)
        assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
        with pytest.raises(StopIteration):
            process.send(torch.zeros(1, 2))
        assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert seen == [(False, True)]


def test_a_forward_that_another_library_put_there_is_the_real_one_and_comes_back():
    layer = torch.nn.Linear(2, 2)
    doubled = []

    def theirs(x):
        doubled.append(x)
        return x * 2

    layer.forward = theirs
    with intercepting({"layer": layer}) as reals:
        assert layer(torch.ones(1)).item() == 2  # outside of a process
        process = pipeline_process(lambda: layer(torch.ones(3)))
        asked = next(process)
        with pytest.raises(StopIteration) as stop:
            process.send(reals["layer"](*asked.arguments.values()))
        assert stop.value.value.tolist() == [2, 2, 2]
    assert layer.forward is theirs


def made(**arguments):
    return Call("net", arguments)


def test_tensors_without_a_batch_side_must_be_equal():
    one = made(x=torch.zeros(2, 3), ids=torch.arange(5))
    assert join([one, one])["ids"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(Apart, match="ids"):
        join([one, made(x=torch.zeros(2, 3), ids=torch.arange(1, 6))])


@pytest.mark.parametrize(
    "one, other, name",
    [
        ({"scale": 1.0}, {"scale": 2.0}, "scale"),
        ({"text": torch.zeros(1, 7, 4)}, {"text": torch.zeros(1, 9, 4)}, "text"),
        ({"extra": {"a": torch.zeros(1)}}, {"extra": {"b": torch.zeros(1)}}, "extra"),
        ({"text": torch.zeros(1, 7)}, {"text": None}, "text"),
        ({"text": torch.zeros(1, 7)}, {"text": torch.zeros(1, 7).half()}, "text"),
        ({"residuals": (1, 2)}, {"residuals": (1,)}, "residuals"),
    ],
)
def test_what_differs_keeps_calls_apart(one, other, name):
    calls = [made(x=torch.zeros(1, 4), **given) for given in (one, other)]
    with pytest.raises(Apart, match=name):
        join(calls)


def test_timesteps_lists_and_residuals_are_joined():
    def asked(value, size):
        return made(
            x=torch.full((size, 4), value),
            timestep=torch.tensor(value),
            residuals=[torch.full((size, 2, 3, 3), value)] * size,
            shapes=[(1, int(value))] * size,
        )

    found = join([asked(1.0, 2), asked(2.0, 2)])
    assert found["timestep"].tolist() == [1, 1, 2, 2]
    assert found["shapes"] == [(1, 1), (1, 1), (1, 2), (1, 2)]
    assert [len(r) for r in found["residuals"]] == [4, 4]
    assert found["x"][:, 0].tolist() == [1, 1, 2, 2]


def test_residuals_of_tokens_are_joined_and_layers_on_the_first_side_are_not():
    def asked(value):
        layers = torch.full((2, 2, 5, 3), value)
        return made(
            x=torch.zeros(2, 5, 3),
            controlnet_block_samples=[torch.full((2, 5, 3), value)] * 2,
            encoder_hidden_states_llama3=layers,
            control_hidden_states_scale=torch.ones(2),
        )

    found = join([asked(1.0), asked(2.0)])
    assert [tuple(r.shape) for r in found["controlnet_block_samples"]] == [(4, 5, 3)] * 2
    assert found["encoder_hidden_states_llama3"].shape == (2, 4, 5, 3)
    assert found["encoder_hidden_states_llama3"][1, :, 0, 0].tolist() == [1, 1, 2, 2]
    assert found["control_hidden_states_scale"].tolist() == [1, 1]


def test_pipelines_that_change_their_network_say_why_they_run_alone():
    assert alone_because(StableDiffusionPipeline) is None
    assert "changes its network's attention" in alone_because(StableDiffusionPAGPipeline)


def test_global_random_numbers_are_each_run_s_own():
    layer = torch.nn.Identity()

    def work():
        return [float(torch.rand(())) + float(layer(torch.zeros(1))) for _ in range(3)]

    with torch.random.fork_rng():
        torch.manual_seed(4)
        want = work()
    before = torch.get_rng_state()
    with intercepting({"layer": layer}):
        ends, processes = [], [pipeline_process(work, seed=4) for _ in range(2)]
        for process in processes:
            next(process)
        while processes:
            for process in list(processes):
                try:
                    process.send(torch.zeros(1))
                except StopIteration as stop:
                    ends.append(stop.value)
                    processes.remove(process)
    assert ends == [want, want]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_of_lists_is_joined_and_parted():
    calls = [
        made(x=[torch.full((3, 2), float(v))] * n, t=torch.zeros(n)) for v, n in [(1, 1), (2, 2)]
    ]
    found = join(calls)
    assert [float(x[0, 0]) for x in found["x"]] == [1, 2, 2]
    assert [len(p[0]) for p in part((found["x"],), [1, 2])] == [1, 2]
