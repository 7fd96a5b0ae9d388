"""Training of the embedded model: networks, stages, evaluation, export."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
