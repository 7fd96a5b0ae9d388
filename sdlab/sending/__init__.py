"""Stored runs sent to other programs that keep experiments: MLflow, Weights & Biases.

Each has a module of its own, ``to_<name>``, with a function ``send(parcel, place, project)``; a new
one is found by its file. None of the programs is needed unless something is sent to it.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
