"""DDIM there and back: from a picture's latents to the noise that gives it, and back again.

``schemes`` holds the three ways as generators in the solvers' own shape, so that they run on a
network and on an exact denoiser alike; ``invert`` runs them on a model and measures the way.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
