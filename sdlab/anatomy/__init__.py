"""The anatomy of a denoising network: its map, what its blocks make of a run, and its parts alone.

``network_map`` counts and times every block of a loaded network, U-Net or transformer; ``features``
are what a block puts out at an evaluation of a run, ``observing`` watches a whole run; the time
embedding, the activations and the VAE's stages are looked at by themselves. Whatever is hooked to a
network is removed again, and what it computes stays the same bit for bit.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
