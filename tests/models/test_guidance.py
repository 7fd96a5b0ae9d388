"""What makes a negative prompt act on a model, by its pipeline's class and its network."""

import pytest

import sdlab
from sdlab.models.guidance import OWN, TRUE, Guidance, guidance_of, is_distilled
from tests import flow


@pytest.mark.parametrize(
    ("make", "found"),
    [(flow.flux, Guidance(TRUE)), (flow.sd3, Guidance(OWN)), (lambda: "embedded", Guidance(OWN))],
)
def test_it_is_read_from_the_class(make, found):
    assert guidance_of(sdlab.load(make())) == found


def test_a_distilled_network_has_it_within():
    model = sdlab.load(flow.sd3())
    model.network.register_to_config(guidance_embeds=True)
    assert is_distilled(model) and guidance_of(model) == Guidance("")


def test_an_own_default_holds_until_one_is_given():
    guidance = Guidance(TRUE, 4.0)
    assert guidance.acts(1.0) and not guidance.acts(4.0, 1.0)
    assert Guidance().acts(2.0) and not Guidance().acts(1.0, 4.0)
    assert not Guidance("").acts(9.0, 9.0)
