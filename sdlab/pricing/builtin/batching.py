"""Several pictures in one network call."""

from sdlab.models.model import Model
from sdlab.pricing.speedup import Changed, speedup


@speedup("batch", "All pictures in shared network calls; seconds are those of one.", source="sdlab")
def batch(model: Model) -> Changed:
    """Return the model, for all pictures at once."""
    return Changed(model, together=True)
