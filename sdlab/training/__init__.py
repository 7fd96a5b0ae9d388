"""How the small model that ships with sdlab is made: networks, stages, evaluation, export."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
