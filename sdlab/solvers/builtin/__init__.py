"""The laboratory's own solvers, one a file; a file put here is found and registered by itself."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
