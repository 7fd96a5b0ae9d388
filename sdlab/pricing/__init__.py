"""The price of a speed-up: what it costs, in the unit of the sampler's own error."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
