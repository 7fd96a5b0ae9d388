"""The evaluations that a grid's form promises are those that its runs make."""

import pytest
from PIL import Image

import sdlab
from dashboard.widgets.run_states import evaluations_of
from sdlab.comparing.model_facts import ModelFacts

SCENE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
SOLVERS = ["heun", "dpm_2", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "plms", "ddim"]


@pytest.mark.parametrize("strength", [None, 0.5])
@pytest.mark.parametrize("solver", SOLVERS)
def test_as_many_are_promised_as_are_planned(embedded, solver, strength):
    after = {"image": SCENE, "strength": strength} if strength else {}
    asked = sdlab.Experiment("a parrot", solver=solver, num_steps=10, seed=4, **after)
    planned = sdlab.plan(embedded, asked).nfe
    assert evaluations_of(asked, ModelFacts.of(embedded)) == planned
    if not strength:
        assert evaluations_of(asked) == planned


def test_of_what_cannot_run_the_steps_are_told():
    assert evaluations_of(sdlab.Experiment(solver="nobody", num_steps=7)) == 7
