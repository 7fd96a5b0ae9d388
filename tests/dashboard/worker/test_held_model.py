"""The model in the worker's hands."""

from dashboard.shell.messages import sentence
from dashboard.worker.held_model import HeldModel
from dashboard.worker.snapshots import ModelRequest
from tests.conftest import make_pipeline


def test_the_catalogue_is_judged_for_the_model_in_memory():
    import sdlab

    kinds = {"embedded": "epsilon", "other": "sample"}
    held = HeldModel(
        sentence, lambda source=None, **_: sdlab.load(make_pipeline(kinds[source or "embedded"]))
    )
    held.swap(ModelRequest())
    held.make_catalogue()

    def fits(name: str) -> bool:
        return bool(held.catalogue.set_index("name").at[name, "compatible"])

    assert fits("PNDMScheduler") and fits("heun")
    held.swap(ModelRequest("other"))
    assert not fits("PNDMScheduler") and fits("heun")
