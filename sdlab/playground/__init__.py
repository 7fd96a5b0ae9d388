"""A diffusion model of points in the plane, small enough to train while one watches."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
