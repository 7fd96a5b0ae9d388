"""The solvers that come with sdlab, one a file; a file put here is found and registered."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
