"""Reports of what is stored, as one HTML file each; ``report`` says how they are asked for."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
