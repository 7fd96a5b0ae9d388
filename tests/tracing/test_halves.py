"""Every way of guiding that is read, and those that must not be taken for one of them."""

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from sdlab.tracing.halves import UNKNOWN, Asked, HalvesFinder

ASKED = Asked(scales=(3.0,))
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def halves(dtype=torch.float32, shape=(2, 4, 16, 16), apart=0.1):
    """Return (uncond, cond), which differ little, as a network's do."""
    generator = torch.Generator().manual_seed(5)
    uncond, other = (torch.randn(shape, generator=generator) for _ in range(2))
    return uncond.to(dtype), (uncond + apart * other).to(dtype)


def guide(uncond, cond, scale=3.0):
    return uncond + scale * (cond - uncond)


def to_the_norm_of(guided, cond, most=None):
    ratio = cond.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True)
    return guided * (ratio if most is None else ratio.clamp(max=most))


def find(outputs, given, asked=ASKED):
    return HalvesFinder().find(outputs, given, asked)


WAYS = {
    "plain": guide,
    "of another scale": lambda u, c: guide(u, c, 7.3),
    "written otherwise": lambda u, c: 4.0 * c - 3.0 * u,
    "in float32": lambda u, c: guide(u.float(), c.float()),
    "negated": lambda u, c: -guide(u, c),
    "rescaled": lambda u, c: rescale_noise_cfg(guide(u, c), c, 0.7),
    "to the norm": lambda u, c: to_the_norm_of(guide(u, c), c),
    "to the norm, at most": lambda u, c: to_the_norm_of(guide(u, c), c, 0.99),
    "to the norm, negated": lambda u, c: -to_the_norm_of(guide(u, c), c),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("how", WAYS)
def test_every_way_is_read_in_every_order(how, dtype):
    uncond, cond = halves(dtype)
    given = WAYS[how](uncond, cond)
    sign = -1 if "negated" in how else 1
    for outputs in ([torch.cat([uncond, cond])], [uncond, cond]):
        found = find(outputs, given)
        assert torch.equal(found.cond, sign * cond) and torch.equal(found.uncond, sign * uncond)
        assert not found.swapped
    for outputs in ([torch.cat([cond, uncond])], [cond, uncond]):
        found = find(outputs, given)
        assert torch.equal(found.cond, sign * cond) and torch.equal(found.uncond, sign * uncond)
        assert found.swapped


def test_three_rows_of_perturbed_guidance():
    uncond, cond = halves()
    perturbed = cond.flip(-1)
    given = guide(uncond, cond) + 2.0 * (cond - perturbed)
    rows = [torch.cat([uncond, cond, perturbed])]
    found = find(rows, given, ASKED._replace(perturbed=True))
    assert torch.equal(found.cond, cond) and torch.equal(found.uncond, uncond)
    assert find(rows, given) == UNKNOWN  # three rows of a pipeline that says nothing of it


def test_a_perturbed_output_is_no_negative_half():
    perturbed, cond = halves()
    asked = Asked((1.0,), guides=False, perturbed=True)
    found = find([torch.cat([cond, perturbed])], guide(perturbed, cond), asked)
    assert torch.equal(found.cond, cond) and found.uncond is None


@pytest.mark.parametrize("sign", [1, -1])
def test_one_output(sign):
    _, cond = halves()
    found = find([cond], sign * cond)
    assert torch.equal(found.cond, sign * cond) and found.uncond is None


def test_outputs_are_cut_to_what_is_given():
    uncond, cond = halves(shape=(1, 16, 8))
    more = torch.ones(1, 5, 8)
    given = guide(uncond, cond)
    for outputs in (
        [torch.cat([x, more], dim=1) for x in (uncond, cond)],  # places of another picture
        [torch.cat([more, x], dim=1) for x in (uncond, cond)],
        [x[:, :, None] for x in (uncond, cond)],
    ):
        assert torch.equal(find(outputs, given).cond, cond)
    variance = torch.cat([torch.cat([uncond, cond])[:, None], torch.ones(2, 1, 16, 8)], dim=1)
    assert torch.equal(find([variance], given[:, None]).uncond, uncond[:, None])


def test_calls_for_another_use_are_left_alone():
    uncond, cond = halves()
    found = find([cond.flip(1), torch.cat([uncond, cond])], guide(uncond, cond))
    assert torch.equal(found.cond, cond)


def test_two_equal_halves():
    _, cond = halves()
    found = find([torch.cat([cond, cond])], guide(cond, cond))
    assert torch.equal(found.cond, cond) and torch.equal(found.uncond, cond)


def test_of_two_outputs_one_may_not_be_used():
    uncond, cond = halves()
    assert find([uncond, cond], cond).uncond is None
    assert torch.equal(find([uncond, cond], cond).cond, cond)
    assert torch.equal(find([cond, uncond], cond).cond, cond)


NOT_GUIDANCE = {
    "a mean": lambda u, c: 0.5 * (u + c),
    "something added": lambda u, c: guide(u, c) + 0.01 * u.flip(1),
    "one place changed": lambda u, c: guide(u, c) + 0.1 * torch.eye(16),
    "another number": lambda u, c: guide(u, c) + 0.02,
    "the other's place": lambda u, c: guide(u.roll(1, -1), c),
    "nothing of it": lambda u, c: c.flip(2),
    "not finite": lambda u, c: guide(u, c) * torch.nan,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("how", NOT_GUIDANCE)
def test_what_is_no_guidance_is_not_taken_for_it(how, dtype):
    uncond, cond = halves()
    given = NOT_GUIDANCE[how](uncond, cond).to(dtype)
    assert find([torch.cat([uncond, cond]).to(dtype)], given) == UNKNOWN
