"""The models in the worker's hands."""

from dashboard.shell.messages import sentence
from dashboard.worker.held_models import HeldModels
from dashboard.worker.snapshots import ModelRequest
from tests.conftest import make_pipeline


def test_the_catalogue_is_judged_for_the_model_in_memory():
    import sdlab

    kinds = {"embedded": "epsilon", "other": "sample"}
    held = HeldModels(
        sentence, lambda source=None, **_: sdlab.load(make_pipeline(kinds[source or "embedded"]))
    )
    held.load(ModelRequest())
    held.make_catalogues()

    def fits(name: str, model: str) -> bool:
        return bool(held.named(model).catalogue.set_index("name").at[name, "compatible"])

    assert fits("PNDMScheduler", "embedded") and fits("heun", "embedded")
    held.load(ModelRequest("other"))
    assert not fits("PNDMScheduler", "other") and fits("heun", "other")
