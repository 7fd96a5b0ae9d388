"""DDIM: eta, and inversion, from a picture's latents to the noise that gives it and back.

``schemes`` holds four methods of inversion as generators like the solvers, so that they run on a
network and on an exact denoiser, over sigma or over flow matching's times; ``invert`` runs them on
a model and measures what is lost, ``velocity`` on any flow-matching velocity, and ``walks`` draws
the pictures between two noises.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
