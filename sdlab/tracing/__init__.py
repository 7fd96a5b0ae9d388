"""Records runs and pipeline calls: tensors, statistics, timings, and the tables made of them."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
