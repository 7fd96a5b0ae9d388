"""Every pipeline of the zoo as a process: alone bit for bit, together within rounding or apart."""

import pytest
import torch

from sdlab.models.pipelines import NETWORKS
from sdlab.sampling.joining import Apart, alone_because, join, part, rows
from sdlab.sampling.pipeline_process import intercepting, pipeline_process
from tests.sampling.own_pipeline import own
from tests.zoo.chosen import KINDS, cases
from tests.zoo.pipelines import RUNS, build

PROMPTS = ("a red car", "a red bench", "a red beach")  # of one length
# Which argument keeps calls apart: stores that a network fills for itself, one a run.
APART = {
    "GlmImagePipeline": {"kv_caches"},
    "QwenImage21Pipeline": {"kv_cache"},
}
TOLERANCE = 1e-4  # of the largest number
LOOSE = {"Kandinsky3Img2ImgPipeline": 1e-3}  # by rounding: 5e-13 in float64


def call(pipe, arguments, number):
    words = {"prompt": PROMPTS[number]} if arguments.get("prompt") == PROMPTS[0] else {}
    out = own(pipe)(**{**arguments, **words}, generator=torch.Generator().manual_seed(number))
    return torch.as_tensor(out[0][0] if isinstance(out[0], list) else out[0])


def plain(pipe, arguments, number):
    """Call a pipeline as people do; some draw from torch's global numbers too."""
    with torch.random.fork_rng():
        torch.manual_seed(number)
        return call(pipe, arguments, number)


def drive(processes, reals):
    """Return what processes end in, driven together, and how many calls were apart and joined."""
    ends, waiting, joined, apart = {}, {}, 0, set()

    def go_on(number, step, *answer):
        try:
            waiting[number] = step(*answer)
        except StopIteration as stop:
            ends[number] = stop.value

    for number, process in enumerate(processes):
        go_on(number, next, process)
    while waiting:
        asked = dict(waiting)
        waiting.clear()
        try:
            together = [join(list(asked.values()))]
            groups = [list(asked)]
        except Apart as reason:
            apart.add(str(reason))
            together = [call.arguments for call in asked.values()]
            groups = [[number] for number in asked]
        for arguments, group in zip(together, groups, strict=True):
            with torch.no_grad():
                output = reals[asked[group[0]].network](**arguments)
            joined += 1
            sizes = [rows(asked[number]) for number in group]
            answers = [output] if len(group) == 1 else part(output, sizes)
            for number, answer in zip(group, answers, strict=True):
                go_on(number, processes[number].send, answer)
    return [ends[number] for number in range(len(processes))], joined, apart


@pytest.mark.parametrize("name", cases(RUNS, KINDS))
def test_alone_bit_for_bit_and_together_within_rounding(name):
    pipe, arguments = build(name)
    want = [plain(pipe, arguments, number) for number in range(3)]
    assert all(torch.isfinite(latents).all() for latents in want)
    assert not torch.equal(want[0], want[1])
    networks = {key: getattr(pipe, key) for key in NETWORKS if getattr(pipe, key, None)}

    def process(number):
        return pipeline_process(lambda: call(pipe, arguments, number), seed=number)

    with intercepting(networks) as reals:
        (alone,), calls, _ = drive([process(0)], reals)
        assert torch.equal(alone, want[0])
        if alone_because(type(pipe)):
            return
        ends, joined, apart = drive([process(number) for number in range(3)], reals)
    assert apart == APART.get(name, set())
    assert joined == calls * (3 if apart else 1)
    for latents, expected in zip(ends, want, strict=True):
        atol = LOOSE.get(name, TOLERANCE) * float(expected.abs().max())
        torch.testing.assert_close(latents, expected, rtol=0, atol=atol)
