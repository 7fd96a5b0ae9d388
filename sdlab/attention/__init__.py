"""Where in the picture each word is read: attention maps of the U-Net, kept while it runs.

What to keep is chosen before the run and part of the experiment::

    record = sdlab.Record(attention=sdlab.AttentionRecord())   # cross, mean of heads, the prompt
    run = sdlab.run(model, sdlab.Experiment(prompt="a red car", record=record))
    run.heatmap("red car"); run.attention; run.trace.attention  # [h, w]; table; AttentionMaps

The modules, in the order in which data flows:

    layers          the U-Net's attention layers: dotted names, grids; what cannot be read
    planning        what will be kept and how much memory it takes, before the run
    hooks           hooks on q and k inside a context manager
    probabilities   softmax(q k^T scale) in float32 over all keys, in pieces
    collector       collects one picture's maps during a run, within the cap
    maps            AttentionMaps: what was kept, by layer, evaluation, head, token
    words           words and phrases as token positions
    views           heat maps, and maps along one axis; self-attention of a place
    summary         the ``attention`` table
    pictures        heat maps as pictures: overlay, mask, sheet
    analysis        tables: shares, courses, overlaps, rankings, words at a place
    image           the attention of a picture that was not made in a run
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sdlab.submodules import on_first_use

if TYPE_CHECKING:
    from sdlab.attention.image import of_image
    from sdlab.attention.layers import Layer
    from sdlab.attention.maps import AttentionMaps
    from sdlab.experiment.attention_record import AttentionRecord

_HOMES = {
    "AttentionMaps": "sdlab.attention.maps",
    "AttentionRecord": "sdlab.experiment.attention_record",
    "Layer": "sdlab.attention.layers",
    "of_image": "sdlab.attention.image",
}

__all__ = ["AttentionMaps", "AttentionRecord", "Layer", "of_image"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return on_first_use(__name__)(name)
    return getattr(import_module(_HOMES[name]), name)
